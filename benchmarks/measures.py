"""What is measured in a process of its own: each call is one measurement."""

import functools
import io
import tempfile
import time
from contextlib import redirect_stdout
from pathlib import Path

import numpy as np

from benchmarks import contenders

# Relative error of fc7. A wrong layer moves it by a third and more, bfloat16 by 2 %.
TOLERANCE = {"float32": 1e-3, "bfloat16": 5e-2}
CODES_TOLERANCE = {"float32": 1e-3, "bfloat16": 1e-1}  # VGG16 has twice as many layers
CHECKED = 4  # pictures whose codes are compared
VALIDATION = 0.33  # the course's share of the pictures


@functools.cache
def contender(name, weights, folder, batch):
    """The contender `name` as a function, loaded once, and how many pictures a call of it takes.

    folder: as `preparation.prepare` left it.
    """
    images = np.array(np.load(folder / "images.npy", mmap_mode="r")[:batch])
    return contenders.load(name, weights, images), len(images)


def error(name, weights, folder, batch):
    """Relative error of the contender's fc7. ValueError when it is not that of AlexNet."""
    reference = np.load(folder / ("course.npy" if name == "course" else "caffe.npy"))[:batch]
    run, _ = contender(name, weights, folder, batch)
    return _checked(run()[: len(reference)], reference, name)


def _checked(found, reference, name, tolerances=TOLERANCE):
    difference = np.linalg.norm(found.astype(np.float32) - reference)
    error = float(difference / np.linalg.norm(reference))
    tolerance = tolerances["bfloat16" if name.endswith(("bfloat16", "auto")) else "float32"]
    if not error < tolerance:
        raise ValueError(f"features differ by {error:.2%}, allowed are {tolerance:.1%}")
    return error


def rate(name, weights, folder, batch, seconds):
    """The contender's pictures/s, measured for `seconds` at least."""
    run, pictures = contender(name, weights, folder, batch)
    return pictures / _seconds_a_call(run, seconds)


