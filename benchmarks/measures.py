"""What is measured: generators for a `Worker`, where each value is one measurement."""

import io
import tempfile
import time
from contextlib import redirect_stdout
from pathlib import Path

import numpy as np

from benchmarks import contenders

# Relative error of fc7. A wrong layer moves it by a third and more, bfloat16 by 2 %.
TOLERANCE = {"float32": 1e-3, "bfloat16": 5e-2}


def extraction(name, weights, folder, batch, seconds):
    """Yield the relative error of the contender's fc7, then again and again its pictures/s.

    folder: as `preparation.prepare` left it. seconds: that each measurement takes at least.
    ValueError when its features are not those of AlexNet.
    """
    images = np.array(np.load(folder / "images.npy", mmap_mode="r")[:batch])
    run = contenders.load(name, weights, images)
    reference = np.load(folder / ("course.npy" if name == "course" else "caffe.npy"))[:batch]
    yield _checked(run()[: len(reference)], reference, name)
    while True:
        run()  # others have had the caches of the processor since the last time
        count, begin = 0, time.perf_counter()
        while not count or time.perf_counter() - begin < seconds:
            run()
            count += len(images)
        yield count / (time.perf_counter() - begin)


def _checked(found, reference, name):
    difference = np.linalg.norm(found.astype(np.float32) - reference)
    error = float(difference / np.linalg.norm(reference))
    tolerance = TOLERANCE["bfloat16" if name.endswith(("bfloat16", "auto")) else "float32"]
    if not error < tolerance:
        raise ValueError(f"fc7 differs by {error:.2%}, allowed are {tolerance:.1%}")
    return error


def ceiling(precision, sizes, seconds):
    """Yield GFLOP/s of TensorFlow's matrix product, the best over square matrices of `sizes`."""
    import tensorflow as tf

    from lab import device

    device.prepare()
    matrices = [tf.cast(tf.random.normal([size, size]), precision) for size in sizes]
    products = 1 if device.name() == "CPU" else 50  # a GPU is given work ahead
    while True:
        yield max(_gflops(tf, matrix, products, seconds / len(sizes)) for matrix in matrices)


def _gflops(tf, matrix, products, seconds):
    tf.matmul(matrix, matrix)[0, 0].numpy()
    count, begin = 0, time.perf_counter()
    while not count or time.perf_counter() - begin < seconds:
        for _ in range(products):
            product = tf.matmul(matrix, matrix)
        product[0, 0].numpy()  # waits for the result
        count += products
    return count * 2 * len(matrix) ** 3 / (time.perf_counter() - begin) / 1e9


def course_training(weights, folder, steps):
    """Yield the seconds a picture takes in the course's training, and in its validation."""
    from benchmarks.contenders import course

    images, labels = (np.load(folder / f"{name}.npy") for name in ("images", "labels"))
    yield from course.training(weights, images, labels, steps)


def head_epoch(rows):
    """Yield the seconds of an epoch of training the head on `rows` features [rows, 4096]."""
    from lab import device
    from lab.training import loop as head

    device.prepare()
    rng = np.random.default_rng(0)
    features = np.maximum(rng.standard_normal((rows, 4096), np.float32), 0).astype(np.float16)
    labels = rng.integers(0, 43, rows)
    few = features[:128], labels[:128]  # the epoch is measured, not the validation
    while True:
        with tempfile.TemporaryDirectory() as folder, redirect_stdout(io.StringIO()):
            recipe = head.Recipe(epochs=4)
            _, history = head.fit(head.build(43), (features, labels), few, recipe, Path(folder))
        yield float(history["seconds"][1:].median())  # the first one compiles


def scaling(weights, folder, counts):
    """Yield the seconds that `features.extract` takes for each of `counts` pictures: a list."""
    from alexnet import load_weights
    from lab import device
    from lab.features import extraction as features

    device.prepare()
    layers, images = load_weights(weights), np.load(folder / "images.npy")
    precision = device.precision().name
    features.extract(images[: counts[0]], layers, precision=precision, cache=False)
    while True:
        seconds = []
        for count in counts:
            begin = time.perf_counter()
            features.extract(images[:count], layers, precision=precision, cache=False)
            seconds.append(time.perf_counter() - begin)
        yield seconds
