"""The course's pickles: train.p of 2016; train.p, valid.p and test.p of 2017; and their tracks."""

import numpy as np

from lab.data.dataset import REMEDY, Dataset, check_labels, sign_names
from lab.formats import pickles


def load(path):
    """The Dataset in the pickle `path`, with tracks where the rows still have their order."""
    content = pickles.load(path)
    if not isinstance(content, dict) or not {"features", "labels"} <= content.keys():
        found = f"keys {[*content]!s:.200}" if isinstance(content, dict) else type(content).__name__
        raise ValueError(
            f"{path}: expected a dict with features and labels, found {found}; {REMEDY}"
        )
    features = _array(path, content, "features", "uint8 [n, 32, 32, 3]")
    if features.dtype != np.uint8 or features.shape[1:] != (32, 32, 3) or not len(features):
        raise _unexpected(path, "features", "uint8 [n, 32, 32, 3]", features)
    labels = _array(path, content, "labels", "whole numbers [n]")
    if labels.dtype.kind not in "iu" or labels.shape != features.shape[:1]:
        raise _unexpected(path, "labels", f"whole numbers [{len(features)}]", labels)
    names = sign_names()
    check_labels(path, labels, names)
    labels = labels.astype(np.int64)
    tracks = None
    if content.get("sizes") is not None:
        tracks = find_tracks(labels, _array(path, content, "sizes", "numbers [n, 2]"))
    return Dataset(features, labels, names, tracks)


def _array(path, content, key, expected):
    if not _are_numbers(_types(content[key])):
        raise ValueError(f"{path}: {key}: expected {expected}, found other values; {REMEDY}")
    try:
        return np.asarray(content[key])
    except ValueError as error:  # rows of different lengths
        raise ValueError(f"{path}: {key}: expected {expected}, found {error}; {REMEDY}") from error


def _types(value):
    """The types of the numbers in it, or in the lists within; of an array, that of its elements."""
    if isinstance(value, list | tuple):
        return set().union(*map(_types, value))
    return {value.dtype if isinstance(value, np.ndarray) else type(value)}


def _are_numbers(types):
    """Single numbers, or arrays of one type: of several NumPy makes one of the widest.

    Of texts it would make room for the longest in every row.
    """
    if any(isinstance(each, np.dtype) for each in types):
        return len(types) == 1 and next(iter(types)).kind in "biuf"
    return all(issubclass(each, int | float | np.number) for each in types)


def _unexpected(path, key, expected, array):
    found = f"{array.dtype} {list(array.shape)}"
    return ValueError(f"{path}: {key}: expected {expected}, found {found}; {REMEDY}")


TRACK_LENGTH = 30  # frames; one track of the official training set has lost one


def find_tracks(labels, sizes):
    """Which rows were filmed from one physical sign: int64 [n], numbered from 0, or None.

    A GTSRB track is 30 frames taken while driving towards a sign, and in the course's files they
    stand class by class, track by track, frame by frame. So tracks are the slices of 30 rows of a
    class, and `sizes` [n, 2], the pixels of each picture before it became 32x32, tell whether the
    file still has that order: sizes grow inside a track and fall where the next one begins.

    None means unknown. It is the answer for rows that were shuffled (also inside their tracks,
    where nothing is left to tell tracks from chance), repeated, or left out: a wrong guess would
    put frames of one sign into training and validation, and nobody would notice.
    """
    if sizes.shape != (len(labels), 2) or sizes.dtype.kind not in "iuf" or not (sizes > 0).all():
        return None
    firsts = np.flatnonzero(np.diff(labels, prepend=-1))
    lasts = np.append(firsts[1:], len(labels))
    missing = -(lasts - firsts) % TRACK_LENGTH
    if len(firsts) > len(np.unique(labels)) or missing.sum() > 1:
        return None
    growth = np.diff(np.log(sizes.astype(float)).sum(1) / 2)  # of the side, from row to row
    starts = np.concatenate(
        [_track_starts(growth, *rows) for rows in zip(firsts, lasts, strict=True)]
    )
    if not _look_like_tracks(growth, starts):
        return None
    return np.cumsum(np.isin(np.arange(len(labels)), starts)) - 1


def _track_starts(growth, first, last):
    """First rows of the tracks in rows first:last; a short one is where sizes then fall deepest."""
    starts = np.arange(first, last, TRACK_LENGTH)
    if (last - first) % TRACK_LENGTH == 0:
        return starts
    places = np.arange(len(starts))
    candidates = [starts - (places > short) for short in places]
    return min(candidates, key=lambda starts: growth[starts[1:] - 1].sum())


def _look_like_tracks(growth, starts):
    """Do sizes grow in 99 % of the tracks, and fall at 80 % of the starts?

    In the official training set no size falls below 0.8 of the one before in 1,305 of 1,307 tracks
    (measuring the sign shakes; two jump), and 98 % of the starts fall below 0.9.
    """
    inside = growth.copy()
    inside[starts[1:] - 1] = np.inf
    smallest = np.minimum.reduceat(np.append(inside, np.inf), starts)
    falls = growth[starts[1:] - 1] < np.log(0.9)
    return np.mean(smallest > np.log(0.8)) >= 0.99 and (not falls.size or np.mean(falls) >= 0.8)
