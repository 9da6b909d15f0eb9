"""`report.html`: what a run came to, in one page that needs no network and runs no script.

`page` makes it of plain values, by the template `report.html.j2`, which escapes all it is given;
`write` reads them from a run folder: `run.json`, `history.csv`, the PNG files and, where they are,
`evaluation.json` and `evaluation.csv`.
"""

import base64
import json
import math
import shlex
from datetime import UTC, datetime
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from lab.files import replace_text
from lab.runs import record as records
from lab.runs.strangeness import EXPECTED

# Name of a plot -> heading, and what to look for. Others come after these.
PLOTS = {
    "learning_curves": (
        "Learning curves",
        "While both curves improve it is learning; where validation stands still and training goes "
        "on, it only remembers.",
    ),
    "confusion": (
        "Confusion",
        "A good classifier is a blue diagonal; dark orange cells are classes it takes for others.",
    ),
    "mistakes": (
        "Worst mistakes",
        "What it was surest of and wrong about: bad pictures, wrong labels, or classes too alike?",
    ),
    "reliability": (
        "Reliability",
        "A bar that ends within its black range: it is right as often as it says. One that ends "
        "below: trust it less than it trusts itself.",
    ),
    "augmentation": (
        "Augmented pictures",
        "Left some pictures that train, beside them what is made of each in some epochs. Could you "
        "still name them, and with the same name? Mirrored signs may have another.",
    ),
    "class_balance": (
        "Class balance",
        "Classes with short bars are learned from few pictures, and judged by few.",
    ),
}
JUDGED = ("confusion", "mistakes", "reliability")  # drawn of either side
# What was kept apart -> what an accuracy on the validation pictures means.
SPLITS = {
    "tracks": "none of them of a sign it was trained on: all pictures of one sign are on one side "
    "of the split.",
    "pattern": "none of them of a group it was trained on: no group, as --group-pattern names them "
    "by their file names, is on both sides of the split.",
    "copies": "and only near-copies were kept apart: pictures of one thing, taken one after the "
    "other, may be on both sides of the split. Expect less on pictures from elsewhere; "
    "--group-pattern tells what belongs together.",
    "random": "by a random split, which flatters: pictures that belong together, or copies of one, "
    "are on both sides. On new ones expect less; --group-pattern tells what belongs together.",
}
RANDOM_FRAMES = (
    "by a random split, which flatters: frames of one filmed sign are on both sides. On new signs "
    "expect less; --split track measures it."
)
FIGURES = {
    "accuracy": "accuracy",
    "interval": "95% interval",
    "top5": "right among the first 5",
    "macro_f1": "F1, mean of classes",
    "ece": "calibration error (ECE)",
    "loss": "loss",
    "count": "pictures",
    "strange": "called strange",
}
FACTS = {
    "method": "method",
    "network": "network",
    "layer": "layer",
    "hidden": "hidden units",
    "seed": "seed",
    "preprocess": "preprocess",
    "precision": "precision",
    "device": "device",
    "temperature": "temperature",
    "best_epoch": "epoch of the lowest validation loss",
}
# Pixels of a plot to one of the page: sharp on a fine screen, and still read on a telephone, where
# a wider one scrolls in its box.
SHARP, SMALL = 1.4, 3


def page(record, evaluation, classes, epochs, plots):
    """The page, HTML.

    record, evaluation: what run.json and evaluation.json hold; without a test the second is empty.
    classes, epochs: the rows of evaluation.csv and history.csv, dicts of one order; maybe none.
    plots: name -> content of a PNG file; of the test set when the name begins with `test_`.
    """
    data, sets = Path(record["data"]["path"]).name, _sets(record, evaluation)
    known = {key for figures in sets.values() for key in figures}
    return TEMPLATES.get_template("report.html.j2").render(
        title=f"{record['network']} on {data}, {len(record['names']):,} classes",
        when=f"Started {_utc(record['started'])}",
        headlines=_headlines(record, evaluation),
        sets=sets,
        figures={key: name for key, name in FIGURES.items() if key in known},
        expected=EXPECTED[record["split"]["kind"]],
        temperature=evaluation.get("temperature", 1.0),
        plots=[_plot(name, plots[name]) for name in _in_order(plots)],
        classes=sorted(classes, key=_hardness),
        command=_repeatable(record["command"]),
        recipe=_recipe(record),
        arguments=json.dumps(record["arguments"], indent=2, ensure_ascii=False),
        epochs=epochs,
    )


def _figure(value):
    """Three decimals, thousands marked; nothing for what is unknown, a dash for what cannot be."""
    if value is None:
        return ""
    if isinstance(value, float) and math.isnan(value):
        return "–"
    if isinstance(value, list):
        return "–".join(map(_figure, value))
    if isinstance(value, float):
        return f"{value:,.3f}" if abs(value) >= 0.001 or not value else f"{value:.2g}"
    return f"{value:,}" if isinstance(value, int) else str(value)


