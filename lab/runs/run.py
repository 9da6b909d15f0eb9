"""A trained run: what it knows, and what it says about pictures."""

from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from lab import inputs, networks
from lab.features.extraction import extract
from lab.formats.weights import digest as weights_digest
from lab.runs import record as records
from lab.training import heads


@dataclass(frozen=True, eq=False)
class Run:
    """A trained run: its record, the weights of its network, and the head on one of its layers."""

    folder: Path
    record: records.Record
    weights: dict
    head: keras.Model

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

    def scores(self, pictures, precision=None, cache=True):
        """Of each class, before the softmax: float32 [n, classes].

        pictures: uint8 RGB [n, height, width, 3], or a list of arrays [height, width, 3] and paths.
        precision: None is the one it was trained in. cache: see `extract`.
        """
        precision = precision or self.record.precision
        features = extract(
            _stacked(pictures), self.weights, self.convention, precision, cache,
            self.network, self.layer,
        )  # fmt: skip
        return heads.scores(self.head, features)

    def probabilities(self, pictures, precision=None, cache=True):
        """Of each class: float32 [n, classes]; calibrated, if the run is."""
        return softmax(self.scores(pictures, precision, cache), self.record.temperature)


def _stacked(pictures):
    """Arrays of one size as one array: small ones then need no enlarging."""
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
    folder = found(folder)
    record = records.read(folder)
    if preprocess not in (None, record.preprocess):
        raise ValueError(
            f"{folder}: its head was trained with --preprocess {record.preprocess}, "
            f"not {preprocess}: leave --preprocess out"
        )
    network = networks.named(record.network)
    if not record.ended:
        raise ValueError(f"{folder}: its training was stopped: go on with it with --resume")
    asked = weights or ("random weights" if demo else None)
    if asked and record.demo != (weights is None):
        option = "--weights" if weights else "--demo"
        raise ValueError(_not_its(folder, record, asked, f"leave {option} out"))
    path = None if record.demo else weights or record.weights.path
    layers = inputs.weights(network, path, record.demo)
    if weights_digest(layers) != record.weights.sha256:
        remedy = "name the same file with --weights, or train again"
        raise ValueError(_not_its(folder, record, path or "today's random weights", remedy))
    width, classes = network.layers[record.layer], len(record.names)
    return Run(folder, record, layers, heads.load(folder / "head.keras", width, classes))


def _not_its(folder, record, asked, remedy):
    return (
        f"{folder}: its head was trained on features of {record.weights.path} "
        f"(sha256 {record.weights.sha256:.12}…), not of {asked}: {remedy}"
    )


# ---- the folders of runs ------------------------------------------------------------------------

LATEST = "latest"


def found(folder):
    """The folder of a run; `OUT/latest` is the one begun last, also where links are not allowed."""
    folder = Path(folder)
    if folder.name == LATEST and (folder.is_symlink() or not folder.exists()):
        return latest(folder.parent) or folder
    return folder


def latest(out):
    """The folder in `out` whose training was begun last, or None."""
    return max(folders(out), key=_begun, default=None)


def folders(out):
    """The folders of runs in `out`, by name."""
    found = (path.parent for path in Path(out).glob("*/run.json"))
    return sorted(folder for folder in found if folder.name != LATEST)


def _begun(folder):
    """When a run was begun, in seconds; of a damaged record, when it was written."""
    try:
        return records.read(folder).started.timestamp()
    except (OSError, ValueError):
        return (folder / "run.json").stat().st_mtime


def listing(out):
    """Lines about the runs in `out`, the one begun last below."""
    rows = [("run", "begun (UTC)", "network", "method", "data", "accuracy")]
    for folder in sorted(folders(out), key=_begun):
        try:
            record = records.read(folder)
        except ValueError:
            rows.append((folder.name, "damaged", "", "", "", ""))
            continue
        accuracy = f"{record.metrics.validation.accuracy:.3f}" if record.ended else "not ended"
        begun = record.started.strftime("%Y-%m-%d %H:%M")
        layer = f"{record.network} {record.layer}"
        rows.append((folder.name, begun, layer, record.method, record.data.path, accuracy))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
