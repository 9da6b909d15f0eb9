"""The file of a head: whatever happened to it, one line says so."""

import json
import zipfile

import keras
import numpy as np
import pytest
from test_loop import CLASSES, DAMAGES, build

from feature_extraction import new_layer
from lab.training import heads

WIDTH = 4096


@pytest.fixture
def path(tmp_path):
    build().save(tmp_path / "head.keras")
    return tmp_path / "head.keras"


def complaint(path, width=WIDTH, classes=CLASSES):
    with pytest.raises((ValueError, FileNotFoundError)) as error:
        heads.load(path, width, classes)
    line = str(error.value)
    assert line.startswith(str(path))
    assert "train again with" in line
    assert "\n" not in line
    return line


def test_a_head_comes_back_as_it_was_saved(path):
    loaded = heads.load(path, WIDTH, CLASSES)
    np.testing.assert_array_equal(loaded.get_weights()[0], build().get_weights()[0])


def test_a_head_with_a_hidden_layer_comes_back_where_one_is_expected(tmp_path):
    path, saved = tmp_path / "head.keras", new_layer(8, CLASSES, hidden=20)
    saved.save(path)
    features = np.random.default_rng(0).normal(size=(3, 8)).astype(np.float32)
    np.testing.assert_array_equal(heads.load(path, 8, CLASSES, 20)(features), saved(features))
    assert "layers InputLayer, LayerNormalization, Dense, Dense" in complaint(path, 8)
    with pytest.raises(ValueError, match="a hidden layer of other than 19 units"):
        heads.load(path, 8, CLASSES, 19)


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_head_is_one_line_that_names_it(path, damage):
    path.write_bytes(damage(path.read_bytes()))
    assert "damage" in complaint(path)


def test_a_head_that_is_not_there_is_one_line(path):
    path.unlink()
    assert "is not there" in complaint(path)


def test_a_head_of_other_shapes_is_refused(path):
    assert "expected scores [n, 43] of features [n, 4096]" in complaint(path, classes=43)
    assert "features [n, 9216]" in complaint(path, width=9216)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_head_of_numbers_that_are_none_is_refused(tmp_path, value):
    head = build()
    kernel, bias = head.get_weights()
    kernel[7, 1] = value
    head.set_weights([kernel, bias])
    head.save(tmp_path / "head.keras")
    assert "expected finite numbers" in complaint(tmp_path / "head.keras")


def enlarge_layer(settings):
    settings["config"]["layers"][-1]["config"]["units"] = 10**12


def enlarge_input(settings):
    settings["config"]["layers"][-1]["build_config"]["input_shape"][1] = 10**12


def add_layers(settings):
    settings["config"]["layers"] += settings["config"]["layers"][-1:] * 1000


def exchange_layer(settings):
    settings["config"]["layers"][-1]["class_name"] = "Embedding"


def forget_layers(settings):
    del settings["config"]["layers"]


CHANGES = [enlarge_layer, enlarge_input, add_layers, exchange_layer, forget_layers]


@pytest.mark.parametrize("change", CHANGES)
def test_layers_that_are_no_heads_are_never_made(path, monkeypatch, change):
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    settings = json.loads(members["config.json"])
    change(settings)
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in (members | {"config.json": json.dumps(settings)}).items():
            archive.writestr(name, content)
    monkeypatch.setattr(keras.saving, "load_model", None)
    assert "found damage" in complaint(path)


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_a_head_that_would_run_code_is_refused(tmp_path):
    model = keras.Sequential([keras.Input([WIDTH]), keras.layers.Lambda(lambda x: x[:, :CLASSES])])
    model.save(tmp_path / "head.keras")
    assert "found damage" in complaint(tmp_path / "head.keras")


@pytest.mark.parametrize("hidden", [None, 20])
def test_its_parts_do_by_themselves_what_it_does(hidden):
    head = new_layer(8, CLASSES, hidden=hidden)
    x = np.random.default_rng(0).normal(3, 5, (4, 8)).astype(np.float32)
    epsilon, [*below, (kernel, bias)] = heads.parts(head)
    y = (x - x.mean(1, keepdims=True)) / np.sqrt(x.var(1, keepdims=True) + epsilon)
    for layer in below:
        y = np.maximum(y @ layer[0] + layer[1], 0)
    np.testing.assert_allclose(y @ kernel + bias, heads.scores(head, x), rtol=1e-4, atol=1e-5)


def test_a_head_that_does_not_normalise_has_no_epsilon():
    head = keras.Sequential([keras.Input([8]), keras.layers.Dense(CLASSES)])
    epsilon, layers = heads.parts(head)
    assert epsilon is None
    assert [kernel.shape for kernel, _ in layers] == [(8, CLASSES)]
