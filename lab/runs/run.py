"""The run folder: what a training leaves, and the way back from there to a head that predicts."""

import json
import math
import platform
import shlex
import sys
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from lab import device
from lab.features import extraction as features
from lab.training import loop as head

# What every record must have, and of which type.
PARTS = {"arguments": dict, "preprocess": str, "names": list, "weights": dict}


@dataclass(frozen=True)
class Run:
    """A trained head and the record of how it came about."""

    folder: Path
    head: keras.Model
    record: dict

    @property
    def names(self):
        return self.record["names"]

    def probabilities(self, fc7):
        """Of each class, for each row of `fc7` features: float32 [n, classes]."""
        return head.probabilities(self.head, fc7, self.record.get("temperature", 1.0))


def describe(args, dataset, weights, training, validation, kind):
    """The record of a training that begins: all that its numbers depend on."""
    return {
        "command": shlex.join(["python", Path(sys.argv[0]).name, *sys.argv[1:]]),
        "arguments": {**vars(args), "resume": False},
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": {
            "python": platform.python_version(),
            "tensorflow": tf.__version__,
            "keras": keras.__version__,
            "numpy": np.__version__,
        },
        "device": device.name(),
        "network": "alexnet",
        "preprocess": args.preprocess,
        "precision": device.precision(args.precision).name,
        "seed": args.seed,
        "names": dataset.names,
        "weights": {
            "path": "random weights (--demo)" if args.demo else args.weights,
            "sha256": features.weights_digest(weights),
        },
        "data": {
            "path": "drawn signs (--demo)" if args.demo else args.data,
            "sha256": features.pictures_digest(dataset.images),
            "pictures": len(dataset),
            "tracks": None if dataset.tracks is None else len(np.unique(dataset.tracks)),
        },
        "split": {"kind": kind, "train": len(training), "validation": len(validation)},
    }


def check_writable(out):
    """Make the folder `out` if need be. OSError when nothing can be written there."""
    try:
        Path(out).mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=out):
            pass
    except OSError as error:
        raise OSError(
            f"{out}: runs cannot be kept here ({error.strerror}): name another folder with --out"
        ) from error


def create(out, record):
    """A new folder `OUT/<UTC time>` with the record in it, and `OUT/latest` pointing to it."""
    folder = Path(out) / datetime.now(UTC).strftime("%Y-%m-%dT%H%M%S.%fZ")
    folder.mkdir(parents=True)
    write(folder, record)
    link = folder.with_name(f"latest-{folder.name}")
    link.symlink_to(folder.name, target_is_directory=True)
    link.replace(Path(out) / "latest")
    return folder


def latest(out):
    """The folder that `OUT/latest` points to. FileNotFoundError when no run was begun."""
    link = Path(out) / "latest"
    if not link.exists():
        raise FileNotFoundError(
            f"{link}: expected a training run to go on with, found none: leave --resume out"
        )
    return link.resolve()


def go_on(folder, record):
    """`record` with the command that began the training in `folder`.

    Raises ValueError when that training has ended or was begun with other input.
    """
    begun = read(folder)
    if "metrics" in begun:
        raise ValueError(f"{folder}: this training has ended; leave --resume out to start another")
    for what in ("data", "weights", "split"):
        if begun.get(what) != record[what]:
            raise ValueError(
                f"{folder}: was begun with {what} {begun.get(what)}, found {record[what]}: "
                "leave --resume out to start another run"
            )
    return record | {"command": begun.get("command", record["command"])}


def write(folder, record):
    """Write `run.json`, whole or not at all."""
    unfinished = folder / "unfinished-run.json"
    text = json.dumps(record, indent=2, ensure_ascii=False)
    unfinished.write_text(text + "\n", encoding="utf-8")
    unfinished.replace(folder / "run.json")


def read(folder):
    """The record in `FOLDER/run.json`. FileNotFoundError or ValueError when there is none."""
    path = Path(folder) / "run.json"
    if not path.is_file():
        raise FileNotFoundError(
            f"{folder}: expected a training run, found no run.json: "
            "train one with `python train_feature_extraction.py`"
        )
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        whole = (
            all(isinstance(record[part], kind) for part, kind in PARTS.items())
            and all(isinstance(name, str) for name in record["names"])
            and isinstance(record["weights"]["sha256"], str)
            and 0 < record.get("temperature", 1.0) < math.inf
        )
    except (ValueError, KeyError, TypeError, RecursionError):
        whole = False
    if not whole:
        raise ValueError(
            f"{path}: expected the record of a training run, found damage: "
            "train again with `python train_feature_extraction.py`"
        )
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
    return Run(folder, head.load(folder / "head.keras", len(record["names"])), record)
