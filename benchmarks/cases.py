"""Who learns what from how much: the course's cases of transfer learning, as rows of pictures.

Every number of tracks is that of one class. Half of the signs are near the other half, handwritten
digits are far from both, and signs are far from ImageNet's photographs.
"""

from dataclasses import dataclass

import numpy as np
from PIL import Image
from sklearn.datasets import load_digits

from lab.data import mirrors, splits
from lab.data.dataset import Dataset

FRAMES = 3  # of a track, from far to near: the others show the same once more
SIDE = 32  # pixels
UNSEEN = 1 / 3  # of the tracks of a class: the test
JUDGES = 0.25  # of those left: validation


@dataclass(frozen=True, eq=False)
class Case:
    """Pictures to learn from, of which the first `training` train and the others validate.

    test: those to be judged by.
    """

    dataset: Dataset
    training: int
    test: Dataset

    @property
    def rows(self):
        """Those that train, and those that validate."""
        return np.split(np.arange(len(self.dataset)), [self.training])

    def repeated(self, least):
        """The Case with its training pictures again and again, until they are `least`.

        Each copy is augmented by itself, and epochs, after which all is saved, can stay few.
        """
        training, validation = self.rows
        again = np.tile(training, -(-least // self.training))
        dataset = self.dataset.take(np.concatenate([again, validation]))
        return Case(dataset, len(again), self.test)


def case(dataset, tracks, seed):
    """The Case of a Dataset with tracks, none of which is on two sides.

    tracks: of a class, at most, train, and as many validate: who has few has few to choose by. None
        is all of them. The test stays the same.
    """
    learning, test = splits.split(dataset.labels, dataset.tracks, UNSEEN, seed)
    known = dataset.take(learning)
    rows = splits.split(known.labels, known.tracks, JUDGES, seed)
    if tracks:
        rows = tuple(few(known, side, tracks, seed) for side in rows)
    return Case(known.take(np.concatenate(rows)), len(rows[0]), dataset.take(test))


def few(dataset, rows, tracks, seed):
    """Those of the rows in so many tracks of each class; fewer tracks are a part of more."""
    random, kept = np.random.default_rng(seed), []
    for label in np.unique(dataset.labels[rows]):
        own = np.unique(dataset.tracks[rows][dataset.labels[rows] == label])
        kept.extend(random.permutation(own)[:tracks])
    return rows[np.isin(dataset.tracks[rows], kept)]


def thinned(dataset, frames=FRAMES):
    """The Dataset with so many frames of each track, evenly from the first to the last."""
    rows = [np.flatnonzero(dataset.tracks == track) for track in np.unique(dataset.tracks)]
    chosen = [own[np.linspace(0, len(own) - 1, min(frames, len(own))).astype(int)] for own in rows]
    return dataset.take(np.concatenate(chosen))


def halves(dataset, seed):
    """Two Datasets, each with half of the classes and labels of its own.

    A sign and its mirror image, another sign, are in one half: else the network would have seen it.
    """
    present = np.unique(dataset.labels)
    mirrored = mirrors.labels(dataset.names)[present]
    pairs = np.where(mirrored < 0, present, np.minimum(present, mirrored))
    turn = np.random.default_rng(seed).permutation(np.unique(pairs))
    # Pair by pair, as long as the half is not full.
    sizes = np.cumsum([(pairs == pair).sum() for pair in turn])
    ours = np.isin(pairs, turn[sizes <= (len(present) + 1) // 2])
    return part(dataset, present[ours]), part(dataset, present[~ours])


def part(dataset, labels):
    """The pictures of these labels (ascending) alone, whose places become the new labels."""
    chosen = dataset.take(np.flatnonzero(np.isin(dataset.labels, labels)))
    names = [dataset.names[label] for label in labels]
    return Dataset(chosen.images, np.searchsorted(labels, chosen.labels), names, chosen.tracks)


def digits():
    """scikit-learn's 1,797 digits of 8x8 pixels as pictures of 32x32, each a track of its own."""
    found = load_digits()
    greys = np.round(found.images * 255 / 16).astype(np.uint8)  # [n, 8, 8]
    large = [Image.fromarray(grey).resize((SIDE, SIDE), Image.Resampling.BICUBIC) for grey in greys]
    images = np.stack([np.asarray(picture.convert("RGB")) for picture in large])
    names = [str(digit) for digit in found.target_names]
    return Dataset(images, found.target.astype(np.int64), names, np.arange(len(greys)))
