"""What a finished training leaves in its run folder: figures, plots, the report."""

from datetime import UTC, datetime

import keras
import numpy as np

from lab.runs import board, metrics, plots, report
from lab.runs import run as runs
from lab.training import loop as heads


def tensorboard(folder):
    """Keras's callback that lets TensorBoard draw the curves while they grow."""
    return keras.callbacks.TensorBoard(folder / "tensorboard", write_graph=False)


def write(folder, record, dataset, fc7, training, validation, head, history):
    """Write the figures, plots and report of a fitted head; return the record."""
    seen, unseen = dataset.take(training), dataset.take(validation)
    probabilities = heads.probabilities(head, fc7[validation])
    hashes = np.sort(metrics.picture_hashes(seen.images))
    np.savez(folder / "split.npz", train=training, validation=validation, hashes=hashes)
    _draw(folder, seen, unseen, probabilities, history)
    board.write_extras(
        folder, fc7[validation], unseen.labels, unseen.names, unseen.images,
        folder / "confusion.png",
    )  # fmt: skip
    best = history.loc[history["val_loss"].idxmin()]
    ended = datetime.now(UTC)
    record |= {
        "seconds": (ended - datetime.fromisoformat(record["started"])).total_seconds(),
        "metrics": {
            "train": {"loss": best["loss"], "accuracy": best["accuracy"]},
            "validation": metrics.summary(unseen.labels, probabilities, unseen.tracks),
        },
        "best_epoch": int(best["epoch"]),
    }
    runs.write(folder, record)
    report.write(folder)
    return record


def _draw(folder, seen, unseen, probabilities, history):
    labels, names = unseen.labels, unseen.names
    sides = {"training": seen.labels, "validation": labels}
    plots.learning_curves(history, folder / "learning_curves.png")
    plots.confusion(labels, probabilities.argmax(1), names, folder / "confusion.png")
    plots.mistakes(unseen.images, labels, probabilities, names, folder / "mistakes.png")
    plots.class_balance(sides, names, folder / "class_balance.png")
    plots.reliability(labels, probabilities, folder / "reliability.png")
