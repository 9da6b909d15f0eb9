"""The files of a run folder that are read again, and what they must hold; none of them is trusted.

`run.json` is a `Record`, `evaluation.json` an `Evaluation`; `history.csv` and `evaluation.csv` are
tables. What is damaged is a ValueError of one line: path, field, expected, found.
"""

import csv
import math
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path
from typing import Annotated, Literal

from pydantic import (
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    FailFast,
    Field,
    ValidationError,
    model_validator,
)

from lab.console import one_line
from lab.files import replace_text
from lab.networks import named

SCRIPTS = {
    "feature extraction": "train_feature_extraction.py",
    "fine-tuning": "train_finetuning.py",
}
RANDOM = "random weights (--demo)"
DRAWN = {subject: f"drawn {subject} (--demo)" for subject in ("signs", "flowers")}
TRAIN = "train again with `python train_feature_extraction.py`"
EVALUATE = "evaluate again with `python evaluate.py`"
LARGEST = 16_000_000  # bytes; of 10,000 classes with long names a record takes 1 MB
LARGEST_TABLE = 4_000_000  # bytes; a row takes 60, and up to 70 times as much in memory
MOST = 200  # entries of a table of names and values, such as the arguments

Share = Annotated[float, Field(ge=0, le=1)]
Loss = Annotated[float, Field(ge=0)]
Count = Annotated[int, Field(ge=0, lt=2**63)]
Interval = Annotated[list[Share], Field(min_length=2, max_length=2)]
Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
Name = Annotated[str, Field(min_length=1, max_length=1000)]
Place = Annotated[str, Field(min_length=1, max_length=4096)]
Moment = Annotated[
    AwareDatetime,
    Field(strict=False, ge=datetime(2000, 1, 1, tzinfo=UTC), lt=datetime(2200, 1, 1, tzinfo=UTC)),
]


def _few(entries):
    if isinstance(entries, dict) and len(entries) > MOST:
        raise ValueError(f"over {MOST} entries")
    return entries


# Not every wrong entry of millions is worth an error of its own.
Few = BeforeValidator(_few)


class Part(BaseModel):
    """A part of a record: each field of its own type; fields of later versions are ignored."""

    model_config = ConfigDict(allow_inf_nan=False, strict=True, frozen=True)


class Weights(Part):
    path: Place
    sha256: Sha256


class Start(Part):
    """The trained run that a training goes on from: its layers and its head."""

    path: Place
    sha256: Sha256


class Data(Part):
    path: Place
    sha256: Sha256
    pictures: Count
    tracks: Count | None = None


class Split(Part):
    kind: Literal["track", "random"]
    by: Literal["tracks", "pattern", "copies"] | None = None  # what was kept on one side
    train: Count
    validation: Count


class Seen(Part):
    """Figures of pictures that were trained on."""

    loss: Loss
    accuracy: Share


class Figures(Seen):
    """Figures of pictures that were not."""

    count: Count | None = None
    interval: Interval | None = None
    resampled: str | None = None
    macro_f1: Share | None = None
    ece: Share | None = None
    top5: Share | None = None
    strange: Share | None = None  # called so; of validation pictures that is a false alarm


class Metrics(Part):
    train: Seen
    validation: Figures


class Record(Part):
    """How a run came about, and once it has ended (`metrics`) what it came to."""

    command: str
    arguments: Annotated[dict[str, str | bool | int | float | None], Few]
    started: Moment
    versions: Annotated[dict[str, str], Few]
    device: str
    method: Literal["feature extraction", "fine-tuning"] = "feature extraction"
    network: str
    layer: str = "fc7"
    preprocess: str
    precision: Literal["float32", "bfloat16"] = "float32"
    seed: Count
    hidden: Annotated[int, Field(ge=1, le=8192)] | None = None  # units
    names: Annotated[list[Name], Field(min_length=2), FailFast()]
    weights: Weights
    start: Start | None = None
    data: Data
    split: Split
    temperature: Annotated[float, Field(gt=0)] = 1.0
    seconds: Loss | None = None
    metrics: Metrics | None = None
    best_epoch: Annotated[int, Field(ge=1)] | None = None

    @model_validator(mode="after")
    def _belongs_together(self):
        network = named(self.network)
        network.check_layer(self.layer)
        if self.preprocess not in network.conventions:
            expected = ", ".join(network.conventions)
            raise ValueError(f"preprocess: expected {expected}, found {self.preprocess}")
        if not isinstance(self.arguments.get("limit"), int | None):
            raise ValueError("arguments.limit: expected a whole number")
        return self

    @property
    def ended(self):
        return self.metrics is not None

    @property
    def demo(self):
        """Whether random weights stood in."""
        return self.weights.path == RANDOM

    @property
    def drawn(self):
        """Whether drawn pictures stood in."""
        return self.data.path == DRAWN[named(self.network).subject]

    @property
    def files(self):
        """The options that name its input; None for what was made up."""
        made = self.demo or named(self.network).fetched
        weights = None if made else self.weights.path
        return {"weights": weights, "data": None if self.drawn else self.data.path}


