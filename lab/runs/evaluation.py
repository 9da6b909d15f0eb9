"""What an evaluation finds out: figures on stdout, files and plots in a folder."""

import json
import math
from argparse import Namespace
from functools import partial
from pathlib import Path
from shutil import rmtree

import numpy as np

from lab import inputs
from lab.console import say
from lab.data.images import digest as pictures_digest
from lab.demo import stand_ins
from lab.files import explained, replace_text
from lab.formats import npz
from lab.networks import named
from lab.runs import metrics, pictures, plots
from lab.runs.strangeness import EXPECTED

SPLIT = "split.npz"
LARGEST = 2**28  # bytes; of a million pictures it has 16 million
HARDEST = 5  # classes to print


def trained_hashes(folder):
    """Hashes of the pictures that trained, as the run noted them: uint64 [n].

    Raises ValueError when its `split.npz` is not there, or damaged.
    """
    return _split(folder)["hashes"]


def training_pictures(run, remedy):
    """The Dataset that the run was trained and validated on, and its rows that validated.

    Raises FileNotFoundError or ValueError, with the remedy, when it is not there any more, or not
    the same.
    """
    record = run.record
    rows = _split(run.folder)["validation"]
    arguments = {"skip_broken": False, "limit": None, **record.arguments, **record.files}
    arguments |= {"demo": record.drawn, "seed": record.seed}
    if not record.drawn:
        inputs.found(record.data.path, remedy)
    draw = partial(stand_ins.dataset, named(record.network).subject)
    dataset = inputs.labelled(Namespace(**arguments), None, draw)
    sha256 = pictures_digest(dataset.images)
    pictures.check_same(run.folder, record, dataset, sha256, remedy)
    if not len(rows) or rows.min() < 0 or rows.max() >= len(dataset):
        raise ValueError(f"{run.folder / SPLIT}: expected rows of {len(dataset)} pictures")
    return dataset, rows


def _split(folder):
    """What a training noted: rows that validated, hashes of the pictures that trained."""
    path = Path(folder, SPLIT)
    split = npz.load(path, LARGEST, "train again") if path.exists() else {}
    for name, kinds in (("validation", "iu"), ("hashes", "u")):
        if name not in split or split[name].ndim != 1 or split[name].dtype.kind not in kinds:
            raise ValueError(
                f"{path}: expected the split of a training that has ended, found no {name} of "
                "whole numbers; train again"
            )
    return split


def evaluate(dataset, probabilities, hashes, seed=0, strangeness=None):
    """The figures of evaluation.json and the table of evaluation.csv.

    probabilities: [n, classes].
    hashes: of the pictures that trained; such a picture proves nothing when it is named right.
    strangeness: [n], above 1 strange; None where it is unknown.
    """
    labels, names = dataset.labels, dataset.names
    right = probabilities.argmax(1) == labels
    known = metrics.duplicates(hashes, metrics.picture_hashes(dataset.images))
    unknown = np.delete(right, known)
    figures = {
        **metrics.summary(labels, probabilities, dataset.tracks, seed),
        "trained_on": {
            "count": len(known),
            "examples": [_name(dataset.images, row) for row in known[:10].tolist()],
            "accuracy_without": float(unknown.mean()) if len(unknown) else None,
        },
        "most_confused": metrics.confused_pairs(labels, probabilities, names).to_dict("records"),
        "strange": None if strangeness is None else float((strangeness > 1).mean()),
    }
    return figures, metrics.per_class(labels, probabilities, names)


def _name(pictures, row):
    return f"row {row}" if isinstance(pictures, np.ndarray) else str(pictures[row])


def show(figures, classes, split):
    """Print the figures, the most confused pairs and the hardest classes.

    split: the kind of split that the run was trained with.
    """
    low, high = figures["interval"]
    say(f"{figures['count']:,} pictures of {(classes['support'] > 0).sum()} classes")
    say(f"Accuracy           {figures['accuracy']:.3f}")
    say(f"95 % interval      {low:.3f} to {high:.3f} (bootstrap of {figures['resampled']})")
    if "top5" in figures:
        say(f"Top-5 accuracy     {figures['top5']:.3f}")
    say(f"Macro F1           {figures['macro_f1']:.3f}")
    say(f"Log loss           {figures['loss']:.3f}")
    say(f"Calibration error  {figures['ece']:.3f}")
    if figures["strange"] is not None:
        say(f"Strange            {figures['strange']:.1%} of the pictures ({EXPECTED[split]})")
    _show_trained_on(figures["trained_on"])
    if figures["most_confused"]:
        say()
        say("Most confused")
        for pair in figures["most_confused"]:
            often = f"{pair['times']:6,} times, {pair['share']:4.0%}"
            say(f"{often}  {pair['true']} taken for {pair['predicted']}")
    say()
    say("Hardest classes")
    say("recall  precision  pictures")
    for row in classes.dropna(subset="recall").nsmallest(HARDEST, "recall").itertuples():
        precision = "none named" if math.isnan(row.precision) else f"{row.precision:.3f}"
        say(f"{row.recall:6.3f} {precision:>10} {row.support:9,}  {row.name}")


def _show_trained_on(trained_on):
    if not trained_on["count"]:
        return
    examples = ", ".join(trained_on["examples"][:3])
    examples += ", ..." if trained_on["count"] > 3 else ""
    say(f"Also trained on    {trained_on['count']:,} of these pictures: {examples}")
    if trained_on["accuracy_without"] is not None:
        say(f"Accuracy without   {trained_on['accuracy_without']:.3f}")


def write(folder, figures, classes, dataset, probabilities):
    """Write evaluation.json, evaluation.csv and three plots, named beside those of validation.

    All are made before the first takes the place of a former one.
    """
    labels, names = dataset.labels, dataset.names
    new = folder / "unfinished-evaluation"
    rmtree(new, ignore_errors=True)  # left by a program that was killed
    try:
        with explained(folder / "evaluation.json"):
            new.mkdir()
            plots.confusion(labels, probabilities.argmax(1), names, new / "test_confusion.png")
            plots.reliability(labels, probabilities, new / "test_reliability.png")
            plots.mistakes(dataset.images, labels, probabilities, names, new / "test_mistakes.png")
            classes.to_csv(new / "evaluation.csv")
            replace_text(new / "evaluation.json", json.dumps(figures, indent=2) + "\n")
            for file in new.iterdir():
                file.replace(folder / file.name)
    finally:
        rmtree(new, ignore_errors=True)
