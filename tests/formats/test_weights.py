"""Weights files: what is read, and what is refused with one line that says what to do."""

import io
import os
import pickle
import re

import numpy as np
import pytest

from lab.formats import caffemodel, pickles
from lab.formats.weights import digest, read

TINY = {"conv1": (2, 2, 3, 4), "fc6": (5, 4)}


@pytest.fixture
def layers():
    """Good layers of a network small enough to write often."""
    rng = np.random.default_rng(5)
    return {
        name: [rng.standard_normal(shape, np.float32), rng.standard_normal(4, np.float32)]
        for name, shape in TINY.items()
    }


@pytest.fixture
def path(tmp_path):
    return tmp_path / "bvlc-alexnet.npy"


def save(path, layers):
    np.save(path, layers, allow_pickle=True)
    return path


def refusal(path, kind=ValueError):
    """The message with which `read` refuses the file: one line that names it."""
    with pytest.raises(kind) as refused:
        read(path, TINY)
    message = str(refused.value)
    assert str(path) in message
    assert len(message.splitlines()) == 1
    return message


def assert_loaded(found, layers):
    assert list(found) == list(TINY)
    for name, (kernel, bias) in found.items():
        assert kernel.dtype == bias.dtype == np.float32
        np.testing.assert_array_equal(kernel, np.float32(layers[name][0]))
        np.testing.assert_array_equal(bias, np.float32(layers[name][1]))


def test_a_file_of_numpy_and_a_plain_pickle_load(path, layers):
    assert_loaded(read(save(path, layers), TINY), layers)
    path.write_bytes(pickle.dumps({name: tuple(layer) for name, layer in layers.items()}))
    assert_loaded(read(str(path), TINY), layers)


def python_2_pickle(content):
    """The bytes Python 2 would have written: protocol 2, text and bytes alike as BINSTRING."""

    class Python2Pickler(pickle._Pickler):
        def save_string(self, value):
            data = value if isinstance(value, bytes) else value.encode("latin1")
            self.write(pickle.BINSTRING + len(data).to_bytes(4, "little") + data)
            self.memoize(value)

        dispatch = pickle._Pickler.dispatch | {str: save_string, bytes: save_string}

    file = io.BytesIO()
    Python2Pickler(file, protocol=2).dump(content)
    return file.getvalue().replace(b"numpy._core.", b"numpy.core.")


def test_a_file_of_python_2_loads(path, layers):
    content = python_2_pickle(layers)
    assert pickle.loads(content, encoding="bytes").keys() == {b"conv1", b"fc6"}
    path.write_bytes(content)
    assert_loaded(read(path, TINY), layers)


@pytest.mark.parametrize("stored", [np.float16, np.float32, np.float64, ">f4"])
def test_floats_of_any_width_are_read_as_float32(path, layers, stored):
    layers = {name: [array.astype(stored) for array in layer] for name, layer in layers.items()}
    assert_loaded(read(save(path, layers), TINY), layers)


def test_a_missing_file_says_where_to_get_it(path):
    message = refusal(path, FileNotFoundError)
    assert "python download.py weights" in message
    assert "--demo" in message


@pytest.mark.parametrize("name", ["weights.npy", "weights.caffemodel", "weights.h5"])
def test_a_pipe_is_refused_not_waited_for(tmp_path, name):
    os.mkfifo(tmp_path / name)
    assert "expected a file, found a pipe" in refusal(tmp_path / name)


