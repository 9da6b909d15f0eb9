"""Which pictures train and which validate, with pictures that belong together kept together.

Frames of one filmed sign, copies of one photograph, pictures of one patient: when some train and
others validate, accuracy says how well they were remembered, not how well new ones are told.
"""

import math
import re

import numpy as np
from PIL import Image
from scipy.fft import dctn
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from sklearn.model_selection import train_test_split

from lab.console import counted
from lab.data import images

HASH_SIDE = 16  # lowest frequencies a side: 255 bits, of which two pictures by chance share half
# Differing bits. Of 300 crops of two photographs nine in ten stayed below 20 when made smaller,
# brighter, blurred or poor JPEG; among the 39,209 frames of GTSRB 20 links no two classes, 26 does.
NEAR = 20
PAIRS = 2**22  # of pictures compared at once, 60 bytes each where all are copies


def stratified_subset(dataset, count, seed):
    """Rows of `count` pictures, every class in its share but with one at least: int64, ascending.

    Where tracks are known, each gives a first frame before any gives a second: thirty frames of one
    sign teach little more than one does.
    """
    turn = np.random.default_rng(seed).permutation(len(dataset))
    if dataset.tracks is not None:
        turn = _places(dataset.tracks, turn) * len(dataset) + turn
    places = _places(dataset.labels, turn)
    sizes = np.bincount(dataset.labels)[dataset.labels]
    due = np.where(places > 0, (places + 0.5) / sizes, 0)  # Webster's method, one seat each first
    return np.sort(np.lexsort([turn, due])[:count])


def _places(groups, turn):
    """The place of each row in its group when the group's rows queue by `turn`: int64 [n]."""
    queue = np.lexsort([turn, groups])
    _, first, sizes = np.unique(groups[queue], return_index=True, return_counts=True)
    places = np.empty(len(groups), np.int64)
    places[queue] = np.arange(len(groups)) - np.repeat(first, sizes)
    return places


def split(labels, groups, fraction, seed):
    """(training rows, validation rows), int64 each, `fraction` of the pictures in the second.

    `groups` None is the course's own split: any rows, by chance. With `groups` [n] all rows of a
    group stay on one side, and `fraction` of every class's groups validates; a class with a single
    group only trains. A group with several labels counts to the class of its first row.
    Raises ValueError when one side would be empty.
    """
    if groups is None:
        return _split_rows(len(labels), fraction, seed)
    return _split_groups(labels, groups, fraction, seed)


def _split_rows(count, fraction, seed):
    if not 0 < math.ceil(count * fraction) < count:
        raise ValueError(f"{fraction:g} of {count} pictures for validation leaves one side empty")
    return train_test_split(np.arange(count), test_size=fraction, random_state=seed)


def _split_groups(labels, groups, fraction, seed):
    _, first, group = np.unique(groups, return_index=True, return_inverse=True)
    random = np.random.default_rng(seed)
    validates = np.zeros(len(first), bool)
    for label in np.unique(labels[first]):
        members = np.flatnonzero(labels[first] == label)
        count = np.clip(round(fraction * len(members)), 1, len(members) - 1)
        validates[random.choice(members, count, replace=False)] = True
    if not validates.any():
        raise ValueError(
            f"{len(first)} groups in {len(labels)} pictures: no class has two, so none can "
            "validate; use more pictures, another --group-pattern or --split random"
        )
    return np.flatnonzero(~validates[group]), np.flatnonzero(validates[group])


def groups_of(dataset, group_pattern=None):
    """What `split` is to keep together: int64 [n], or None when nothing is known.

    What `group_pattern` finds in file names, else tracks, else, among picture files, copies.
    """
    files = isinstance(dataset.images, list)
    if group_pattern and not files:
        raise ValueError("--group-pattern reads file names, and these pictures have none")
    if group_pattern:
        return pattern_groups(dataset.images, group_pattern)
    if dataset.tracks is not None:
        return dataset.tracks
    return near_duplicate_groups(dataset.images) if files else None


def pattern_groups(paths, pattern):
    """Groups, int64 [n], by what a regular expression, or its first group, matches in file names.

    ValueError names a file it is not found in.
    """
    try:
        regex = re.compile(pattern)
    except re.error as error:
        raise ValueError(f"--group-pattern {pattern}: no regular expression: {error}") from error
    matches = [regex.search(path.name) for path in paths]
    keys = [match and match[min(regex.groups, 1)] for match in matches]
    if None in keys:
        raise ValueError(f"{paths[keys.index(None)]}: --group-pattern {pattern} is not in its name")
    return np.unique(keys, return_inverse=True)[1]


def near_duplicate_groups(paths):
    """Groups of pictures that are copies of one another, perhaps resized or compressed: int64 [n].

    Perceptual hash after Zauner, "Implementation and Benchmarking of Perceptual Image Hash
    Functions" (2010): is each low frequency of the grey picture above their median? Pictures whose
    hashes differ in at most NEAR bits are linked; a group is whatever links connect.
    """
    hashes = images.in_threads(_hash, paths)
    return _linked(np.stack(list(counted(hashes, len(paths), "copies", "pictures"))))


def _hash(path):
    """bool [255]."""
    picture = Image.fromarray(images.read(path, at_least=256)).convert("L")  # luminance, 0-255
    grey = np.asarray(picture.resize((32, 32), Image.Resampling.BILINEAR), np.float32)
    frequencies = dctn(grey)[:HASH_SIDE, :HASH_SIDE].ravel()[1:]  # the first is mere brightness
    return frequencies > np.median(frequencies)


def _linked(bits):
    """Groups of the rows of `bits` [n, bits] connected by links of at most NEAR differing bits.

    Links are merged a few rows at a time: memory stays at PAIRS even when all are alike.
    """
    signs = np.where(bits, np.float32(1), np.float32(-1))
    groups = np.arange(len(bits))
    chunk = max(1, PAIRS // len(bits))
    for start in range(0, len(bits), chunk):
        # Bits that agree less those that don't.
        alike = signs[start : start + chunk] @ signs[start:].T
        one, other = start + np.array(np.nonzero(alike >= bits.shape[1] - 2 * NEAR))
        ends = groups[one], groups[other]
        links = coo_array((np.ones(len(one), bool), ends), shape=(len(bits), len(bits)))
        groups = connected_components(links, directed=False)[1][groups]
    return groups.astype(np.int64)
