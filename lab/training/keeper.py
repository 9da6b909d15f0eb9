"""What a training keeps while it goes on, so that no moment of dying changes how it ends."""

from zipfile import ZipFile

import numpy as np
import pandas as pd

from lab.console import notice
from lab.files import explained, replace
from lab.formats import npz

COLUMNS = ["epoch", "seconds", "loss", "accuracy", "val_loss", "val_accuracy"]
LARGEST = 2**32  # bytes; AlexNet, all of it, and Adam's two moments are 730 million
KEPT = 2  # checkpoints: the last, and one more in case that is damaged


class Keeper:
    """The folder of a training: `history.csv`, and the state of model and optimizer by epoch.

    Keras has callbacks for early stopping and for backups, but what the first has seen is not in
    what the second keeps, so a training that goes on would stop at another epoch.
    """

    def __init__(self, folder, model, optimizer):
        self.folder, self.checkpoints = folder, folder / "checkpoints"
        self.model = model.variables
        self.state = [*model.variables, *optimizer.variables]  # all that a step changes

    def restore(self):
        """Put the state where the newest whole checkpoint has it; the history up to there."""
        checkpoints = sorted(self.checkpoints.glob("[0-9]*.npz"), reverse=True)
        for path in checkpoints:
            try:
                *values, history = _read(path)
                _fit(self.state, values)
                _fit(self.model, _read(self.checkpoints / "best.npz"))  # the best one before it
            except Exception as error:  # whatever the damaged bytes trip in NumPy
                notice(f"{path} is of no use: {str(error)[:200]!a}")
                continue
            _assign(self.state, values)
            notice(f"Going on after epoch {len(history)}")
            return _table(history)
        if checkpoints:
            notice("No checkpoint is whole: starting with the first epoch")
        return _table([])

    def keep(self, history):
        """Write the state, and the history up to it."""
        with explained(self.checkpoints):
            self.checkpoints.mkdir(exist_ok=True)
        # In this order: a program killed between two of them does the epoch again, and equally.
        if history["val_loss"].idxmin() == len(history) - 1:
            _write(self.checkpoints / "best.npz", self.model)
        replace(self.folder / "history.csv", lambda path: history.to_csv(path, index=False))
        _write(self.checkpoints / f"{len(history):06}.npz", [*self.state, history.to_numpy(float)])
        for old in sorted(self.checkpoints.glob("[0-9]*.npz"))[:-KEPT]:
            old.unlink()

    def restore_best(self):
        """Put the model where it was after its best epoch."""
        _assign(self.model, _read(self.checkpoints / "best.npz"))


def extended(history, row):
    """The history with one more row."""
    return _table([*history.to_numpy(float), row])


def _table(rows):
    return pd.DataFrame(rows, columns=COLUMNS).astype({"epoch": int})


def _write(path, arrays):
    """Write an `.npz` file one array at a time: all together they are as large as the training."""

    def write(file):
        with ZipFile(file, "w") as archive:
            for number, array in enumerate(arrays):
                with archive.open(f"arr_{number}.npy", "w", force_zip64=True) as member:
                    np.save(member, np.asarray(array))

    replace(path, write)


def _read(path):
    return [*npz.load(path, LARGEST, "it is left alone").values()]


def _fit(variables, values):
    if [value.shape for value in values] != [tuple(each.shape) for each in variables]:
        raise ValueError("of another model")


def _assign(variables, values):
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)
