"""This lab: what `lab/features.py` runs while it extracts, with its own batches and threads."""

import functools
import itertools

from alexnet import load_weights
from lab import device
from lab.features import extraction as features

CHUNKS = 100_000  # more than any run asks for


def load(weights, images, precision):
    device.prepare()
    chunks = list(itertools.repeat(slice(0, len(images)), CHUNKS))
    dtype = device.precision(precision)
    return functools.partial(
        next, features.computed(images, load_weights(weights), "caffe", dtype, chunks)
    )
