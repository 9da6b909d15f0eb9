"""This lab: what `lab/features/extraction.py` runs while it extracts, its batches and threads."""

import functools
import itertools
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from alexnet import load_weights
from lab import device
from lab.features import extraction
from lab.networks import ALEXNET

CHUNKS = 100_000  # more than any run asks for


def load(weights, images, precision):
    device.prepare()
    chunks = list(itertools.repeat(slice(0, len(images)), CHUNKS))
    how = _frozen(load_weights(weights), precision)
    return functools.partial(next, extraction.computed(images, how, chunks))


def folder(weights, paths, precision):
    """All of it, as `extract` does it: no batch is decoded before the clock runs."""
    device.prepare()
    options = {"weights": load_weights(weights), "precision": precision, "cache": False}
    extraction.extract(paths[:1], **options)  # what is compiled once for all calls
    return functools.partial(extraction.extract, paths, **options)


def network(weights, paths, precision):
    """As many pictures as `paths` name, of the network's own size, in memory."""
    shape = (len(paths), ALEXNET.module.INPUT_SIZE, ALEXNET.module.INPUT_SIZE, 3)
    return folder(weights, np.random.default_rng(0).integers(0, 256, shape, np.uint8), precision)


def decoding(weights, paths, precision):
    """The files in `paths` made into what the network wants, which never sees them."""
    device.prepare()
    prepared = _frozen({}, precision).prepared
    prepared(paths[0])

    def run():
        with ThreadPoolExecutor() as pool:
            for _ in pool.map(prepared, paths):
                pass  # none is kept: together they need not fit in memory

    return run


def _frozen(layers, precision):
    dtype = device.precision(precision)
    return extraction.Frozen(ALEXNET, layers, ALEXNET.layer, "caffe", dtype)
