"""fc7 features of many pictures: each goes through the frozen network once, then it is kept.

The network cannot change while the head is trained, so neither can what it says about a picture.
"""

import functools
import hashlib
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import tensorflow as tf
from tqdm import tqdm

from alexnet import CONV1_PADDING, AlexNet, preprocess
from lab import device, feature_cache, images

SIZE = 4096
BATCH = 128  # large enough that reading fc6's 38 million weights hardly counts
VERSION = 2  # raise it when features of the same pictures change: old ones on disk are left alone


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
    compute = functools.partial(_compute, pictures, weights, convention, dtype)
    if not cache:
        return np.concatenate(list(compute([slice(0, len(pictures))])))
    parts = [VERSION, convention, dtype.name, weights_digest(weights), pictures_digest(pictures)]
    key = hashlib.sha256(" ".join(map(str, parts)).encode()).hexdigest()
    return feature_cache.fill(key, shape, compute)


def weights_digest(weights):
    """Names these weights, whatever file they came from: sha256 of their float32 values."""
    digest = hashlib.sha256()
    for name in sorted(weights):
        for tensor in weights[name]:
            digest.update(np.ascontiguousarray(tensor))
    return digest.hexdigest()


def pictures_digest(pictures):
    """Names these pictures, in this order, by their content: sha256."""
    digest = hashlib.sha256()
    if isinstance(pictures, np.ndarray):
        digest.update(f"{pictures.dtype} {pictures.shape}".encode())
        digest.update(np.ascontiguousarray(pictures))
    else:
        for path in pictures:
            digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def _compute(pictures, weights, convention, dtype, chunks):
    """Yield the float16 features of each chunk, a slice of the pictures, in turn."""
    weights = {name: _in_precision(layer, dtype) for name, layer in weights.items()}

    @tf.function(autograph=False)
    def network(prepared):
        padding = CONV1_PADDING[convention]
        return tf.cast(AlexNet(prepared, True, weights, padding), tf.float16)

    batches = [
        slice(start, min(start + BATCH, chunk.stop))
        for chunk in chunks
        for start in range(chunk.start, chunk.stop, BATCH)
    ]
    total = sum(chunk.stop - chunk.start for chunk in chunks)
    with tqdm(total=total, desc="features", unit=" pictures", disable=None) as bar:
        prepared = _one_ahead(functools.partial(_prepare, pictures, convention), batches)
        for chunk in chunks:
            parts = []
            while sum(map(len, parts)) < chunk.stop - chunk.start:
                count, batch = next(prepared)
                parts.append(network(batch)[:count].numpy())
                bar.update(count)
            yield _finite(np.concatenate(parts))


def _in_precision(layer, dtype):
    """Kernel and bias in `dtype`; a filter's rounding errors are carried from tap to tap.

    Rounded one by one, the taps of a filter no longer add up to what they did, and every even patch
    of colour shows it: bfloat16 then moves fc7 of real signs by 1.7 %. Errors that cancel between
    neighbours, as dithering has them, leave 0.7 %.
    """
    kernel, bias = layer
    if len(kernel.shape) == 4:
        taps, carry = np.reshape(kernel, [-1, *kernel.shape[2:]]), 0
        rounded = []
        for tap in taps:
            rounded.append((tap + carry).astype(dtype.as_numpy_dtype))
            carry = tap + carry - rounded[-1].astype(np.float32)
        kernel = np.reshape(rounded, kernel.shape)
    return tf.cast(kernel, dtype), tf.cast(bias, dtype)


def _prepare(pictures, convention, rows):
    """How many pictures `rows` names, and these, ready for the network and padded to a batch."""
    if isinstance(pictures, np.ndarray):
        batch = _preprocess(pictures[rows], convention)
    else:
        with ThreadPoolExecutor() as pool:
            read = functools.partial(_read_one, convention=convention)
            batch = tf.concat(list(pool.map(read, pictures[rows])), axis=0)
    # One shape for all batches: TensorFlow compiles the network for each shape it meets.
    size = min(BATCH, len(pictures))
    return len(batch), tf.pad(batch, [[0, size - len(batch)], [0, 0], [0, 0], [0, 0]])


def _read_one(path, convention):
    return preprocess(images.read(path)[np.newaxis], convention)


_preprocess = tf.function(preprocess, autograph=False)


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
