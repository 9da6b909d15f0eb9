"""Features: the network's own, however the pictures come, and never those of something else."""

import hashlib
from dataclasses import replace

import narrow_vgg16
import numpy as np
import pytest
import tensorflow as tf
from narrow_vgg16 import NARROW, as_tensors, random_arrays
from PIL import Image

import vgg16
from alexnet import CONV1_PADDING, AlexNet, load_weights, preprocess
from lab import console
from lab.data import sources
from lab.features import by_picture
from lab.features import cache as feature_cache
from lab.features import extraction as features
from lab.networks import ALEXNET


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("ALEXNET_LAB_CACHE", str(tmp_path / "cache"))


def pictures(count, size=32):
    """uint8 [count, size, size, 3], smooth, so that a resize keeps something."""
    small = np.random.default_rng(0).integers(0, 256, (count, 4, 4, 3), np.uint8)
    return small.repeat(size // 4, axis=1).repeat(size // 4, axis=2)


def written(arrays, folder):
    """The same pictures as PNG files: their paths."""
    folder.mkdir(exist_ok=True)
    paths = [folder / f"{number:03}.png" for number in range(len(arrays))]
    for path, array in zip(paths, arrays, strict=True):
        Image.fromarray(array).save(path)
    return paths


def directly(arrays, weights, convention="caffe"):
    """fc7 of each picture alone: [n, 4096]."""
    padding = CONV1_PADDING[convention]
    each = [AlexNet(preprocess(one[None], convention), True, weights, padding) for one in arrays]
    return np.concatenate(each)


def deviation(found, expected):
    """The largest difference relative to the largest feature of its picture."""
    difference = np.abs(found.astype(np.float32) - expected).max(axis=1)
    return (difference / np.abs(expected).max(axis=1)).max()


@pytest.mark.parametrize("count", [1, 8, 9, 21])
def test_each_picture_keeps_its_row_whatever_the_batches(demo_weights, monkeypatch, count):
    network = replace(ALEXNET, batch=8)
    monkeypatch.setattr(feature_cache, "CHUNK", 20)
    shown = pictures(count)
    found = features.extract(shown, demo_weights, precision="float32", network=network)
    assert found.dtype == np.float16
    assert found.shape == (count, 4096)
    assert deviation(found, directly(shown, demo_weights)) < 1e-3


@pytest.mark.parametrize("size", [32, 100, 300])
@pytest.mark.parametrize("convention", ["caffe", "course"])
def test_files_give_what_arrays_give(demo_weights, tmp_path, convention, size):
    shown = pictures(5, size)
    expected = directly(shown, demo_weights, convention)
    options = {"convention": convention, "precision": "float32", "cache": False}
    for given in (shown, written(shown, tmp_path)):
        assert deviation(features.extract(given, demo_weights, **options), expected) < 1e-3


def test_files_may_differ_in_size(demo_weights, tmp_path):
    shown = [pictures(1, size)[0] for size in (32, 300, 64)]
    found = features.extract(written(shown, tmp_path), demo_weights, precision="float32")
    assert deviation(found, directly(shown, demo_weights)) < 1e-3


def test_bfloat16_moves_features_by_a_few_percent(demo_weights):
    shown = pictures(8)
    exact = directly(shown, demo_weights)
    found = features.extract(shown, demo_weights, precision="bfloat16").astype(np.float32)
    assert 0.001 < np.linalg.norm(found - exact) / np.linalg.norm(exact) < 0.03


def test_bfloat16_moves_features_of_real_signs_by_less_than_one_percent(lab_file):
    weights = load_weights(lab_file("bvlc-alexnet.npy"))
    signs = sources.load(lab_file("train.p")).images[::400]
    exact, found = (
        features.extract(signs, weights, precision=precision, cache=False).astype(np.float32)
        for precision in ("float32", "bfloat16")
    )
    assert 0.001 < np.linalg.norm(found - exact) / np.linalg.norm(exact) < 0.01


def test_what_was_computed_once_is_not_computed_again(demo_weights, tmp_path, monkeypatch):
    paths = written(pictures(3), tmp_path)
    without = features.extract(paths, demo_weights, precision="float32", cache=False)
    assert not (tmp_path / "cache").exists()
    first = features.extract(paths, demo_weights, precision="float32")
    monkeypatch.setattr(features, "_load", None)
    moved = [path.rename(path.with_suffix(".jpg")) for path in paths]
    again = features.extract(moved, demo_weights, precision="float32")
    np.testing.assert_array_equal(first, without)
    np.testing.assert_array_equal(again, without)


def test_features_of_anything_else_have_another_key(demo_weights, tmp_path, monkeypatch):
    keys = []
    monkeypatch.setattr(features, "fill", lambda key, *_: keys.append(key))

    shown, other_pixel = pictures(3), pictures(3)
    other_pixel[2, 31, 31, 2] ^= 1

    def ask(shown=shown, weights=demo_weights, convention="caffe", precision="float32"):
        features.extract(shown, weights, convention, precision)

    ask()
    ask(convention="course")
    ask(precision="bfloat16")
    ask(other_pixel)
    ask(shown[::-1])
    ask(shown.reshape(6, 16, 32, 3))
    kernel, bias = demo_weights["fc7"]
    nudged = tf.tensor_scatter_nd_add(bias, [[4095]], [1e-6])
    ask(weights=demo_weights | {"fc7": (kernel, nudged)})
    assert len(set(keys)) == len(keys) == 7
    ask()
    assert keys[-1] == keys[0]


def test_each_file_is_kept_by_its_content_under_all_else_that_its_features_depend_on(
    demo_weights, tmp_path, monkeypatch
):
    asked = []
    monkeypatch.setattr(by_picture, "fill", lambda key, digests, *_: asked.append((key, digests)))
    paths = written(pictures(3), tmp_path)

    def ask(shown=paths, **options):
        features.extract(shown, demo_weights, **({"precision": "float32"} | options))
        return asked[-1]

    key, digests = ask()
    content = hashlib.sha256(paths[2].read_bytes()).digest()
    assert digests[2] == hashlib.sha256(content).digest()
    assert ask(paths[::-1]) == (key, digests[::-1])
    assert ask(paths[1:]) == (key, digests[1:])
    others = {"convention": "course"}, {"precision": "bfloat16"}, {"layer": "fc6"}
    assert len({key, *[ask(**other)[0] for other in others]}) == 4


def test_one_more_picture_costs_one_and_one_less_nothing(demo_weights, tmp_path, monkeypatch):
    paths = written(pictures(6), tmp_path)
    options = {"precision": "float32", "network": replace(ALEXNET, batch=2)}
    expected = features.extract(paths, demo_weights, cache=False, **options)
    loaded, load = [], features._load

    def noted(pictures, how, rows):
        loaded.extend(pictures[rows])
        return load(pictures, how, rows)

    monkeypatch.setattr(features, "_load", noted)
    for chosen in (paths[:5], paths, paths[3:], paths[::-1]):
        found = features.extract(chosen, demo_weights, **options)
        rows = [paths.index(path) for path in chosen]
        assert deviation(found, expected[rows]) < 1e-3  # a batch of one rounds otherwise
    assert loaded == paths


def test_of_a_long_extraction_the_time_is_told(demo_weights, monkeypatch, capsys):
    monkeypatch.setattr(console, "MEASURED", 0)
    monkeypatch.setattr(console, "LONG", 0)
    monkeypatch.delenv("TQDM_DISABLE", raising=False)
    network = replace(ALEXNET, batch=1)
    features.extract(pictures(3), demo_weights, precision="float32", network=network)
    assert "The network will take about 10 seconds to see 3 pictures" in capsys.readouterr().err


@pytest.mark.parametrize("damage", [b"", b"no picture", None])
@pytest.mark.parametrize("cache", [True, False])
def test_a_broken_picture_is_named(demo_weights, tmp_path, damage, cache):
    paths = written(pictures(3), tmp_path)
    whole = paths[1].read_bytes()
    paths[1].write_bytes(whole[: len(whole) // 2] if damage is None else damage)
    with pytest.raises(ValueError, match=r"001\.png: expected a"):
        features.extract(paths, demo_weights, cache=cache)


@pytest.mark.parametrize("none", [[], np.zeros((0, 32, 32, 3), np.uint8)])
@pytest.mark.parametrize("cache", [True, False])
def test_no_pictures_are_an_error_that_says_so(demo_weights, none, cache):
    with pytest.raises(ValueError, match="expected at least one picture, found none"):
        features.extract(none, demo_weights, cache=cache)


def test_features_that_float16_cannot_hold_are_an_error(demo_weights):
    kernel, bias = demo_weights["fc7"]
    with pytest.raises(ValueError, match="are these the weights of alexnet"):
        features.extract(pictures(1), demo_weights | {"fc7": (kernel, bias + 1e6)})


# ---- the second network -------------------------------------------------------------------------


@pytest.mark.parametrize("convention", ["caffe", "course"])
def test_codes_of_vgg16_are_the_networks_own_from_arrays_and_files(tmp_path, convention):
    weights = as_tensors(random_arrays(NARROW))
    shown = pictures(19, 96)  # more than a batch
    expected = vgg16.VGG16(vgg16.preprocess(shown, convention), True, weights)
    for given in (shown, written(shown, tmp_path)):
        found = features.extract(
            given, weights, convention, "float32", network=narrow_vgg16.VGG16, cache=False
        )
        assert found.shape == (19, 256)
        assert deviation(found, expected) < 1e-3


@pytest.mark.parametrize("layer", narrow_vgg16.VGG16.layers)
def test_any_layer_of_vgg16_gives_features(layer):
    weights, network = as_tensors(random_arrays(NARROW)), narrow_vgg16.VGG16
    found = features.extract(pictures(3), weights, network=network, layer=layer)
    assert found.shape == (3, network.layers[layer])
    assert np.all(np.ptp(found, axis=1) > 0)


def test_the_two_networks_share_no_key(demo_weights, monkeypatch):
    keys = []
    monkeypatch.setattr(features, "fill", lambda key, *_: keys.append(key))
    weights = as_tensors(random_arrays(NARROW))
    features.extract(pictures(3), demo_weights, precision="float32")
    features.extract(pictures(3), weights, precision="float32", network=narrow_vgg16.VGG16)
    assert len(set(keys)) == 2


# ---- layers, and the names of what is kept ------------------------------------------------------


@pytest.mark.parametrize("layer", ["conv3", "conv4", "pool5", "fc6"])
@pytest.mark.parametrize("size", [32, 100])
def test_any_layer_is_the_networks_own(demo_weights, tmp_path, layer, size):
    """Small pictures take a way of their own through conv1, files are decoded one by one."""
    shown = pictures(3, size)
    expected = ALEXNET.features(preprocess(shown), demo_weights, layer).numpy()
    for given in (shown, written(shown, tmp_path)):
        found = features.extract(given, demo_weights, precision="float32", layer=layer)
        assert found.shape == (3, ALEXNET.layers[layer])
        assert deviation(found, expected) < 1e-3


def keys_of(monkeypatch, layers):
    """The keys under which features of a black picture are kept, by layer."""
    keys = {}
    for layer in layers:
        monkeypatch.setattr(features, "fill", lambda key, *_, of=layer: keys.update({of: key}))
        weights = {"fc8": (np.zeros((2, 2), np.float32), np.zeros(2, np.float32))}
        black = np.zeros((1, 2, 2, 3), np.uint8)
        features.extract(black, weights, precision="float32", layer=layer)
    return keys


def test_features_of_fc7_are_found_under_the_key_they_had_before_there_were_layers(monkeypatch):
    """sha256 of "3 caffe float32 WEIGHTS PICTURES", the last two digests: what is kept stays good.

    The weights' is sha256 of their 24 zero bytes, the pictures' of "uint8 (1, 2, 2, 3)" and 12.
    """
    monkeypatch.setattr(features, "VERSION", 3)
    keys = keys_of(monkeypatch, [None, *ALEXNET.layers])
    assert keys["fc7"] == "d7cc272d8be95a91b10c2ed36863ecf48bd64c243b5afbcd9c1979c100f45328"
    assert keys[None] == keys["fc7"]
    assert len(set(keys.values())) == len(ALEXNET.layers)


def test_pictures_of_several_sizes_are_kept_too(demo_weights, tmp_path):
    """Arrays, paths, or both in one list."""
    arrays = [pictures(1, size)[0] for size in (32, 40, 100)]
    paths = [written(array[None], tmp_path / str(number)) for number, array in enumerate(arrays)]
    expected = np.concatenate([directly(array[None], demo_weights) for array in arrays])
    for given in (arrays, [arrays[0], *paths[1], str(*paths[2])]):
        for _ in range(2):
            found = features.extract(given, demo_weights, precision="float32")
            assert deviation(found, expected) < 1e-3
    assert len(list((tmp_path / "cache").glob("*/features.f16"))) == 1


def test_whole_maps_are_what_the_layer_puts_out(demo_weights):
    pictures = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3), np.uint8)
    found = features.extract(
        pictures, demo_weights, precision="float32", cache=False, layer="pool2", whole=True
    )
    layers = ALEXNET.activations(ALEXNET.module.preprocess(pictures), demo_weights)
    expected = np.reshape(layers["pool2"], [3, -1])
    assert found.shape == (3, 13 * 13 * 256)
    assert np.abs(found - expected).max() < 2e-3 * np.abs(expected).max()
