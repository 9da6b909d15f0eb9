"""Features of many pictures: each goes through the frozen network once, then they are kept.

The network cannot change while the head is trained, so neither can what it says about a picture.
"""

import functools
import hashlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import tensorflow as tf
from tqdm import tqdm

from lab.data import images
from lab.features import small_pictures
from lab.features.cache import fill
from lab.features.rounding import in_precision
from lab.formats.weights import digest as weights_digest
from lab.networks import ALEXNET, Network

VERSION = 3  # raise it when features of the same pictures change: old ones on disk are left alone


def extract(
    pictures, weights, convention="caffe", precision="auto", cache=True, network=ALEXNET, layer=None
):
    """What a layer says about each picture: float16 [n, width].

    pictures: uint8 RGB [n, height, width, 3], or a list of pictures of any size, each RGB or the
        path of a file, decoded while the network computes; they need not fit in memory.
    weights: layer -> (kernel, bias), from the network's `load_weights`.
    precision: "float32", "bfloat16" or "auto", see `device.precision`.
    cache: keep the features on disk and take from there what an earlier call computed.
    network: one of lab.networks. layer: one of its layers; None is the network's own choice.
    Raises ValueError for no picture at all, one that is damaged, or features that overflow.
    """
    if not len(pictures):
        raise ValueError("features: expected at least one picture, found none")
    how = Frozen(network, weights, layer or network.layer, convention, network.precision(precision))
    compute = functools.partial(computed, pictures, how)
    if not cache:
        return next(compute([slice(0, len(pictures))]))
    key = hashlib.sha256(" ".join([*how.parts(), images.digest(pictures)]).encode()).hexdigest()
    return fill(key, (len(pictures), how.width), compute)


@dataclass(frozen=True, eq=False)
class Frozen:
    """The part of a network that pictures go through: up to `layer`, computing in `dtype`."""

    network: Network
    weights: dict
    layer: str
    convention: str
    dtype: tf.DType

    @property
    def width(self):
        """Features of a picture."""
        return self.network.layers[self.layer]

    def prepared(self, picture):
        """One picture, RGB or a path, as the network wants it: [1, side, side, 3]."""
        array = picture if isinstance(picture, np.ndarray) else images.read(picture)
        return self.network.module.preprocess(array[np.newaxis], self.convention)

    def parts(self):
        """All that features depend on beside the pictures, as text."""
        parts = [str(VERSION), self.convention, self.dtype.name, weights_digest(self.weights)]
        # The weights name the network. Its own choice is not named: features had no layer once.
        return parts if self.layer == self.network.layer else [*parts, self.layer]


def computed(pictures, how, chunks):
    """Yield the float16 features of each chunk, a slice of the pictures, in turn.

    how: the `Frozen` part of a network.
    """
    features_of, step = _compiled(pictures, how), how.network.batch
    batches = [
        slice(start, min(start + step, chunk.stop))
        for chunk in chunks
        for start in range(chunk.start, chunk.stop, step)
    ]
    total = sum(chunk.stop - chunk.start for chunk in chunks)
    with tqdm(total=total, desc="features", unit=" pictures", disable=None) as bar:
        loaded = _one_ahead(functools.partial(_load, pictures, how), batches)
        for chunk in chunks:
            features, filled = np.empty((chunk.stop - chunk.start, how.width), np.float16), 0
            while filled < len(features):
                count, batch = next(loaded)
                part = features_of(batch)[:count].numpy()
                features[filled : filled + count] = _finite(part, how)
                filled += count
                bar.update(count)
            yield features


def _compiled(pictures, how):
    """A function: a batch from `_load` -> float16 features [b, width]."""
    network, weights = how.network, how.weights
    in_memory = isinstance(pictures, np.ndarray)
    if in_memory and small_pictures.suit(network, how.convention, pictures.shape[1:3]):
        conv1 = small_pictures.conv1(weights["conv1"], *pictures.shape[1:3], how.dtype)
        rest = {name: in_precision(weights[name], how.dtype) for name in weights if name != "conv1"}

        def features_of(batch):
            return network.features(conv1(batch), rest, how.layer, after="conv1")
    else:
        rounded = {name: in_precision(weights[name], how.dtype) for name in weights}

        def features_of(batch):
            images = network.module.preprocess(batch, how.convention) if in_memory else batch
            return network.features(images, rounded, how.layer, how.convention)

    return tf.function(lambda batch: tf.cast(features_of(batch), tf.float16), autograph=False)


def _load(pictures, how, rows):
    """How many pictures `rows` names, and these, decoded and padded to a batch."""
    if isinstance(pictures, np.ndarray):
        batch = pictures[rows]
    else:
        with ThreadPoolExecutor() as pool:
            batch = tf.concat(list(pool.map(how.prepared, pictures[rows])), axis=0)
    # One shape for all batches: TensorFlow compiles the network for each shape it meets.
    missing = min(how.network.batch, len(pictures)) - len(batch)
    return len(batch), tf.pad(batch, [[0, missing], [0, 0], [0, 0], [0, 0]])


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


def _finite(features, how):
    if not np.isfinite(features).all():
        raise ValueError(
            f"{how.layer} features: expected numbers within ±65,504, found larger ones or NaN: "
            f"are these the weights of {how.network.name}, for pictures from 0 to 255?"
        )
    return features