@functools.cache
def coder(library, precision, count):
    """A library's way to VGG16's codes as a function, loaded once; random weights, `count` flowers.

    Also what the codes must be, [n, 4096], of the first.
    """
    from benchmarks.contenders import codes
    from lab import device
    from lab.demo import flowers, stand_ins
    from lab.networks import VGG16

    device.prepare()
    layers = stand_ins.weights(VGG16)
    images = np.stack(
        [flowers.flower(n % 5, n // 5, VGG16.module.INPUT_SIZE) for n in range(count)]
    )
    prepared = VGG16.module.preprocess(images[:CHECKED])
    reference = VGG16.module.VGG16(prepared, feature_extract=True, weights=layers).numpy()
    return getattr(codes, library)(layers, images, precision), reference


def codes_error(library, precision, count):
    """Relative error of the codes. ValueError when they are not those of vgg16.py."""
    run, reference = coder(library, precision, count)
    return _checked(run()[: len(reference)], reference, precision, CODES_TOLERANCE)


def codes_rate(library, precision, count, seconds):
    """Pictures/s to VGG16's codes, measured for `seconds` at least."""
    return count / _seconds_a_call(coder(library, precision, count)[0], seconds)


@functools.cache
def way(name, weights, folder, precision):
    """The way `name` through the JPEGs in `folder` as a function, loaded once, and their number."""
    paths = sorted(folder.glob("*.jpg"))
    return contenders.load_way(name, weights, paths, precision), len(paths)


def way_error(name, weights, folder, precision):
    """Relative error of fc7 on that way. ValueError when it is not that of AlexNet."""
    run, _ = way(name, weights, folder, precision)
    features, reference = run(), np.load(folder / "caffe.npy")
    # Every library shrinks pictures in a way of its own.
    return _checked(features[: len(reference)], reference, "bfloat16")


def way_rate(*which):
    """Pictures/s on that way, from the first JPEG to the last."""
    run, pictures = way(*which)
    begin = time.perf_counter()
    run()
    return pictures / (time.perf_counter() - begin)


def ceiling(precision, sizes, seconds):
    """GFLOP/s of TensorFlow's matrix product, the best over square matrices of `sizes`."""
    import tensorflow as tf

    from lab import device

    device.prepare()
    products = 1 if device.name() == "CPU" else 50  # a GPU is given work ahead
    rates = []
    for size in sizes:
        matrix = tf.cast(tf.random.normal([size, size]), precision)

        def multiply(matrix=matrix):
            for _ in range(products):
                product = tf.matmul(matrix, matrix)
            product[0, 0].numpy()  # waits for the result

        rates.append(products * 2 * size**3 / _seconds_a_call(multiply, seconds / len(sizes)) / 1e9)
    return max(rates)


def _seconds_a_call(function, seconds):
    """How long a call of `function` takes, over calls for `seconds` at least."""
    function()  # others have had the caches of the processor since the last time
    count, begin = 0, time.perf_counter()
    while not count or time.perf_counter() - begin < seconds:
        function()
        count += 1
    return (time.perf_counter() - begin) / count


def course_training(weights, folder, pictures, epochs, seconds):
    """Seconds of the course's training, extrapolated from batches of training and of validation.

    seconds: for how long at least either is measured.
    """
    from benchmarks.contenders.course import BATCH

    train, validate = _course(weights, folder)
    unseen = round(VALIDATION * pictures)
    training = (pictures - unseen) / BATCH * _seconds_a_call(train, seconds)
    return epochs * (training + unseen / BATCH * _seconds_a_call(validate, seconds))


@functools.cache
def _course(weights, folder):
    from benchmarks.contenders import course

    images, labels = (np.load(folder / f"{name}.npy") for name in ("images", "labels"))
    return course.training(weights, images[: course.BATCH], labels[: course.BATCH])


def step_rate(name, weights, folder, batch, seconds):
    """Pictures/s of a contender's steps over the whole network, measured for `seconds` at least."""
    return batch / _seconds_a_call(_step(name, weights, folder, batch), seconds)


@functools.cache
def _step(name, weights, folder, batch):
    images, labels = (np.load(folder / f"{kind}.npy")[:batch] for kind in ("images", "labels"))
    return contenders.load_step(name, weights, images, labels)


def dense_epoch(weights, rows, batch, precision):
    """Seconds of an epoch of step 5 with `--unfreeze fc6`, on `rows` kept maps of pool5."""
    from lab import device

    device.prepare()
    import train_finetuning as lesson
    from alexnet import load_weights
    from feature_extraction import new_layer
    from lab.networks import ALEXNET
    from lab.training.loop import Examples
    from lab.training.tuned import Tuned

    rng = np.random.default_rng(0)
    maps = np.empty((rows, 9216), np.float16)
    for row in maps:  # one at a time: the peak is to be the training's
        row[:] = np.maximum(rng.standard_normal(len(row), np.float32), 0)
    labels = rng.integers(0, contenders.CLASSES, rows)
    examples = Examples(maps, labels, np.ones(rows, np.float32), contenders.CLASSES, 256)
    args = lesson.command_line().parse_args(["--epochs", "2", "--batch-size", str(batch)])
    head = new_layer(4096, contenders.CLASSES)
    dtype = device.precision(precision)
    model = Tuned(
        ALEXNET, load_weights(weights), head, "fc7", "fc6", dtype=dtype, dropout=0.25, kept=True
    )
    sides = np.arange(rows), np.arange(min(rows, 128))  # the epoch is measured, not the validation
    with tempfile.TemporaryDirectory() as folder, redirect_stdout(io.StringIO()):
        history = lesson.train(model, examples, sides, args, Path(folder))
    return float(history["seconds"][1])  # the first one compiles


def head_epoch(rows):
    """Seconds of an epoch of training the head on `rows` features [rows, 4096]."""
    from lab import device

    device.prepare()
    import train_feature_extraction as lesson
    from lab.data.dataset import Dataset

    rng = np.random.default_rng(0)
    features = np.maximum(rng.standard_normal((rows, 4096), np.float32), 0).astype(np.float16)
    dataset = Dataset(features, rng.integers(0, 43, rows), [str(label) for label in range(43)])
    args = lesson.command_line().parse_args(["--epochs", "4"])
    sides = np.arange(rows), np.arange(128)  # the epoch is measured, not the validation
    with tempfile.TemporaryDirectory() as folder, redirect_stdout(io.StringIO()):
        _, history = lesson.train(features, dataset, sides, args, Path(folder))
    return float(history["seconds"][1:].median())  # the first one compiles
