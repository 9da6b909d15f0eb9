"""How the tests of a network compare what it gives with what others do."""

import numpy as np
import tensorflow as tf
from PIL import Image


def error(found, expected):
    """The largest difference of any picture, relative to its largest value."""
    found, expected = (np.asarray(x, np.float64).reshape(len(x), -1) for x in (found, expected))
    assert found.shape == expected.shape
    return np.max(np.abs(found - expected).max(axis=1) / np.abs(expected).max(axis=1))


def distance(found, expected):
    """The largest of any picture, [n, width], relative to its length."""
    difference = np.linalg.norm(tf.cast(found, tf.float32) - expected, axis=1)
    return np.max(difference / np.linalg.norm(expected, axis=1))


def rounded(weights):
    """Weights in bfloat16."""
    return {
        name: tuple(tf.cast(array, tf.bfloat16) for array in layer)
        for name, layer in weights.items()
    }


def check_walk(network, images, weights, after):
    """What comes after a layer, computed from its output, is what it is in the whole network."""
    whole = network.activations(images, weights)
    rest = network.activations(whole[after], weights, after=after)
    names = list(network.LAYERS)
    assert list(rest) == names[names.index(after) + 1 :]
    for name, x in rest.items():
        np.testing.assert_array_equal(x, whole[name])
    upto = network.activations(images, weights, upto=after)
    assert list(upto) == names[: names.index(after) + 1]


def pictures(height, width):
    """[2, height, width, 3], RGB, each colour with a range of its own."""
    rng = np.random.default_rng(0)
    return rng.integers([100, 40, 0], [256, 200, 90], (2, height, width, 3)).astype(np.uint8)


def pillow_resize(images, side):
    """Bilinear with half-pixel centres; what shrinks is averaged, so that nothing is skipped."""
    planes = np.moveaxis(images.astype(np.float32), -1, 1)
    bilinear = Image.Resampling.BILINEAR
    resized = [
        [Image.fromarray(plane).resize((side, side), bilinear) for plane in image]
        for image in planes
    ]
    return np.moveaxis(
        np.array([[np.asarray(plane) for plane in image] for image in resized]), 1, -1
    )