def test_a_file_that_was_cut_says_so(path, layers):
    content = save(path, layers).read_bytes()
    for size in (0, 5, 130, len(content) // 2, len(content) - 1):
        path.write_bytes(content[:size])
        assert "download it again" in refusal(path), size


@pytest.mark.parametrize(
    "content", [b"<html>404 Not Found</html>", bytes(1000), b"\xff\xd8\xff\xe0 JFIF"]
)
def test_a_file_of_another_format_is_refused(path, content):
    path.write_bytes(content)
    assert "expected a pickle or .npy file" in refusal(path)


@pytest.mark.parametrize("content", [[1, 2], "conv1", None, np.zeros((11, 11, 3, 96))])
def test_a_pickle_of_something_else_is_refused(path, layers, content):
    path.write_bytes(pickle.dumps(content))
    assert f"expected the layers conv1, fc6, found {type(content).__name__}" in refusal(path)


@pytest.mark.parametrize("write", [save, lambda path, x: path.write_bytes(pickle.dumps(x))])
def test_a_pickle_that_would_run_a_program_is_refused(path, layers, tmp_path, write):
    class Program:
        def __reduce__(self):
            return os.system, (f"echo > {tmp_path / 'was_run'}",)

    write(path, layers | {"conv1": Program()})
    assert "system" in refusal(path)
    assert not (tmp_path / "was_run").exists()


def test_layers_missing_or_too_many_are_named(path, layers):
    message = refusal(save(path, {"conv1": layers["conv1"]}))
    assert "expected the layers conv1, fc6, found 1, missing: fc6" in message
    message = refusal(save(path, layers | {"fc9\n": layers["fc6"]}))
    assert "found 3, missing: none" in message


KERNEL, BIAS = np.zeros((5, 4), np.float32), np.zeros(4, np.float32)


@pytest.mark.parametrize(
    ("layer", "found"),
    [
        ([KERNEL.T, BIAS], r"float32 \(4, 5\) and float32 \(4,\)"),
        ([KERNEL, BIAS[:3]], r"float32 \(5, 4\) and float32 \(3,\)"),
        ([KERNEL, BIAS[:, None]], r"float32 \(5, 4\) and float32 \(4, 1\)"),
        ([KERNEL.astype(np.int32), BIAS], r"int32 \(5, 4\) and float32 \(4,\)"),
        ([KERNEL, BIAS.astype(np.complex64)], r"float32 \(5, 4\) and complex64 \(4,\)"),
        ([KERNEL, BIAS.tolist()], r"float32 \(5, 4\) and list"),
        ([KERNEL], r"float32 \(5, 4\)"),
        ([KERNEL, BIAS, BIAS], r"float32 \(5, 4\) and float32 \(4,\) and float32 \(4,\)"),
        ([], "nothing"),
        (KERNEL, r"float32 \(5, 4\)"),
        ({"kernel": KERNEL, "bias": BIAS}, "dict"),
        (None, "NoneType"),
    ],
)
def test_a_layer_of_another_shape_or_type_is_named(path, layers, layer, found):
    message = refusal(save(path, layers | {"fc6": layer}))
    expected = r"fc6: expected a kernel \(5, 4\) and a bias \(4,\) of finite floats, found "
    assert re.search(expected + found + "; ", message)


@pytest.mark.parametrize("part", [0, 1])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_numbers_that_are_not_finite_are_refused(path, layers, part, value):
    layers["fc6"][part].flat[1] = value
    message = refusal(save(path, layers))
    assert "fc6" in message
    assert "NaN or infinity" in message


def test_numbers_too_large_for_float32_are_refused(path, layers):
    layers["fc6"][0] = np.full(TINY["fc6"], 1e300)
    assert "fc6" in refusal(save(path, layers))


def test_caffes_own_file_goes_to_its_own_reader(tmp_path, layers, monkeypatch):
    asked = []
    path = tmp_path / "bvlc_alexnet.caffemodel"
    path.write_bytes(b"\0")
    monkeypatch.setattr(caffemodel, "load", lambda path: asked.append(path) or layers)
    monkeypatch.setattr(pickles, "load", None)
    assert_loaded(read(path, TINY), layers)
    assert asked == [path]


def test_caffes_own_file_is_checked_like_any_other(tmp_path, layers, monkeypatch):
    path = tmp_path / "bvlc_alexnet.caffemodel"
    path.write_bytes(b"not from Caffe")
    refusal(path)
    layers["fc6"][0] = layers["fc6"][0].T
    monkeypatch.setattr(caffemodel, "load", lambda path: layers)
    assert "fc6: expected a kernel (5, 4)" in refusal(path)


# ---- the digest ---------------------------------------------------------------------------------


def test_the_digest_is_the_one_that_features_on_disk_are_named_by():
    ones = np.ones(3, np.float32)
    weights = {
        "b": (np.arange(6, dtype=np.float32).reshape(2, 3), ones),
        "a": (np.eye(2, dtype=np.float32), np.zeros(2, np.float32)),
    }
    expected = "b208fdfea401bc4e2853a82b3c752e1b073bdfdb19de5b86b6ed532fe5e50be6"
    assert digest(weights) == digest(dict(reversed(weights.items()))) == expected
    assert digest(weights | {"b": (weights["b"][0].T, ones)}) != expected
