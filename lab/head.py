"""The new last layer: a Keras Dense layer on fc7 features; built, fitted, and kept while it is."""

import time
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import tensorflow as tf
from sklearn.utils.class_weight import compute_class_weight

from lab.command_line import notice
from lab.printout import print_epoch


@dataclass(frozen=True)
class Recipe:
    """How to fit a head. The defaults are the course's, but for the patience."""

    epochs: int = 10
    batch_size: int = 128
    learning_rate: float = 1e-3
    seed: int = 0
    patience: int = 5  # epochs without a lower validation loss after which it stops
    class_weight: str | None = None  # "balanced": rare classes count as much as frequent ones
    label_smoothing: float = 0.0


def build(classes, seed=0):
    """An untrained head: features [n, 4096] -> scores [n, classes]; softmax makes probabilities."""
    start = keras.initializers.RandomNormal(stddev=1e-2, seed=seed)
    return keras.Sequential([keras.Input([4096]), keras.layers.Dense(classes, None, True, start)])


def probabilities(head, features, temperature=1.0):
    """Of each class, for each row of `features`: float32 [n, classes]."""
    scores = head.predict(features, batch_size=4096, verbose=0)
    return tf.nn.softmax(scores / temperature).numpy()


def fit(head, training, validation, recipe, folder, callbacks=()):
    """Fit `head` and return it as it was after its best epoch, with its history.

    training, validation: (features [n, 4096], labels [n]) each.
    folder: where it keeps `head.keras`, the best head so far; `history.csv`, a line an epoch; and
        the last two `checkpoints`. When it holds checkpoints, training goes on from there and ends
        as if it had never stopped.
    Raises ValueError when the loss stops being a number.
    """
    classes = head.output_shape[-1]
    features, labels = training
    keeper = Keeper(folder, recipe)
    steps = -(-len(labels) // recipe.batch_size)
    head.compile(
        keras.optimizers.Adam(recipe.learning_rate),
        keras.losses.CategoricalCrossentropy(True, label_smoothing=recipe.label_smoothing),
        metrics=["accuracy"],
        steps_per_execution=steps,  # a step takes 2 ms: a return to Python after each would show
    )
    head.optimizer.build(head.trainable_variables)
    first = keeper.restore(head)
    if not keeper.finished:
        head.fit(
            _batches(features, _one_hot(labels, classes), recipe, first),
            steps_per_epoch=steps,
            shuffle=False,  # `_batches` does
            validation_data=(validation[0], _one_hot(validation[1], classes)),
            validation_batch_size=4096,
            class_weight=_class_weights(labels, recipe.class_weight),
            initial_epoch=first,
            epochs=recipe.epochs,
            callbacks=[keeper, *callbacks],
            verbose=0,
        )
    return keras.saving.load_model(folder / "head.keras"), keeper.history


def _one_hot(labels, classes):
    return keras.utils.to_categorical(labels, classes)


def _class_weights(labels, choice):
    if choice is None:
        return None
    present = np.unique(labels)
    weights = compute_class_weight(choice, classes=present, y=labels)
    return dict(zip(present.tolist(), weights.tolist(), strict=True))


def _batches(features, one_hot, recipe, first_epoch):
    """Batches of all epochs from `first_epoch` on, each epoch in an order of its own.

    The order depends on the seed and the number of the epoch alone, so that a training that was
    stopped meets the same batches when it goes on.
    """
    features, one_hot = tf.constant(features), tf.constant(one_hot)

    def epoch(number):
        order = tf.random.experimental.stateless_shuffle(
            tf.range(len(one_hot)), tf.stack([tf.constant(recipe.seed, tf.int64), number])
        )
        return tf.data.Dataset.from_tensor_slices(order).batch(recipe.batch_size)

    def gather(rows):
        return tf.cast(tf.gather(features, rows), tf.float32), tf.gather(one_hot, rows)

    epochs = tf.data.Dataset.range(first_epoch, recipe.epochs)
    return epochs.flat_map(epoch).map(gather, num_parallel_calls=2).prefetch(4)


class Keeper(keras.callbacks.Callback):
    """Prints each epoch as the course did, keeps what a later start needs, stops when it is over.

    Keras has callbacks for early stopping and for backups, but what the first has seen is not in
    what the second keeps, so a training that goes on would stop at another epoch.
    """

    def __init__(self, folder, recipe):
        super().__init__()
        self.folder, self.recipe = Path(folder), recipe
        self.history = pd.DataFrame()

    @property
    def finished(self):
        if self.history.empty:
            return False
        best = self.history["val_loss"].to_numpy().argmin()
        waited = len(self.history) - 1 - best
        return len(self.history) >= self.recipe.epochs or waited >= self.recipe.patience

    def restore(self, head):
        """Load the newest whole checkpoint into `head`; the number of epochs it has seen."""
        for path in sorted(self._checkpoints(), reverse=True):
            epochs = int(path.name.split(".")[0])
            try:
                head.load_weights(path)
                history = pd.read_csv(self.folder / "history.csv", float_precision="round_trip")
            except (OSError, ValueError, KeyError) as error:
                notice(f"{path} is damaged, trying the one before: {str(error).splitlines()[0]}")
                continue
            self.history = history[:epochs]
            notice(f"Going on after epoch {epochs}")
            return epochs
        return 0

    def _checkpoints(self):
        return list(self.folder.glob("checkpoints/*.weights.h5"))

    def on_epoch_begin(self, epoch, logs=None):
        self.begin = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        seconds = time.perf_counter() - self.begin
        if not np.isfinite([logs["loss"], logs["val_loss"]]).all():
            raise ValueError(
                f"the loss is no longer a number in epoch {epoch + 1}: try a lower "
                f"--learning-rate than {self.recipe.learning_rate:g}"
            )
        print_epoch(epoch + 1, seconds, logs["val_loss"], logs["val_accuracy"])
        row = pd.DataFrame([{"epoch": epoch + 1, "seconds": seconds, **logs}])
        self.history = pd.concat([self.history, row], ignore_index=True)
        self._keep(epoch + 1)
        self.model.stop_training = self.finished

    def _keep(self, epochs):
        # In this order: a program killed between two of them does the epoch again, and equally.
        if self.history["val_loss"].idxmin() == epochs - 1:
            _replace(self.folder / "head.keras", self.model.save)
        _replace(self.folder / "history.csv", lambda path: self.history.to_csv(path, index=False))
        (self.folder / "checkpoints").mkdir(exist_ok=True)
        _replace(self.folder / f"checkpoints/{epochs:06}.weights.h5", self.model.save_weights)
        for old in sorted(self._checkpoints())[:-2]:
            old.unlink()


def _replace(path, write):
    """`write` the file beside `path` and move it there when it is whole."""
    unfinished = path.with_name(f"unfinished-{path.name}")
    write(unfinished)
    unfinished.replace(path)
