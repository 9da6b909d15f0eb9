"""This lab: what `lab/features/extraction.py` runs while it extracts, its batches and threads."""

import functools
import itertools
from concurrent.futures import ThreadPoolExecutor
from unittest import mock

import numpy as np

import train_finetuning as lesson
from alexnet import load_weights
from benchmarks.contenders import CLASSES
from feature_extraction import new_layer
from lab import device
from lab.device import tf
from lab.features import extraction
from lab.networks import ALEXNET
from lab.training import loop
from lab.training.tuned import Tuned

CHUNKS = 100_000  # more than any run asks for


def load(weights, images, precision):
    device.prepare()
    chunks = list(itertools.repeat(slice(0, len(images)), CHUNKS))
    how = _frozen(load_weights(weights), precision)
    return functools.partial(next, extraction.computed(images, how, chunks))


def step(weights, images, labels, precision):
    """The step that train_finetuning.py shows, on pictures as they come from its augmentation."""
    device.prepare()
    dtype = device.precision(precision)
    head = new_layer(4096, CLASSES)
    model = Tuned(ALEXNET, load_weights(weights), head, "fc7", "all", dtype=dtype, dropout=0.25)
    args = lesson.command_line().parse_args([])
    with mock.patch.object(loop, "fit", _the_step):
        take = lesson.train(model, None, (range(100_000), ()), args, None)
    batch = tf.constant(images, tf.float32), tf.one_hot(labels, CLASSES), tf.ones(len(images))
    run = tf.function(lambda: take(*batch)[0])
    return lambda: run().numpy()


def _the_step(model, loss, optimizer, step, *rest):
    optimizer.build(model.trainable_variables)
    return step


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
