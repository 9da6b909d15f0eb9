"""Folders of JPEGs like those from the web and from cameras, for want of real ones."""

import os
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
from PIL import Image

from lab.demo import stand_ins

CROP = (500, 375)  # width, height


def make(folder, size, count):
    """Write `count` JPEGs of `size` (width, height) into `folder`, which must not be there yet.

    Each is put together from crops of two photographs in their own resolution, all different, so
    that every pixel has as much to decode as in a photograph.
    """
    folder.mkdir()
    write = partial(_write, folder, size, list(stand_ins.photographs().values()))
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(write, range(count)))


def _write(folder, size, photographs, number):
    rng = np.random.default_rng(number)
    columns, rows = size[0] // CROP[0], size[1] // CROP[1]
    mosaic = [[_crop(rng, photographs) for _ in range(columns)] for _ in range(rows)]
    picture = np.concatenate([np.concatenate(row, axis=1) for row in mosaic])
    Image.fromarray(picture).save(folder / f"{number:05}.jpg")


def _crop(rng, photographs):
    photograph = photographs[rng.integers(len(photographs))][:, :: rng.choice([-1, 1])]
    top = rng.integers(photograph.shape[0] - CROP[1] + 1)
    left = rng.integers(photograph.shape[1] - CROP[0] + 1)
    return photograph[top : top + CROP[1], left : left + CROP[0]]
