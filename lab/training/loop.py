"""The new last layer: a Keras Dense layer on fc7 features; built, fitted, and kept while it is."""

import time
import zipfile
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import tensorflow as tf
from sklearn.utils.class_weight import compute_class_weight

from lab.console import notice, print_epoch


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
    layer = keras.layers.Dense(classes, kernel_initializer=start)
    return keras.Sequential([keras.Input([4096]), layer])


def probabilities(head, features, temperature=1.0):
    """Of each class, for each row of `features`: float32 [n, classes]."""
    # Not `predict`, which takes a float32 copy of all features first.
    parts = [head(features[start : start + 4096]) for start in range(0, len(features), 4096)]
    return tf.nn.softmax(tf.concat(parts, axis=0) / temperature).numpy()


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
    folder = Path(folder)
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
    return load(folder / "head.keras", classes), keeper.history


def load(path, classes):
    """The head in the file `path`. FileNotFoundError, or ValueError when it is damaged."""
    if not path.is_file():
        raise FileNotFoundError(
            f"{path} is not there: go on with the training with "
            "`python train_feature_extraction.py --resume`"
        )
    try:
        with zipfile.ZipFile(path) as archive:
            if damaged := archive.testzip():  # Keras does not look at the checksums
                raise ValueError(f"checksum of {damaged}")
        head = keras.saving.load_model(path)
    except Exception as error:  # whatever the damaged bytes trip in zip, Keras or HDF5
        found = ascii(str(error)[:200])
        raise ValueError(
            f"{path}: expected the head of a training, found damage: {found}; train again with "
            "`python train_feature_extraction.py`"
        ) from error
    if head.input_shape != (None, 4096) or head.output_shape != (None, classes):
        raise ValueError(
            f"{path}: expected scores [n, {classes}] of features [n, 4096], "
            f"found {head.output_shape} of {head.input_shape}; train again with "
            "`python train_feature_extraction.py`"
        )
    return head


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


COLUMNS = ["epoch", "seconds", "loss", "accuracy", "val_loss", "val_accuracy"]


class Keeper(keras.callbacks.Callback):
    """Prints each epoch as the course did, keeps what a later start needs, stops when it is over.

    Keras has callbacks for early stopping and for backups, but what the first has seen is not in
    what the second keeps, so a training that goes on would stop at another epoch.
    """

    def __init__(self, folder, recipe):
        super().__init__()
        self.folder, self.recipe = folder, recipe
        self.history = pd.DataFrame()

    @property
    def finished(self):
        if self.history.empty:
            return False
        best = self.history["val_loss"].to_numpy().argmin()
        waited = len(self.history) - 1 - best
        return len(self.history) >= self.recipe.epochs or waited >= self.recipe.patience

    def restore(self, head):
        """Put `head` where the newest whole checkpoint has it; the number of epochs it has seen."""
        checkpoints = sorted(self._checkpoints(), reverse=True)
        for path in checkpoints:
            try:
                values, history = self._read(path, head)
            except Exception as error:  # whatever the damaged bytes trip in NumPy or Keras
                notice(f"{path} is of no use: {str(error)[:200]!a}")
                continue
            for variable, value in zip(_state(head), values, strict=True):
                variable.assign(value)
            self.history = history
            notice(f"Going on after epoch {len(history)}")
            return len(history)
        if checkpoints:
            notice("No checkpoint is whole: starting with the first epoch")
        return 0

    def _checkpoints(self):
        return list(self.folder.glob("checkpoints/[0-9]*.npz"))

    def _read(self, path, head):
        """What `_keep` wrote: the values of `_state`, and the history. Any error: it is no good."""
        with np.load(path) as file:  # checks the checksums
            *values, history = file.values()
        if [value.shape for value in values] != [tuple(each.shape) for each in _state(head)]:
            raise ValueError("of another head")
        load(self.folder / "head.keras", head.output_shape[-1])  # the best one before it
        return values, pd.DataFrame(history, columns=COLUMNS).astype({"epoch": int})

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
        row = pd.DataFrame([{"epoch": epoch + 1, "seconds": seconds, **logs}], columns=COLUMNS)
        self.history = pd.concat([self.history, row], ignore_index=True)
        self._keep(epoch + 1)
        self.model.stop_training = self.finished

    def _keep(self, epochs):
        # In this order: a program killed between two of them does the epoch again, and equally.
        if self.history["val_loss"].idxmin() == epochs - 1:
            _replace(self.folder / "head.keras", self.model.save)
        _replace(self.folder / "history.csv", lambda path: self.history.to_csv(path, index=False))
        (self.folder / "checkpoints").mkdir(exist_ok=True)
        state = [*map(np.asarray, _state(self.model)), self.history.to_numpy(float)]
        _replace(self.folder / f"checkpoints/{epochs:06}.npz", lambda path: np.savez(path, *state))
        for old in sorted(self._checkpoints())[:-2]:
            old.unlink()


def _state(head):
    """All that a training step changes."""
    return [*head.variables, *head.optimizer.variables]


def _replace(path, write):
    """`write` the file beside `path` and move it there when it is whole."""
    unfinished = path.with_name(f"unfinished-{path.name}")
    write(unfinished)
    unfinished.replace(path)