class TrainedOn(Part):
    count: Count
    examples: Annotated[list[str], FailFast()] = []
    accuracy_without: Share | None = None


class Confused(Part):
    true: str
    predicted: str
    times: Count
    share: Share


class Evaluation(Figures):
    """Of the file evaluation.json."""

    interval: Interval
    data: str = ""
    head: str = ""
    temperature: Annotated[float, Field(gt=0)] = 1.0
    trained_on: TrainedOn = TrainedOn(count=0)
    most_confused: Annotated[list[Confused], FailFast()] = []


def read(folder):
    """The Record in `FOLDER/run.json`. FileNotFoundError or ValueError when there is none."""
    path = Path(folder) / "run.json"
    if not path.exists():
        raise FileNotFoundError(
            f"{folder}: expected a training run, found no run.json: "
            "train one with `python train_feature_extraction.py`"
        )
    return _parsed(path, Record, "the record of a training run", TRAIN)


def read_evaluation(folder):
    """The Evaluation in `FOLDER/evaluation.json`, or None when nothing was evaluated."""
    path = Path(folder) / "evaluation.json"
    return (
        _parsed(path, Evaluation, "figures of an evaluation", EVALUATE) if path.exists() else None
    )


def made(**fields):
    """A Record of these fields. ValueError when one is not what it must be, or is no text."""
    try:
        record = Record(**fields)
        record.model_dump_json()  # of what is no text
        return record
    except ValidationError as error:
        found = _problem(error)
    except ValueError as error:
        found = str(error)
    raise ValueError(f"the run cannot be put on record: {one_line(found)}")


def write(folder, record):
    """Write `run.json`, whole or not at all."""
    replace_text(folder / "run.json", record.model_dump_json(indent=2, exclude_none=True) + "\n")


def _problem(error):
    """The first field that a ValidationError complains about, and of what."""
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    field = ".".join(map(str, first["loc"]))
    return ": ".join(filter(None, [field, first["msg"].removeprefix("Value error, ")]))


def _parsed(path, kind, expected, remedy):
    try:
        return kind.model_validate_json(text(path))
    except ValidationError as error:
        found = _problem(error)
    except ValueError as error:
        found = str(error)
    raise _damaged(path, expected, found, remedy)


def text(path, largest=LARGEST):
    """The text in a file; ValueError when it is too large, no text, or no file at all."""
    if not path.is_file():
        raise ValueError("no file")
    if path.stat().st_size > largest:
        raise ValueError(f"over {largest:,} bytes")
    return path.read_text(encoding="utf-8")


def _damaged(path, expected, found, remedy):
    return ValueError(
        f"{path}: expected {expected}, found damage: {one_line(found)[:300]}; {remedy}"
    )


# ---- tables -------------------------------------------------------------------------------------

HISTORY = ("epoch", "loss", "accuracy", "val_loss", "val_accuracy")
CLASSES = ("name", "precision", "recall", "f1", "support")


def read_history(folder):
    """The rows of `FOLDER/history.csv`, one an epoch: column -> number; none without the file."""
    return _rows(Path(folder) / "history.csv", HISTORY, "delete it")


def read_classes(folder):
    """The rows of `FOLDER/evaluation.csv`, one a class; none without the file.

    Column -> number, NaN where there was nothing to count; the name is text.
    """
    return _rows(Path(folder) / "evaluation.csv", CLASSES, EVALUATE)


def _rows(path, columns, remedy):
    if not path.exists():
        return []
    try:
        head, *rows = [*csv.reader(StringIO(text(path, LARGEST_TABLE), newline=""))] or [[]]
        missing = [name for name in columns if name not in head]
        if missing or not rows:
            raise ValueError(f"no {', '.join(missing) or 'row'}")
        return [_row(head, cells, number) for number, cells in enumerate(rows, 1)]
    except (ValueError, csv.Error) as error:
        expected = f"a table with {', '.join(columns)}"
        raise _damaged(path, expected, str(error), remedy) from error


def _row(head, cells, number):
    if len(cells) != len(head):
        raise ValueError(f"{len(cells)} cells in row {number}")
    return {
        name: cell if name == "name" else _number(name, cell, number)
        for name, cell in zip(head, cells, strict=True)
    }


def _number(name, cell, row):
    try:
        number = int(cell) if cell.isdecimal() else float(cell or math.nan)
    except ValueError:
        number = math.inf
    if cell and not math.isfinite(number):
        raise ValueError(f"{name} in row {row}: {cell}")
    return number
