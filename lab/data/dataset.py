"""Labelled pictures: one `Dataset`, whatever they were read from; `sources` reads them."""

import csv
import re
import unicodedata
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lab.console import notice

SIGN_NAMES = Path(__file__).resolve().parents[2] / "signnames.csv"
REMEDY = "`python download.py train` gets the course's file, --demo needs none"


@dataclass(frozen=True, eq=False)
class Dataset:
    """Labelled pictures: of row i the picture, its label, and the track it was taken from.

    `images`: uint8 [n, 32, 32, 3] RGB, or a list of n paths to pictures of any size, decoded later.
    `labels`: int64 [n], positions in `names`.
    `names`: one name for each label.
    `tracks`: int64 [n], equal for pictures of one physical sign; None when unknown.
    """

    images: np.ndarray | list[Path]
    labels: np.ndarray
    names: list[str]
    tracks: np.ndarray | None = None

    def __len__(self):
        return len(self.labels)

    def take(self, indices):
        """The rows `indices` alone, in that order."""
        images = self.images
        return Dataset(
            images[indices] if isinstance(images, np.ndarray) else [images[i] for i in indices],
            self.labels[indices],
            self.names,
            None if self.tracks is None else self.tracks[indices],
        )


def sign_names():
    """The 43 names of the German traffic signs, by label."""
    with SIGN_NAMES.open(newline="", encoding="utf-8") as file:
        return [row["SignName"] for row in csv.DictReader(file)]


# ---- the classes of one Dataset among those of another -------------------------------------------

NOT_IN_FOLDERS = re.compile(r'[/\\:*?"<>|]')  # signs that names of folders cannot have everywhere


def matched(dataset, names):
    """`dataset` with labels that are positions in `names`, as a head that knows these needs them.

    Classes are matched by name, whatever their order; in the name of a folder what it cannot hold
    may be replaced by a dash, an underline, a space or nothing ("Beware of ice-snow"). For German
    traffic signs the ClassId will do: 00000 to 00042. Not every name must have pictures.
    Raises ValueError for pictures of other classes, with their names.
    """
    places = _places(dataset.names, names)
    present = np.unique(dataset.labels)
    unknown = [dataset.names[label] for label in present if places[label] < 0]
    if unknown:
        known = places[present]
        missing = [name for place, name in enumerate(names) if place not in known]
        raise ValueError(
            f"expected pictures of the {len(names)} classes {listed(names)}; found {len(unknown)} "
            f"other classes: {listed(unknown)}; without pictures: {listed(missing) or 'none'}"
        )
    return Dataset(dataset.images, places[dataset.labels], list(names), dataset.tracks)


def _places(found, names):
    """For each name that was found its place in `names`, or -1: int64 [n]."""
    exact = {_composed(name): place for place, name in enumerate(names)}
    spelled = {}
    for name, place in exact.items():
        for sign in "-", "_", " ", "":
            spelling = NOT_IN_FOLDERS.sub(sign, name)
            # Two classes of one spelling: it could mean either.
            spelled[spelling] = place if spelled.get(spelling, place) == place else -1
    alias = _class_ids(names)
    keys = (alias.get(name, _composed(name)) for name in found)
    return np.array([exact.get(key, spelled.get(key, -1)) for key in keys], np.int64)


def _composed(name):
    """`name` with accents as part of their letters: some systems write them behind."""
    return unicodedata.normalize("NFC", name)


def _class_ids(names):
    """How else the signs among `names` may be called: their ClassIds, or the names of these."""
    ids = [f"{label:05}" for label in range(len(sign_names()))]
    if {*names} <= {*sign_names()}:
        short = [str(label) for label in range(len(ids))]
        return dict(zip(ids + short, 2 * sign_names(), strict=True))
    return dict(zip(sign_names(), ids, strict=True)) if {*names} <= {*ids} else {}


def as_signs(names):
    """The German signs that classes stand for, by name or by ClassId; None for other classes."""
    signs = sign_names()
    alias = _class_ids(signs)
    found = [alias.get(name, name) for name in names]
    # 0 to 9 may be anything; 0 to 42 are the signs.
    short = any(name in alias and len(name) < 5 for name in names)
    return found if {*found} <= {*signs} and (not short or len(names) == len(signs)) else None


def listed(names):
    """Names from a file for a message: at most five."""
    return ", ".join(map(shown, names[:5])) + (", ..." if len(names) > 5 else "")


# ---- what the readers share ---------------------------------------------------------------------


def check_labels(path, labels, names):
    low, high = labels.min(), labels.max()
    if low < 0 or high >= len(names):
        raise ValueError(
            f"{path}: expected labels 0-{len(names) - 1}, the rows of {SIGN_NAMES.name}, "
            f"found {low}-{high}; for other classes name a folder with one subfolder a class"
        )


def without(path, broken, count, skip_broken):
    """The rows that are whole, of `count`; `broken` maps the others to their names."""
    if broken:
        named = ", ".join(shown(name) for name in list(broken.values())[:3])
        found = f"{path}: {len(broken)} of {count} pictures cannot be read: {named}"
        found += ", ..." if len(broken) > 3 else ""
        if len(broken) == count:
            raise ValueError(f"{found}; name others")
        if not skip_broken:
            raise ValueError(f"{found}; mend them or leave them out with --skip-broken")
        notice(f"{found}; left out")
    return np.setdiff1d(np.arange(count), list(broken))


# Control characters, signs that turn the direction of writing, and bytes that are no text.
HOSTILE = re.compile(r"[\0-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def check_name(path):
    """ValueError when the name of a file or folder cannot be printed and written as it is."""
    if HOSTILE.search(str(path)):
        raise ValueError(
            f"{str(path)!r}: expected a name of letters that can be read, found control characters "
            "or bytes that are no text; rename it"
        )


def shown(name):
    """A name from a file for a message: short, without control characters."""
    return repr(str(name)[:80])[1:-1]
