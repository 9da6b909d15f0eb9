"""A trained run: what it knows, and what it says about pictures."""

from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from lab import inputs, networks
from lab.features.extraction import Frozen, extract
from lab.formats.weights import digest
from lab.runs import asked, strangeness
from lab.runs.record import Record
from lab.training import heads, tuned_layers


@dataclass(frozen=True, eq=False)
class Run:
    """A trained run: its record, the weights of its network, and the head on one of its layers.

    usual: what tells how strange a picture is; None in runs begun before there was such a file.
    tuned: the layers of `weights` that it trained, and are not those of the weights file.
    """

    folder: Path
    record: Record
    weights: dict
    head: keras.Model
    usual: strangeness.Strangeness | None = None
    tuned: tuple[str, ...] = ()

    @property
    def names(self):
        """One name a class."""
        return self.record.names

    @property
    def network(self):
        return networks.named(self.record.network)

    @property
    def layer(self):
        """Whose output the head was trained on."""
        return self.record.layer

    @property
    def convention(self):
        """How its pictures were prepared."""
        return self.record.preprocess

    def frozen(self):
        """What its pictures go through before the head, in the precision it was trained in."""
        precision = self.network.precision(self.record.precision)
        return Frozen(self.network, self.weights, self.layer, self.convention, precision)

    @property
    def needed_weights(self):
        """Those of `weights` that its features depend on: layer -> (kernel, bias)."""
        network = self.network
        names = network.kernels(self.layer) if network.layered else self.weights
        return {name: self.weights[name] for name in names}

    def features(self, pictures, precision=None, cache=True):
        """What its layer says about each picture: float16 [n, width].

        pictures: uint8 RGB [n, height, width, 3], or a list of arrays [height, width, 3] and paths.
        precision: None is the one it was trained in. cache: see `extract`.
        """
        precision = precision or self.record.precision
        return extract(
            _stacked(pictures), self.weights, self.convention, precision, cache,
            self.network, self.layer,
        )  # fmt: skip

    def scores(self, pictures, precision=None, cache=True):
        """Of each class, before the softmax: float32 [n, classes]; arguments as of `features`."""
        return heads.scores(self.head, self.features(pictures, precision, cache))

    def probabilities(self, pictures, precision=None, cache=True):
        """Of each class: float32 [n, classes]; calibrated, if the run is."""
        return softmax(self.scores(pictures, precision, cache), self.record.temperature)

    def judged(self, pictures, precision=None, cache=True):
        """`probabilities`, and how strange each picture is, float32 [n], above 1 unlike any.

        Of one look at each picture; the second is None in runs begun before it was measured.
        """
        return self.judged_by(self.features(pictures, precision, cache))

    def judged_by(self, features):
        """What `judged` says of pictures whose features are known, float16 [n, width]."""
        probabilities = softmax(heads.scores(self.head, features), self.record.temperature)
        return probabilities, self.usual and self.usual.of(features)


def _stacked(pictures):
    """Arrays of one size as one array: small ones then need no enlarging."""
    if isinstance(pictures, np.ndarray):
        return pictures
    arrays = all(isinstance(picture, np.ndarray) for picture in pictures)
    same = arrays and len({picture.shape for picture in pictures}) == 1
    return np.stack(pictures) if same else pictures


def softmax(scores, temperature=1.0):
    """Probabilities, float32 [n, classes]. A temperature above 1 makes them less sure."""
    return tf.nn.softmax(scores / np.float32(temperature)).numpy()


def load(folder, weights=None, preprocess=None, demo=False):
    """The Run in `folder`, with the weights and the convention it was trained with.

    weights: where its weights file is now. preprocess, demo: what was asked for on the command
        line, if anything.
    Raises FileNotFoundError or ValueError: what it was trained with and what was asked for.
    """
    folder, record, file = asked.run(folder, weights, preprocess, demo)
    network = networks.named(record.network)
    layers = inputs.weights(network, file, record.demo)
    if digest(layers) != record.weights.sha256:
        same = "name the same file with --weights, or " if file else ""
        asked_for = file or ("today's random weights" if record.demo else network.file)
        raise ValueError(asked.not_its(folder, record, asked_for, f"{same}train again"))
    tuned = {}
    if record.method == "fine-tuning":
        tuned = tuned_layers.read(folder, network.module.KERNELS)
    width, classes = network.layers[record.layer], len(record.names)
    head = heads.load(folder / "head.keras", width, classes, record.hidden)
    usual = strangeness.load(folder / strangeness.FILE, width)
    return Run(folder, record, {**layers, **tuned}, head, usual, (*tuned,))
