"""This lab: what `lab/features/extraction.py` runs while it extracts, its batches and threads."""

import functools
import itertools

from alexnet import load_weights
from lab import device
from lab.features import extraction
from lab.networks import ALEXNET

CHUNKS = 100_000  # more than any run asks for


def load(weights, images, precision):
    device.prepare()
    chunks = list(itertools.repeat(slice(0, len(images)), CHUNKS))
    how = extraction.Frozen(
        ALEXNET, load_weights(weights), ALEXNET.layer, "caffe", device.precision(precision)
    )
    return functools.partial(next, extraction.computed(images, how, chunks))
