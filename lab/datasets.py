"""Labelled pictures from the course's pickle, the official GTSRB archives or a folder.

All come out as one `Dataset`.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np


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
