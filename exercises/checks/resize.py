"""What resize.py is held to: TensorFlow's resize, and the lab's own `preprocess`."""

import numpy as np
import tensorflow as tf

import alexnet
from exercises.checks import resize_mistakes as mistakes
from exercises.machinery.checking import check, same
from lab.demo import signs

HINTS = {
    "places": (
        "The middle of new pixel i is at i + 0.5, counted in new pixels from the left "
        "edge. How long is a new pixel, counted in old ones?",
        "Times old / new, the same middle is counted in old pixels from the edge; but "
        "place 0 is the middle of pixel 0, half a pixel further in. np.arange(new) is "
        "all i at once.",
    ),
    "enlarge": (
        "np.floor of the places gives the pixel below, one more the pixel above; what "
        "is left over is the share of the latter. Places beyond the edge: np.clip.",
        "image[rows] takes many rows at once. Multiply them with share[:, np.newaxis, "
        "np.newaxis]. Do it for rows, np.swapaxes(image, 0, 1), and do the very same "
        "again.",
    ),
    "preprocess": (
        "Three things: tf.cast to float32, the colours, the size. BGR_MEAN is in the "
        "order blue, green, red.",
        "tf.reverse(images, [-1]) turns the last axis round; then subtract BGR_MEAN; "
        "then tf.image.resize to [INPUT_SIZE, INPUT_SIZE].",
    ),
}


def picture(height, width, seed=0):
    """A smooth image without symmetry, float RGB 0-255."""
    coarse = np.random.default_rng(seed).uniform(0, 255, [1, 4, 5, 3])
    return tf.image.resize(coarse, [height, width], "bicubic")[0].numpy().clip(0, 255)


@check("places", "`places` looks where the middles of the pixels lie")
def middles(learner):
    for old, new in [(2, 4), (32, 227), (500, 227)]:
        expected = [old / new * i + (old / new - 1) / 2 for i in range(new)]
        same(learner.places(old, new), expected, mistakes, "places", old, new)


@check("enlarge", "`enlarge` mixes rows and columns as TensorFlow does")
def mixed(learner):
    image = picture(6, 9)
    expected = tf.image.resize(image, [20, 20])
    same(learner.enlarge(image, 20), expected, mistakes, "enlarge", image, 20)


@check("enlarge", "`enlarge` takes bytes, too")
def bytes_too(learner):
    image = signs.sign(14)
    expected = tf.image.resize(image, [50, 50])
    same(learner.enlarge(image, 50), expected, mistakes, "enlarge", image, 50)


@check("preprocess", "`preprocess` gives colours, mean and size as the network was trained with")
def prepared(learner):
    images = np.stack([picture(40, 60, seed=1), picture(40, 60, seed=2)])
    expected = alexnet.preprocess(images)
    same(learner.preprocess(images.copy()), expected, mistakes, "preprocess", images)


@check("preprocess", "`preprocess` makes large pictures small without jagged edges")
def made_smaller(learner):
    stripes = np.zeros([1, 681, 700, 3], np.float32)
    stripes[:, ::2, ::3] = (200, 100, 50)
    expected = alexnet.preprocess(stripes)
    same(learner.preprocess(stripes.copy()), expected, mistakes, "preprocess", stripes)


@check("preprocess", "`preprocess` takes bytes, too")
def bytes_prepared(learner):
    images = signs.sign(14)[np.newaxis]
    expected = alexnet.preprocess(images)
    same(learner.preprocess(images.copy()), expected, mistakes, "preprocess", images)


def draw(learner, path):
    """A stop sign enlarged by the learner's code, beside what it should be."""
    from lab.runs import canvas

    sign = signs.sign(14, seed=3)
    panels = {
        "the sign, 32 pixels": sign,
        "your `enlarge`": np.asarray(learner.enlarge(sign, 227)),
        "as it should be": tf.image.resize(sign, [227, 227]).numpy(),
    }
    with canvas.figure(path, 2.4, "resize: a sign made larger") as figure:
        places = figure.subplots(1, 3)
        for axes, (title, image) in zip(places, panels.items(), strict=True):
            canvas.show(axes, np.clip(image, 0, 255).astype(np.uint8))
            axes.set_title(title, fontsize=10)
