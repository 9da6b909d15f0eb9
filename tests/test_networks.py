"""The table of networks: its widths, its names, and what it says to others."""

import narrow_vgg16
import numpy as np
import pytest
import tensorflow as tf
from narrow_vgg16 import NARROW, as_tensors, random_arrays

import alexnet
from lab.networks import ALEXNET, NETWORKS, VGG16, named

WIDTHS = {"conv3": 13824, "conv4": 13824, "pool5": 9216, "fc6": 4096, "fc7": 4096}


def random_images(network):
    side = network.module.INPUT_SIZE
    return np.random.default_rng(0).normal(0, 60, (2, side, side, 3)).astype(np.float32)


def test_networks_are_found_by_name():
    assert {name: named(name) for name in NETWORKS} == {"alexnet": ALEXNET, "vgg16": VGG16}
    for name in ("vgg19", "os", ""):
        with pytest.raises(ValueError, match=f"--network {name}: expected alexnet or vgg16"):
            named(name)


@pytest.mark.parametrize("network", NETWORKS.values(), ids=NETWORKS)
def test_the_features_of_a_network_are_those_of_one_of_its_layers(network):
    assert network.layer in network.layers
    assert network.layers.keys() <= network.module.LAYERS.keys()
    assert network.conventions.keys() == {"caffe", "course"}
    for layer in ("fc8", "conv1_1", "FC7", ""):
        said = f"--layer {layer}: {network.name} gives features after conv3"
        with pytest.raises(ValueError, match=said):
            network.check_layer(layer)


def test_the_layers_of_alexnet_are_as_wide_as_ever():
    """Heads and features on disk are of these widths."""
    assert ALEXNET.layers == WIDTHS


@pytest.fixture(scope="module")
def pictures():
    """uint8 [2, 60, 80, 3], smooth, so that a resize keeps something."""
    small = np.random.default_rng(0).integers(0, 256, (2, 6, 8, 3), np.uint8)
    return small.repeat(10, axis=1).repeat(10, axis=2)


def pooled(maps):
    """[n, 13, 13, c] -> [n, 6 * 6 * c]: the largest of 3x3 neighbours at every second place."""
    windows = np.lib.stride_tricks.sliding_window_view(maps, (3, 3), axis=(1, 2))[:, ::2, ::2]
    return windows.max(axis=(-2, -1)).reshape(len(maps), -1)


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


@pytest.mark.parametrize("layer", VGG16.layers)
def test_every_layer_of_vgg16_has_the_width_of_the_table(layer):
    weights = as_tensors(random_arrays(NARROW))
    found = narrow_vgg16.VGG16.features(random_images(VGG16), weights, layer)
    assert found.shape == (2, VGG16.layers[layer] // 16)


def test_wide_maps_are_pooled_to_seven_pixels_a_side():
    weights = as_tensors(random_arrays(NARROW))
    images = random_images(VGG16)
    maps = np.asarray(narrow_vgg16.VGG16.activations(images, weights)["conv3_3"])
    expected = maps.reshape(2, 7, 8, 7, 8, 16).max(axis=(2, 4))
    found = narrow_vgg16.VGG16.features(images, weights, "conv3_3")
    np.testing.assert_allclose(found, expected.reshape(2, -1), rtol=1e-5)


@pytest.mark.parametrize(
    ("network", "layer", "last"),
    [(ALEXNET, "fc7", "conv5"), (VGG16, "fc6", "conv5_3"), (VGG16, "conv4_3", "conv4_3")],
)
def test_the_last_map_below_a_layer_is_found(network, layer, last):
    assert network.last_map(layer) == last
