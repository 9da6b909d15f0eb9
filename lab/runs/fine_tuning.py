"""What a run of fine-tuning needs beyond others: the part that learns, and what it learns from."""

import functools
import math

import keras
import numpy as np
import tensorflow as tf

from lab import networks
from lab.console import notice
from lab.data import images
from lab.data.dataset import as_signs
from lab.features.extraction import extract
from lab.features.resizing import squeezed
from lab.runs import drawings
from lab.training import augmentation, loop, tuned_layers
from lab.training.tuned import Tuned

KEPT = 1_000_000_000  # bytes, at most, of what frozen layers say about all pictures
AT_ONCE = 128  # pictures that the network is judged by in one go
SHOWN = 6  # pictures of which the report shows what augmentation makes


class Tuning:
    """The part of a run's network that learns, as it starts, and the pictures it learns from.

    Layers below the first that learns say the same about a picture in every epoch. So they see each
    picture once, where what they say is small enough to be kept; not if pictures change by epoch.
    """

    def __init__(self, run):
        args, self.run = run.args, run
        self.network, self.layer = networks.named(args.network), run.record.layer
        names = self.network.learning(args.unfreeze, self.layer)
        self.below = self.network.below(names[0]) if names else self.layer
        keepable = not names or (self.below and self._bytes() <= KEPT)
        self.augment = args.augment or ("none" if keepable else _suitable(run.dataset.names))
        self.kept = keepable and self.augment == "none"
        run.note(augment=self.augment)
        if keepable and not self.kept:
            notice(
                f"Each epoch changes the pictures (--augment {self.augment}), so they go through "
                f"all of {self.network.name} each time; with --augment none up to {self.below} once"
            )

    def _bytes(self):
        """Of what the frozen layers say; for all signs of train.p pool5 says 0.7 GB, conv4 5 GB."""
        shape = self.network.shape(self.below, self.run.weights, self.run.args.preprocess)
        return 2 * len(self.run.dataset) * math.prod(shape)

    def model(self, new_layer):
        """The network with the head of the run it starts from, or else a `new_layer`: a Tuned."""
        run, args = self.run, self.run.args
        width, classes = self.network.layers[self.layer], len(run.dataset.names)
        head = new_layer(width, classes, args.seed)
        if run.start:  # built here: where several devices compute, each has its own
            head = keras.models.clone_model(run.start.head)
            head.set_weights(run.start.head.get_weights())
        weights, run.weights = run.weights, None  # 244 MB; what learns is the model's from here on
        return Tuned(
            self.network, weights, head, self.layer, args.unfreeze, args.preprocess,
            tf.as_dtype(run.record.precision), args.dropout, args.seed, self.kept,
        )  # fmt: skip

    def examples(self):
        """The Examples that the model learns from, and is judged by."""
        run, args, dataset = self.run, self.run.args, self.run.dataset
        inputs, augment = self._pictures(), None
        if self.kept:
            inputs = extract(
                dataset.images, run.weights, args.preprocess, run.record.precision, args.cache,
                self.network, self.below, whole=self.below != self.layer,
            )  # fmt: skip
        if self.augment != "none":
            chosen = augmentation.of(self.augment, dataset.names)
            augment = augmentation.by_epoch(chosen, len(dataset), args.seed)
        weights = loop.weights_of(dataset.labels, run.rows[0], args.class_weight)
        names = dataset.names
        return loop.Examples(inputs, dataset.labels, weights, len(names), AT_ONCE, augment)

    def _pictures(self):
        """Pictures uint8 RGB [n, h, w, 3]; of files a function that decodes some rows."""
        found = self.run.dataset.images
        if isinstance(found, np.ndarray):
            return found
        return functools.partial(_decoded, found, self.network.module.INPUT_SIZE)

    def finish(self, model, history):
        """Write what was trained, figures and report; the record of the run that has ended."""
        run = self.run
        run.weights = model.weights_now()
        names = {*model.unfrozen, *(run.start.tuned if run.start else ())}
        tuned_layers.write(run.folder, {name: run.weights[name] for name in sorted(names)})
        if self.augment != "none":
            self._draw_augmented()
        record = run.finish(model.head, history, run.features())
        if run.start:
            self._compare(record.metrics.validation.loss)
        return record

    def _compare(self, loss):
        """Say so when the run it started from has the lower validation loss."""
        start = self.run.start
        before = start.record.metrics.validation.loss
        if loss > before:
            args, count = self.run.args, len(self.run.rows[0])
            steps = args.epochs * math.ceil(count / args.batch_size)
            notice(
                f"No better than {start.folder}, which it started from: validation loss "
                f"{loss:.3f}, there {before:.3f}. It took few steps ({steps:,}), or large ones: "
                "try more --epochs, a smaller --batch-size or --learning-rate"
            )

    def _draw_augmented(self):
        """A sheet of some pictures that train, and of what they look like in some epochs."""
        run, pictures = self.run, self._pictures()
        rows = run.rows[0][:: -(-len(run.rows[0]) // SHOWN)]
        shown = pictures(tf.constant(rows)) if callable(pictures) else pictures[rows]
        augment = augmentation.of(self.augment, run.dataset.names)
        sheet = augmentation.sheet(np.asarray(shown), run.dataset.labels[rows], augment)
        drawings.sheet(sheet, run.folder / "augmentation.png")


def _suitable(names):
    """The augmentation for classes of these names."""
    return "signs" if as_signs(names) else "photos"


def _decoded(paths, side, rows):
    """The pictures `rows` of these files, uint8 RGB [b, side, side, 3]."""

    def read(rows):
        chosen = [paths[row] for row in rows]
        return np.stack([*images.in_threads(functools.partial(_square, side), chosen)])

    found = tf.numpy_function(read, [rows], tf.uint8)
    return tf.ensure_shape(found, [None, side, side, 3])


def _square(side, path):
    return np.round(squeezed(path, side)).astype(np.uint8)
