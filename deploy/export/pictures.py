"""Real pictures to compare by, and others that show int8 how large numbers get."""

from argparse import Namespace
from dataclasses import dataclass
from functools import partial

import numpy as np
import tensorflow as tf
from sklearn.datasets import load_sample_images

from lab import inputs
from lab.data import images
from lab.data.dataset import matched
from lab.runs import evaluation

REPRESENTATIVES = 100
PHOTOGRAPHS, NARROWEST = 100, 20  # how many, and pixels a side at least
REMEDY = "name pictures of the same classes with --data"


@dataclass(frozen=True, eq=False)
class Pictures:
    """compared: RGB, uint8 [n, h, w, 3] or a list of [h, w, 3]; labels: [n].

    representatives: others, squares of the network's own size, float32 [n, side, side, 3].
    data: where they are from. held_out: whether those compared are the ones the run validated on.
    """

    compared: np.ndarray | list[np.ndarray]
    labels: np.ndarray
    representatives: np.ndarray
    data: str
    held_out: bool


def chosen(run, data, limit, seed=0):
    """The Pictures of a run, at most `limit` to compare: of `data`, or those it validated on."""
    dataset, candidates, others = _rows(run, data, seed)
    rng, side = np.random.default_rng(seed), run.network.module.INPUT_SIZE
    rows = np.sort(rng.permutation(candidates)[:limit])
    apart = np.sort(rng.permutation(others)[:REPRESENTATIVES])
    squares = [
        tf.image.resize(picture, [side, side], antialias=True).numpy()
        for picture in _decoded(dataset.images, apart, side)
    ]
    return Pictures(
        _decoded(dataset.images, rows, side), dataset.labels[rows], np.stack(squares),
        str(data or run.record.data.path), not data,
    )  # fmt: skip


def _rows(run, data, seed):
    """A Dataset, rows to compare by, and rows of others."""
    if not data:
        dataset, validation = evaluation.training_pictures(run, REMEDY)
        return dataset, validation, np.setdiff1d(np.arange(len(dataset)), validation)
    asked = Namespace(data=data, demo=False, skip_broken=False, limit=None)
    try:
        dataset = matched(inputs.labelled(asked, None, None), run.names)
    except ValueError as error:
        raise ValueError(f"{data}: {error}") from error
    if len(dataset) < 2:
        raise ValueError(f"{data}: expected two pictures at least, found one")
    apart = min(REPRESENTATIVES, len(dataset) // 2)
    turn = np.random.default_rng(seed).permutation(len(dataset))
    return dataset, turn[apart:], turn[:apart]


def _decoded(pictures, rows, side):
    """Some of them as arrays, of files not much larger than the network looks at."""
    if isinstance(pictures, np.ndarray):
        return pictures[rows]
    files = [pictures[row] for row in rows]
    return [*images.in_threads(partial(images.read, at_least=side), files)]


def photographs(seed=0):
    """Crops of odd sizes of the two photographs that scikit-learn ships, from tiny to whole."""
    rng, whole = np.random.default_rng(seed), load_sample_images().images
    crops = []
    for number in range(PHOTOGRAPHS):
        picture = whole[number % len(whole)]
        height, width = (int(rng.integers(NARROWEST, most + 1)) for most in picture.shape[:2])
        top, left = (
            int(rng.integers(0, most - size + 1))
            for most, size in zip(picture.shape, (height, width), strict=False)
        )
        crops.append(picture[top : top + height, left : left + width])
    return crops
