"""The table of networks: what each layer gives, checked with NumPy, and how wrong names end."""

import numpy as np
import pytest
import tensorflow as tf

import alexnet
from lab import networks
from lab.networks import ALEXNET

WIDTHS = {"conv3": 13824, "conv4": 13824, "pool5": 9216, "fc6": 4096, "fc7": 4096}


@pytest.fixture(scope="module")
def pictures():
    """uint8 [2, 60, 80, 3], smooth, so that a resize keeps something."""
    small = np.random.default_rng(0).integers(0, 256, (2, 6, 8, 3), np.uint8)
    return small.repeat(10, axis=1).repeat(10, axis=2)


def pooled(maps):
    """[n, 13, 13, c] -> [n, 6 * 6 * c]: the largest of 3x3 neighbours at every second place."""
    windows = np.lib.stride_tricks.sliding_window_view(maps, (3, 3), axis=(1, 2))[:, ::2, ::2]
    return windows.max(axis=(-2, -1)).reshape(len(maps), -1)


def test_layers_are_those_of_the_command_line_and_as_wide_as_they_say():
    assert ALEXNET.layers == WIDTHS
    assert ALEXNET.layer == "fc7"
    assert all(layer in alexnet.LAYERS for layer in WIDTHS)


@pytest.mark.parametrize("layer", WIDTHS)
@pytest.mark.parametrize("convention", ["caffe", "course"])
def test_features_are_what_the_layer_puts_out(demo_weights, pictures, layer, convention):
    images = alexnet.preprocess(pictures, convention)
    padding = alexnet.CONV1_PADDING[convention]
    maps = alexnet.activations(images, demo_weights, conv1_padding=padding)[layer].numpy()
    expected = pooled(maps) if layer.startswith("conv") else maps.reshape(2, -1)
    found = ALEXNET.features(images, demo_weights, layer, convention).numpy()
    assert found.shape == (2, WIDTHS[layer])
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)
    assert np.ptp(found) > 0


@pytest.mark.parametrize("layer", WIDTHS)
def test_the_way_may_be_entered_after_any_layer_below(demo_weights, pictures, layer):
    images = alexnet.preprocess(pictures)
    maps = alexnet.activations(images, demo_weights)
    whole = ALEXNET.features(images, demo_weights, layer).numpy()
    names = list(alexnet.LAYERS)
    for after in names[: names.index(layer) + 1]:
        part = ALEXNET.features(maps[after], demo_weights, layer, after=after).numpy()
        np.testing.assert_allclose(part, whole, rtol=1e-5, atol=1e-5)


def test_features_are_of_the_dtype_of_the_weights(demo_weights, pictures):
    half = {
        name: [tf.cast(part, tf.bfloat16) for part in demo_weights[name]]
        for name in ALEXNET.module.KERNELS
    }
    for layer in ("conv3", "fc6"):
        assert ALEXNET.features(alexnet.preprocess(pictures), half, layer).dtype == tf.bfloat16


@pytest.mark.parametrize(
    ("layer", "last"),
    [
        ("conv3", "conv3"),
        ("conv4", "conv4"),
        ("pool5", "conv5"),
        ("fc6", "conv5"),
        ("fc7", "conv5"),
    ],
)
def test_what_decides_is_seen_in_the_last_convolution_below(layer, last):
    assert ALEXNET.last_map(layer) == last


@pytest.mark.parametrize("layer", ["conv1", "conv5", "fc8", "", "FC7", "__class__"])
def test_a_layer_without_features_is_one_line_with_those_there_are(layer):
    with pytest.raises(ValueError, match=r"gives features after conv3, conv4, pool5, fc6, fc7$"):
        ALEXNET.check_layer(layer)


@pytest.mark.parametrize("name", ["alexnett", "os", "", "lab.networks"])
def test_a_network_nobody_knows_is_one_line_with_those_there_are(name):
    with pytest.raises(ValueError, match=f"^--network {name}: expected alexnet"):
        networks.named(name)


def test_a_network_is_known_by_its_name():
    assert networks.named("alexnet") is ALEXNET
    assert ALEXNET.module is alexnet
    assert ALEXNET.file == "bvlc-alexnet.npy"
