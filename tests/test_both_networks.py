"""How both networks want their pictures, and what they refuse."""

import numpy as np
import pytest
import tensorflow as tf
from comparing import pictures

import alexnet
import vgg16

pytestmark = [
    pytest.mark.parametrize("network", [alexnet, vgg16]),
    pytest.mark.parametrize("convention", ["caffe", "course"]),
]


def test_bytes_and_floats_are_prepared_alike(network, convention):
    images = pictures(32, 48)
    expected = network.preprocess(images, convention)
    for dtype in (np.float32, np.float64, np.int32):
        found = network.preprocess(images.astype(dtype), convention)
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(("height", "width"), [(32, 32), (300, 260)])
def test_a_graph_that_does_not_know_the_size_prepares_the_same(network, convention, height, width):
    images = pictures(height, width)
    prepare = tf.function(
        lambda x: network.preprocess(x, convention),
        input_signature=[tf.TensorSpec([None, None, None, 3], tf.uint8)],
    )
    expected = network.preprocess(images, convention)
    np.testing.assert_allclose(prepare(images), expected, atol=1e-3)


@pytest.mark.parametrize("channels", [1, 4])
def test_pictures_that_are_not_rgb_are_refused(network, convention, channels):
    with pytest.raises(ValueError, match=r"expected RGB .* found"):
        network.preprocess(np.zeros((1, 8, 8, channels), np.uint8), convention)


def test_other_conventions_are_refused(network, convention):
    expected = f"expected convention caffe or course, found '{convention}s'"
    with pytest.raises(ValueError, match=expected):
        network.preprocess(pictures(8, 8), f"{convention}s")
