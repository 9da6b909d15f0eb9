"""conv1 of small pictures is what the network makes of them enlarged."""

import numpy as np
import pytest
import tensorflow as tf

from alexnet import conv_relu, preprocess
from lab.features import small_pictures


def pictures(*shape):
    return np.random.default_rng(0).integers(0, 256, (*shape, 3), np.uint8)


def enlarged(images, layer):
    return conv_relu(preprocess(images), layer, 4, "VALID").numpy()


def distance(found, expected):
    return np.linalg.norm(tf.cast(found, tf.float32) - expected) / np.linalg.norm(expected)


@pytest.mark.parametrize(
    ("height", "width"), [(1, 1), (2, 3), (31, 33), (32, 32), (48, 17), (56, 57), (64, 64)]
)
def test_it_is_the_same_as_enlarging_first(demo_weights, height, width):
    images = pictures(5, height, width)
    found = small_pictures.conv1(demo_weights["conv1"], height, width, tf.float32)(images)
    assert found.shape == (5, 55, 55, 96)
    assert found.dtype == tf.float32
    assert distance(found, enlarged(images, demo_weights["conv1"])) < 1e-5


@pytest.mark.parametrize(("height", "width"), [(32, 32), (64, 40)])
def test_in_bfloat16_it_is_near(demo_weights, height, width):
    images = pictures(5, height, width)
    found = small_pictures.conv1(demo_weights["conv1"], height, width, tf.bfloat16)(images)
    assert found.dtype == tf.bfloat16
    assert distance(found, enlarged(images, demo_weights["conv1"])) < 6e-3


def test_even_colour_stays_even_in_bfloat16(demo_weights):
    """Rounding errors that add up would show most where all pixels are alike."""
    images = np.full((1, 32, 32, 3), 250, np.uint8)
    found = small_pictures.conv1(demo_weights["conv1"], 32, 32, tf.bfloat16)(images)
    assert distance(found, enlarged(images, demo_weights["conv1"])) < 6e-3


@pytest.mark.parametrize("side", range(1, small_pictures.LARGEST + 1))
def test_a_window_misses_no_pixel(side):
    first, shares = small_pictures._windows(side)
    assert shares.shape[:2] == (55, 11)
    np.testing.assert_allclose(shares.sum(axis=2), 1, rtol=1e-5)
    assert first.min() == 0
    assert (first + shares.shape[2]).max() == side


@pytest.mark.parametrize(("height", "width"), [(32, 32), (48, 17)])
def test_a_layer_that_learns_gets_the_gradients_it_would_get_enlarged(demo_weights, height, width):
    images, layer = pictures(5, height, width), demo_weights["conv1"]
    conv1 = small_pictures.learning_conv1(height, width, tf.float32)
    ways = [conv1, lambda images, layer: conv_relu(preprocess(images), layer, 4, "VALID")]
    gradients = []
    for way in ways:
        with tf.GradientTape() as tape:
            tape.watch(layer)
            out = way(images, layer)
            error = tf.reduce_mean(out**2)
        assert distance(out, enlarged(images, layer)) < 1e-5
        gradients.append(tape.gradient(error, layer))
    for found, expected in zip(*gradients, strict=True):
        assert distance(found, expected) < 1e-4
