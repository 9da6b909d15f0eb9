"""The run folder: what a training leaves, and the way back from there to a head that predicts."""

import json
import platform
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from lab import device, head


@dataclass(frozen=True)
class Run:
    """A trained head and the record of how it came about."""

    folder: Path
    head: keras.Model
    record: dict

    @property
    def names(self):
        return self.record["names"]

    def probabilities(self, features):
        """Of each class, for each row of fc7 `features`: float32 [n, classes]."""
        return head.probabilities(self.head, features, self.record.get("temperature", 1.0))


def create(out):
    """A new, empty folder `OUT/<UTC time>`, with `OUT/latest` pointing to it."""
    started = datetime.now(UTC)
    folder = Path(out) / started.strftime("%Y-%m-%dT%H%M%S.%fZ")
    folder.mkdir(parents=True)
    latest = Path(out) / "latest"
    latest.unlink(missing_ok=True)
    latest.symlink_to(folder.name, target_is_directory=True)
    return folder


def write(folder, record):
    """Write `run.json`, whole or not at all."""
    unfinished = folder / "unfinished-run.json"
    unfinished.write_text(json.dumps(record, indent=2, ensure_ascii=False) + "\n")
    unfinished.replace(folder / "run.json")


def surroundings():
    """What a number may depend on beside the arguments: the command, versions, the machine."""
    return {
        "command": " ".join(["python", Path(sys.argv[0]).name, *sys.argv[1:]]),
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": {
            "python": platform.python_version(),
            "tensorflow": tf.__version__,
            "keras": keras.__version__,
            "numpy": np.__version__,
        },
        "device": device.name(),
    }


def read(folder):
    """The record in `FOLDER/run.json`. FileNotFoundError or ValueError when there is none."""
    path = Path(folder) / "run.json"
    if not path.is_file():
        raise FileNotFoundError(
            f"{folder}: expected a training run, found no run.json: "
            "train one with `python train_feature_extraction.py`"
        )
    try:
        record = json.loads(path.read_text())
        record["names"], record["weights"]["sha256"], record["preprocess"]
    except (ValueError, KeyError, TypeError):
        raise ValueError(f"{path}: expected the record of a training run, found damage") from None
    return record


def load(folder, weights_sha256, convention):
    """The head of a run, for features from these weights and this convention and no others.

    Raises FileNotFoundError or ValueError: what it was trained with and what was asked for.
    """
    folder, record = Path(folder), read(folder)
    if record["preprocess"] != convention:
        raise ValueError(
            f"{folder}: its head was trained with --preprocess {record['preprocess']}, "
            f"not {convention}: say --preprocess {record['preprocess']}"
        )
    if record["weights"]["sha256"] != weights_sha256:
        raise ValueError(
            f"{folder}: its head was trained on features of {record['weights']['path']} "
            "(sha256 {:.12}…), not of these weights ({:.12}…): name the same with {}".format(
                record["weights"]["sha256"],
                weights_sha256,
                "--demo" if record["arguments"].get("demo") else "--weights",
            )
        )
    return Run(folder, _load_head(folder / "head.keras", len(record["names"])), record)


def _load_head(path, classes):
    if not path.is_file():
        raise FileNotFoundError(f"{path} is not there: the training stopped early; add --resume")
    try:
        loaded = keras.saving.load_model(path)
    except Exception as error:  # whatever the damaged bytes trip in Keras, zip or HDF5
        raise ValueError(f"{path}: expected a Keras model, found damage: {error}") from error
    if loaded.output_shape != (None, classes):
        raise ValueError(
            f"{path}: expected scores for {classes} classes, found {loaded.output_shape}"
        )
    return loaded