TEMPLATES = Environment(
    loader=FileSystemLoader(Path(__file__).parent),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
TEMPLATES.filters["figure"] = _figure


def _utc(moment):
    """A moment in ISO 8601, of any time zone, as all on the page are written."""
    return datetime.fromisoformat(moment).astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def _headlines(record, evaluation):
    """Accuracies and what each means, the one that counts most first."""
    split = record["split"]
    meaning = f"of {split['validation']:,} validation pictures are named right, "
    validation = (record["metrics"]["validation"]["accuracy"], meaning + _worth(record))
    if not evaluation:
        return [validation]
    low, high = evaluation["interval"]
    tested = f"of the test pictures are named right (95% interval {low:.1%} to {high:.1%})."
    tested += _trained_on(evaluation.get("trained_on", {"count": 0}))
    return [(evaluation["accuracy"], tested), validation]


def _worth(record):
    """What an accuracy on the validation pictures is worth: it depends on what was kept apart."""
    by, filmed = _kept_apart(record), record["data"].get("tracks") is not None
    return RANDOM_FRAMES if by == "random" and filmed else SPLITS[by]


def _kept_apart(record):
    """A key of SPLITS. A record without `by` says only whether anything was kept apart."""
    split = record["split"]
    if "by" in split:
        return split["by"]
    if split["kind"] == "random":
        return "random"
    if record["arguments"].get("group_pattern"):
        return "pattern"
    return "copies" if record["data"].get("tracks") is None else "tracks"


def _trained_on(trained_on):
    if not trained_on["count"]:
        return ""
    text = f" {trained_on['count']:,} of them were also trained on, which flatters"
    without = trained_on.get("accuracy_without")  # None when no others are left
    return text + ("." if without is None else f"; of the others {without:.1%} are named right.")


def _sets(record, evaluation):
    """Set of pictures -> its figures."""
    split, figures = record["split"], record["metrics"]
    sets = {
        "training": {"count": split["train"], **figures["train"]},
        "validation": {"count": split["validation"], **figures["validation"]},
    }
    return sets | {"test": evaluation} if evaluation else sets


def _in_order(names):
    known = [name for plot in PLOTS for name in (f"test_{plot}", plot) if name in names]
    return known + sorted(set(names).difference(known))


def _plot(name, content):
    plot = name.removeprefix("test_")
    heading, caption = PLOTS.get(plot, (plot.replace("_", " "), ""))
    side = "test set" if plot != name else "validation" if plot in JUDGED else None
    width = int.from_bytes(content[16:20])  # where every PNG file tells it
    return {
        "heading": f"{heading}, {side}" if side else heading,
        "caption": caption,
        "content": base64.b64encode(content).decode(),
        "width": round(width / SHARP),
        "least": round(width / SMALL),
    }


def _hardness(row):
    """Sorts the classes found least often first, those that do not occur last."""
    return math.isnan(row["recall"]), row["recall"]


def _repeatable(command):
    """The command without what is of this one run: its name is taken, and it need not go on."""
    try:
        words = iter(shlex.split(command))
    except ValueError:  # nobody typed it
        return command
    kept = []
    for word in words:
        if word in ("--name", "--out"):
            next(words, None)
        elif word != "--resume" and not word.startswith(("--name=", "--out=")):
            kept.append(word)
    return shlex.join(kept)


def _recipe(record):
    """All that the figures of a run may depend on, but for its arguments: name -> value."""
    facts = {name: record.get(key) for key, name in FACTS.items()}
    facts["temperature"] = _figure(float(record.get("temperature", 1)))
    for group in ("weights", "data", "split", "versions"):
        facts |= {f"{group} {key}": value for key, value in record[group].items()}
    return {name: value for name, value in facts.items() if value is not None}


# ---- reading and writing -----------------------------------------------------------------------


def write(folder, record=None):
    """Write `FOLDER/report.html`, whole or not at all; the path to it.

    record: what `run.json` is going to hold; None reads it.
    Raises FileNotFoundError when there is no `run.json`, ValueError when a file is damaged or the
    training has not ended.
    """
    folder = Path(folder)
    record = record or records.read(folder)
    if not record.ended:
        raise ValueError(f"{folder}: its training has not ended, so there is nothing to report")
    text = page(
        _plain(record),
        _plain(records.read_evaluation(folder)),
        records.read_classes(folder),
        records.read_history(folder),
        {file.stem: file.read_bytes() for file in folder.glob("*.png") if file.is_file()},
    )
    path = folder / "report.html"
    replace_text(path, text)
    return path


def _plain(record):
    return {} if record is None else record.model_dump(mode="json", exclude_none=True)
