"""Features of many pictures: each goes through the frozen network once, then they are kept.

The network cannot change while the head is trained, so neither can what it says about a picture.
"""

import functools
import hashlib
import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from lab.console import progress
from lab.data import images
from lab.features import by_picture, resizing, small_pictures
from lab.features.cache import fill
from lab.features.rounding import in_precision
from lab.formats.weights import digest as weights_digest
from lab.networks import ALEXNET, Network

# Raise one when features of the same pictures change: old ones on disk are left alone.
VERSION = 3  # of an array
FILES_VERSION = 4


def extract(
    pictures, weights, convention="caffe", precision="auto", cache=True, network=ALEXNET,
    layer=None, whole=False,
):  # fmt: skip
    """What a layer says about each picture: float16 [n, width].

    pictures: uint8 RGB [n, height, width, 3], or a list of pictures of any size, each RGB or the
        path of a file, decoded while the network computes; they need not fit in memory.
    weights: layer -> (kernel, bias), from the network's `load_weights`.
    precision: "float32", "bfloat16" or "auto", see `device.precision`.
    cache: keep the features on disk and take from there what an earlier call computed: of an array
        those of all its pictures, of a list each on its own, whatever the files are called.
    network: one of lab.networks. layer: one of its layers; None is the network's own choice.
    whole: take maps as they are, of any layer, where `Network.features` would pool them.
    Raises ValueError for no picture at all, one that is damaged, or features that overflow.
    """
    if not len(pictures):
        raise ValueError("features: expected at least one picture, found none")
    dtype = network.precision(precision)
    how = Frozen(network, weights, layer or network.layer, convention, dtype, whole)
    if not cache:
        return next(computed(pictures, how, [slice(0, len(pictures))]))
    if isinstance(pictures, np.ndarray):
        key = _sha256(f"{how.text(VERSION)} {images.digest(pictures)}")
        compute = functools.partial(computed, pictures, how)
        return fill(key, (len(pictures), how.width), compute)
    key, digests = _sha256(how.text(FILES_VERSION)), [*images.in_threads(_digest, pictures)]
    compute = functools.partial(_computed_of, pictures, how)
    return by_picture.fill(key, digests, how.width, compute)


def _sha256(text):
    return hashlib.sha256(text.encode()).hexdigest()


def _digest(picture):
    return bytes.fromhex(images.digest([picture]))


@dataclass(frozen=True, eq=False)
class Frozen:
    """The part of a network that pictures go through: up to `layer`, computing in `dtype`."""

    network: Network
    weights: dict
    layer: str
    convention: str
    dtype: tf.DType
    whole: bool = False

    @functools.cached_property
    def width(self):
        """Features of a picture."""
        if self.whole:
            return math.prod(self.network.shape(self.layer, self.weights, self.convention))
        return self.network.layers[self.layer]

    def prepared(self, picture):
        """One picture, RGB or a path, as the network wants it: [1, side, side, 3]."""
        if isinstance(picture, np.ndarray):
            return self.network.module.preprocess(picture[np.newaxis], self.convention)
        return resizing.prepared(picture, self.network.module, self.convention)

    @functools.cached_property
    def features(self):
        """A function: `prepared` pictures [b, side, side, 3] -> their float16 features [b, width].

        Compiled for each b it meets, so it is best given one.
        """
        rounded = {name: in_precision(layer, self.dtype) for name, layer in self.weights.items()}
        options = {"whole": True} if self.whole else {}  # not all networks have maps to give

        def features_of(batch):
            seen = self.network.features(batch, rounded, self.layer, self.convention, **options)
            return tf.cast(seen, tf.float16)

        return tf.function(features_of, autograph=False)

    def finite(self, features):
        """These features; ValueError when some are NaN or beyond what float16 holds."""
        if not np.isfinite(features).all():
            raise ValueError(
                f"{self.layer} features: expected numbers within ±65,504, found larger ones or "
                f"NaN: are these the weights of {self.network.name}, for pictures from 0 to 255?"
            )
        return features

    def text(self, version):
        """All that features depend on beside the pictures."""
        text = f"{version} {self.convention} {self.dtype.name} {weights_digest(self.weights)}"
        # The weights name the network. Its own choice is not named: features had no layer once.
        text = text if self.layer == self.network.layer else f"{text} {self.layer}"
        return f"{text} whole" if self.whole else text


def _computed_of(pictures, how, rows):
    """Yield the float16 features of these rows of a list of pictures, a batch at a time."""
    chosen = [pictures[row] for row in rows]
    return computed(chosen, how, _cut(slice(0, len(chosen)), how.network.batch))


def _cut(rows, step):
    """A slice as slices of `step` rows; the last may be shorter."""
    starts = range(rows.start, rows.stop, step)
    return [slice(start, min(start + step, rows.stop)) for start in starts]


def computed(pictures, how, chunks):
    """Yield the float16 features of each chunk, a slice of the pictures, in turn.

    how: the `Frozen` part of a network.
    """
    features_of = _compiled(pictures, how)
    batches = [batch for chunk in chunks for batch in _cut(chunk, how.network.batch)]
    total = sum(chunk.stop - chunk.start for chunk in chunks)
    outlook = f"The network will take {{}} to see {total:,} pictures"
    with progress(total, "features", "pictures", outlook=outlook) as advance:
        loaded = _one_ahead(functools.partial(_load, pictures, how), batches)
        for chunk in chunks:
            features, filled = np.empty((chunk.stop - chunk.start, how.width), np.float16), 0
            while filled < len(features):
                count, batch = next(loaded)
                part = features_of(batch)[:count].numpy()
                features[filled : filled + count] = how.finite(part)
                filled += count
                advance(count)
            yield features


def _compiled(pictures, how):
    """A function: a batch from `_load` -> float16 features [b, width]."""
    if not isinstance(pictures, np.ndarray):
        return how.features
    if not small_pictures.suit(how.network, how.convention, pictures.shape[1:3]):
        preprocess = how.network.module.preprocess
        return tf.function(
            lambda batch: how.features(preprocess(batch, how.convention)), autograph=False
        )
    conv1 = small_pictures.conv1(how.weights["conv1"], *pictures.shape[1:3], how.dtype)
    upper = how.weights.keys() - {"conv1"}
    rest = {name: in_precision(how.weights[name], how.dtype) for name in upper}

    def features_of(batch):
        seen = how.network.features(conv1(batch), rest, how.layer, after="conv1", whole=how.whole)
        return tf.cast(seen, tf.float16)

    return tf.function(features_of, autograph=False)


def _load(pictures, how, rows):
    """How many pictures `rows` names, and these, decoded and padded to a batch."""
    if isinstance(pictures, np.ndarray):
        batch = pictures[rows]
    else:
        with ThreadPoolExecutor() as pool:
            batch = tf.concat(list(pool.map(how.prepared, pictures[rows])), axis=0)
    # One shape for all batches: TensorFlow compiles the network for each shape it meets.
    missing = min(how.network.batch, len(pictures)) - len(batch)
    padded = tf.pad(batch, [[0, missing], [0, 0], [0, 0], [0, 0]]) if missing else batch
    return len(batch), padded


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
