"""What a finished training leaves in its run folder: figures, plots, the report."""

from datetime import UTC, datetime

import keras
import numpy as np

from lab import head as heads
from lab import metrics, plots, report, runs


def tensorboard(folder):
    """Keras's callback that lets TensorBoard draw the curves while they grow."""
    return keras.callbacks.TensorBoard(folder / "tensorboard", write_graph=False)


def write(folder, record, dataset, fc7, training, validation, head, history):
    """Write the figures, plots and report of a fitted head; return the record."""
    labels = dataset.labels[validation]
    tracks = None if dataset.tracks is None else dataset.tracks[validation]
    probabilities = heads.probabilities(head, fc7[validation])
    best = history.loc[history["val_loss"].idxmin()]
    figures = metrics.summary(labels, probabilities, tracks)

    np.savez(
        folder / "split.npz",
        train=training,
        validation=validation,
        hashes=np.sort(metrics.picture_hashes(dataset.take(training).images)),
    )
    _draw(folder, dataset, training, validation, probabilities, history)
    ended = datetime.now(UTC)
    record |= {
        "seconds": (ended - datetime.fromisoformat(record["started"])).total_seconds(),
        "metrics": {
            "train": {"loss": best["loss"], "accuracy": best["accuracy"]},
            "validation": figures,
        },
        "best_epoch": int(best["epoch"]),
    }
    runs.write(folder, record)
    report.write(folder)
    return record


def _draw(folder, dataset, training, validation, probabilities, history):
    labels, names = dataset.labels[validation], dataset.names
    pictures = dataset.take(validation).images
    sides = {"training": dataset.labels[training], "validation": labels}
    plots.learning_curves(history, folder / "learning_curves.png")
    plots.confusion(labels, probabilities.argmax(1), names, folder / "confusion.png")
    plots.mistakes(pictures, labels, probabilities, names, folder / "mistakes.png")
    plots.class_balance(sides, names, folder / "class_balance.png")
    plots.reliability(labels, probabilities, folder / "reliability.png")
