"""The files of a run folder that are read again, and what they must hold; none of them is trusted.

`run.json` is a `Record`, `evaluation.json` an `Evaluation`; `history.csv` and `evaluation.csv` are
tables. What is damaged is a ValueError of one line: path, field, expected, found.
"""

import math
from pathlib import Path
from typing import Annotated, Literal

import pandas as pd
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError, model_validator

from lab.console import one_line
from lab.files import replace_text
from lab.networks import named

RANDOM = "random weights (--demo)"
DRAWN = "drawn signs (--demo)"
TRAIN = "train again with `python train_feature_extraction.py`"
EVALUATE = "evaluate again with `python evaluate.py`"
LARGEST = 16_000_000  # bytes; of 10,000 classes with long names a record takes 1 MB

Share = Annotated[float, Field(ge=0, le=1)]
Loss = Annotated[float, Field(ge=0)]
Count = Annotated[int, Field(ge=0)]
Interval = Annotated[list[Share], Field(min_length=2, max_length=2)]
Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
Name = Annotated[str, Field(min_length=1, max_length=1000)]


class Part(BaseModel):
    """A part of a record: each field of its own type; fields of later versions are ignored."""

    model_config = ConfigDict(allow_inf_nan=False, strict=True, frozen=True)


class Weights(Part):
    path: str
    sha256: Sha256


class Data(Part):
    path: str
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


class Metrics(Part):
    train: Seen
    validation: Figures


class Record(Part):
    """How a run came about, and once it has ended (`metrics`) what it came to."""

    command: str
    arguments: dict[str, str | bool | int | float | None]
    started: Annotated[AwareDatetime, Field(strict=False)]
    versions: dict[str, str]
    device: str
    method: Literal["feature extraction", "fine-tuning"] = "feature extraction"
    network: str
    layer: str = "fc7"
    preprocess: str
    precision: Literal["float32", "bfloat16"] = "float32"
    seed: Count
    names: Annotated[list[Name], Field(min_length=2)]
    weights: Weights
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
        return self

    @property
    def demo(self):
        """Whether random weights stood in."""
        return self.weights.path == RANDOM

    @property
    def ended(self):
        return self.metrics is not None


class TrainedOn(Part):
    count: Count
    examples: list[str] = []
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
    most_confused: list[Confused] = []


def read(folder):
    """The Record in `FOLDER/run.json`. FileNotFoundError or ValueError when there is none."""
    folder = Path(folder)
    path = folder / "run.json"
    if not path.is_file():
        raise FileNotFoundError(
            f"{folder}: expected a training run, found no run.json: "
            "train one with `python train_feature_extraction.py`"
        )
    return _parsed(
        path,
        Record,
        "record of a training run",
        "train again with `python train_feature_extraction.py`",
    )


def read_evaluation(folder):
    """The Evaluation in `FOLDER/evaluation.json`, or None when nothing was evaluated."""
    path = Path(folder) / "evaluation.json"
    if not path.exists():
        return None
    return _parsed(
        path, Evaluation, "figures of an evaluation", "evaluate again with `python evaluate.py`"
    )


def write(folder, record):
    """Write `run.json`, whole or not at all."""
    replace_text(folder / "run.json", record.model_dump_json(indent=2, exclude_none=True) + "\n")


def _parsed(path, kind, expected, remedy):
    try:
        if path.stat().st_size > LARGEST:
            raise ValueError(f"over {LARGEST:,} bytes")
        return kind.model_validate_json(path.read_text(encoding="utf-8"))
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        problem = ": ".join(filter(None, [".".join(map(str, first["loc"])), first["msg"]]))
    except ValueError as error:  # no UTF-8
        problem = str(error)
    raise ValueError(
        f"{path}: expected the {expected}, found damage: {one_line(problem)[:300]}; {remedy}"
    )


# ---- tables -------------------------------------------------------------------------------------

HISTORY = ("epoch", "loss", "accuracy", "val_loss", "val_accuracy")
CLASSES = ("name", "precision", "recall", "f1", "support")


def read_history(folder):
    """The DataFrame of `FOLDER/history.csv`: numbers, a row an epoch; None when it is not there."""
    return _table(Path(folder) / "history.csv", HISTORY, texts=())


def read_classes(folder):
    """The DataFrame of `FOLDER/evaluation.csv`, a row a class; None when it is not there."""
    return _table(Path(folder) / "evaluation.csv", CLASSES, texts=("name",))


def _table(path, columns, texts):
    if not path.exists():
        return None
    try:
        if path.stat().st_size > LARGEST:
            raise ValueError(f"over {LARGEST:,} bytes")
        table = pd.read_csv(path, dtype=str, keep_default_na=False)
        missing = [name for name in columns if name not in table]
        if missing or table.empty:
            raise ValueError(f"no {', '.join(missing) or 'row'}")
        for name in table.columns.difference(texts):
            table[name] = pd.to_numeric(table[name].replace("", math.nan))
    except (ValueError, pd.errors.ParserError) as error:
        raise ValueError(
            f"{path}: expected a table with {', '.join(columns)}, "
            f"found damage: {one_line(str(error))[:200]}; delete it"
        ) from error
    return table
