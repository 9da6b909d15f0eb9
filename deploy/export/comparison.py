"""What an exported file says about pictures, beside what the run says."""

import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from deploy.export import pictures
from deploy.export.formats import FORMATS, LOST
from lab.console import notice, readable, say

FRESH = Path(__file__).with_name("fresh.py")
SECONDS = 3600  # more than the largest network needs


def answers(folder, file, shown):
    """What `file` in `folder` says in a fresh process: arrays by name.

    probabilities [n, classes]; strangeness [n], if it knows; seconds [n], of each picture; loading,
    seconds. RuntimeError, with what it said, when it fails.
    """
    with tempfile.TemporaryDirectory() as place:
        asked, told = Path(place, "pictures.npz"), Path(place, "answers.npz")
        np.savez(asked, *shown)
        done = subprocess.run(
            # -I: neither this repository nor the environment's paths are looked at.
            [sys.executable, "-IB", FRESH, folder.resolve(), file, asked, told],
            cwd=place, capture_output=True, text=True, errors="replace", timeout=SECONDS,
        )  # fmt: skip
        if done.returncode:
            raise RuntimeError(f"{folder / file} cannot be used: {done.stderr[-3000:]}")
        with np.load(told) as archive:
            return {name: archive[name] for name in archive.files}


def agreement(found, expected, labels=None):
    """How far the answers are those of the run: figures by name.

    found, expected: as from `answers`. labels: [n], of pictures that have one.
    """
    names, theirs = (each["probabilities"].argmax(1) for each in (found, expected))
    figures = {
        "pictures": len(names),
        "same_name": float((names == theirs).mean()),
        "probabilities_within": _within(found, expected, "probabilities"),
    }
    if "strangeness" in expected:
        strange, theirs_too = (each["strangeness"] > 1 for each in (found, expected))
        figures["strangeness_within"] = _within(found, expected, "strangeness")
        figures["same_strange"] = float((strange == theirs_too).mean())
    if labels is not None:
        figures["accuracy"] = float((names == labels).mean())
        figures["accuracy_of_the_run"] = float((theirs == labels).mean())
    return figures


def _within(found, expected, name):
    return float(np.abs(found[name] - expected[name]).max())


def shortfall(figures, least):
    """What is wrong with the figures of `agreement` with the run, or None.

    least: the share that must have the same name; where it is None, accuracy may be lower by LOST.
    """
    if least is not None:
        same = figures["same_name"]
        return f"{same:.1%} named as by the run" if same < least else None
    accuracy, ours = figures.get("accuracy", 1), figures.get("accuracy_of_the_run", 1)
    return f"accuracy {accuracy:.3f}, the run's {ours:.3f}" if accuracy < ours - LOST else None


def tried(run, folder, names, shown):
    """Format -> its figures: size, speed, and how far it agrees with the run in float32.

    shown: the Pictures to compare by; photographs are compared beside.
    """
    photographs = pictures.photographs()
    count = len(shown.compared)
    expected = _answers_of(run, shown.compared), _answers_of(run, photographs)
    figures = {}
    for name in names:
        kind = FORMATS[name]
        notice(f"Comparing {kind.file} with the run")
        found = answers(folder, kind.file, [*shown.compared, *photographs])
        seconds = found.pop("seconds")
        both = [{key: rows[part] for key, rows in found.items() if key != "loading"}
                for part in (slice(count), slice(count, None))]  # fmt: skip
        figures[name] = {
            "file": kind.file,
            "bytes": _size(folder / kind.file),
            "loading_seconds": round(float(found["loading"]), 3),
            "seconds_a_picture": round(float(np.median(seconds)), 5),
            "compared": agreement(both[0], expected[0], shown.labels),
            "photographs": agreement(both[1], expected[1]),
        }
        problems = [shortfall(figures[name][which], kind.least)
                    for which in ("compared", "photographs")]  # fmt: skip
        figures[name]["problem"] = next(filter(None, problems), None)
    return figures


def _answers_of(run, shown):
    probabilities, strangeness = run.judged(shown, "float32", cache=False)
    found = {"probabilities": probabilities}
    return found if strangeness is None else found | {"strangeness": strangeness}


def _size(path):
    """Bytes of a file, or of all files in a folder."""
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files if file.is_file())


def show(figures):
    """Print size, speed and agreement of each format."""
    say("                  size  a picture  same name  accuracy  photographs")
    for name, each in figures.items():
        compared, photographs = each["compared"], each["photographs"]
        say(f"{name:12} {readable(each['bytes']):>9} ", end="")
        say(f"{each['seconds_a_picture'] * 1000:7.1f} ms ", end="")
        say(f"{compared['same_name']:9.2%} ", end="")
        say(f"{compared['accuracy']:9.3f} {photographs['same_name']:12.2%}")
    accuracy = next(iter(figures.values()))["compared"]["accuracy_of_the_run"]
    say(f"{'the run':45} {accuracy:9.3f}")
    for name, each in figures.items():
        if each["problem"]:
            notice(f"{name}: {each['problem']}; do not ship it, or leave it out with --formats")
