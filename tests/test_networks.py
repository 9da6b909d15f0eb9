"""The table of networks: its widths, its names, and what it says to others."""

import narrow_vgg16
import numpy as np
import pytest
from narrow_vgg16 import NARROW, as_tensors, random_arrays

from lab.networks import ALEXNET, NETWORKS, VGG16, named


def random_images(network):
    side = network.module.INPUT_SIZE
    return np.random.default_rng(0).normal(0, 60, (2, side, side, 3)).astype(np.float32)


def test_networks_are_found_by_name():
    assert {name: named(name) for name in NETWORKS} == {"alexnet": ALEXNET, "vgg16": VGG16}
    with pytest.raises(ValueError, match="--network vgg19: expected alexnet or vgg16"):
        named("vgg19")


@pytest.mark.parametrize("network", NETWORKS.values(), ids=NETWORKS)
def test_the_features_of_a_network_are_those_of_one_of_its_layers(network):
    assert network.layer in network.layers
    assert network.layers.keys() <= network.module.LAYERS.keys()
    assert network.conventions.keys() == {"caffe", "course"}
    with pytest.raises(ValueError, match=f"--layer fc9: {network.name} gives features after conv3"):
        network.check_layer("fc9")


@pytest.mark.parametrize("layer", ALEXNET.layers)
def test_every_layer_of_alexnet_has_the_width_of_the_table(demo_weights, layer):
    found = ALEXNET.features(random_images(ALEXNET), demo_weights, layer)
    assert found.shape == (2, ALEXNET.layers[layer])


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
