"""fc7 features of many pictures: each goes through the frozen network once, then it is kept.

The network cannot change while the head is trained, so neither can what it says about a picture.
"""

import functools
import hashlib
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import tensorflow as tf
from tqdm import tqdm

from alexnet import CONV1_PADDING, activations, preprocess
from lab import device
from lab.data import images
from lab.data.images import digest as pictures_digest
from lab.features import cache as feature_cache
from lab.features import small_pictures
from lab.features.rounding import in_precision
from lab.formats.weights import digest as weights_digest

SIZE = 4096
BATCH = 128  # large enough that reading fc6's 38 million weights hardly counts
VERSION = 3  # raise it when features of the same pictures change: old ones on disk are left alone


def extract(pictures, weights, convention="caffe", precision="auto", cache=True):
    """What fc7 says about each picture: float16 [n, 4096].

    pictures: uint8 RGB [n, height, width, 3], or a list of paths to pictures of any size, decoded
        while the network computes; they need not fit in memory.
    weights: layer -> (kernel, bias), from `alexnet.load_weights`.
    precision: "float32", "bfloat16" or "auto", see `device.precision`.
    cache: keep the features on disk and take from there what an earlier call computed.
    Raises ValueError for no picture at all, one that is damaged, or features that overflow.
    """
    if not len(pictures):
        raise ValueError("fc7 features: expected at least one picture, found none")
    dtype = device.precision(precision)
    shape = (len(pictures), SIZE)
    compute = functools.partial(computed, pictures, weights, convention, dtype)
    if not cache:
        return next(compute([slice(0, len(pictures))]))
    parts = [VERSION, convention, dtype.name, weights_digest(weights), pictures_digest(pictures)]
    key = hashlib.sha256(" ".join(map(str, parts)).encode()).hexdigest()
    return feature_cache.fill(key, shape, compute)


def computed(pictures, weights, convention, dtype, chunks):
    """Yield the float16 features of each chunk, a slice of the pictures, in turn."""
    network = _network(pictures, weights, convention, dtype)
    batches = [
        slice(start, min(start + BATCH, chunk.stop))
        for chunk in chunks
        for start in range(chunk.start, chunk.stop, BATCH)
    ]
    total = sum(chunk.stop - chunk.start for chunk in chunks)
    with tqdm(total=total, desc="features", unit=" pictures", disable=None) as bar:
        loaded = _one_ahead(functools.partial(_load, pictures, convention), batches)
        for chunk in chunks:
            features, filled = np.empty((chunk.stop - chunk.start, SIZE), np.float16), 0
            while filled < len(features):
                count, batch = next(loaded)
                features[filled : filled + count] = _finite(network(batch)[:count].numpy())
                filled += count
                bar.update(count)
            yield features


def _network(pictures, weights, convention, dtype):
    """A function: a batch from `_load` -> float16 features [b, 4096]."""
    first_layer = _first_layer(pictures, weights["conv1"], convention, dtype)
    others = {name: in_precision(weights[name], dtype) for name in weights if name != "conv1"}

    @tf.function(autograph=False)
    def network(batch):
        return tf.cast(activations(first_layer(batch), others, "conv1", "fc7")["fc7"], tf.float16)

    return network


def _first_layer(pictures, layer, convention, dtype):
    """A function: a batch from `_load` -> what conv1 makes of it."""
    in_memory = isinstance(pictures, np.ndarray)
    if in_memory and convention == "caffe" and max(pictures.shape[1:3]) <= small_pictures.LARGEST:
        return small_pictures.conv1(layer, *pictures.shape[1:3], dtype)
    layer = {"conv1": in_precision(layer, dtype)}

    def function(batch):
        prepared = preprocess(batch, convention) if in_memory else batch
        padding = CONV1_PADDING[convention]
        return activations(prepared, layer, upto="conv1", conv1_padding=padding)["conv1"]

    return function


def _load(pictures, convention, rows):
    """How many pictures `rows` names, and these, decoded and padded to a batch."""
    if isinstance(pictures, np.ndarray):
        batch = pictures[rows]
    else:
        with ThreadPoolExecutor() as pool:
            read = functools.partial(_read_one, convention=convention)
            batch = tf.concat(list(pool.map(read, pictures[rows])), axis=0)
    # One shape for all batches: TensorFlow compiles the network for each shape it meets.
    missing = min(BATCH, len(pictures)) - len(batch)
    return len(batch), tf.pad(batch, [[0, missing], [0, 0], [0, 0], [0, 0]])


def _read_one(path, convention):
    return preprocess(images.read(path)[np.newaxis], convention)


def _one_ahead(function, items):
    """`function` of each item, in order; a thread works at the next one meanwhile."""
    with ThreadPoolExecutor(1) as worker:
        upcoming = None
        for item in items:
            ready, upcoming = upcoming, worker.submit(function, item)
            if ready:
                yield ready.result()
        if upcoming:
            yield upcoming.result()


def _finite(features):
    if not np.isfinite(features).all():
        raise ValueError(
            "fc7 features: expected numbers within ±65,504, found larger ones or NaN: "
            "are these AlexNet's weights, for pictures from 0 to 255?"
        )
    return features
