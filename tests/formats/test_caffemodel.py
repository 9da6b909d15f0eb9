"""Caffe's files in all their forms, written here field by field, against the .npy layout."""

import itertools
import os
import time
from contextlib import suppress

import numpy as np
import pytest

from lab.formats import caffemodel

# [h, w, in/groups, out] or [in, out], as in the .npy file; conv3's 6 maps of 2x2 go into fc6.
SMALL = {
    "conv1": (3, 3, 3, 4),
    "conv2": (1, 1, 2, 4),  # two groups
    "conv3": (3, 2, 4, 6),
    "fc6": (24, 5),
    "fc7": (5, 7),
}
ALEXNET = {
    "conv1": (11, 11, 3, 96),
    "conv2": (5, 5, 48, 256),
    "conv3": (3, 3, 256, 384),
    "conv4": (3, 3, 192, 384),
    "conv5": (3, 3, 192, 256),
    "fc6": (9216, 4096),
    "fc7": (4096, 4096),
    "fc8": (4096, 1000),
}
FORMS = list(
    itertools.product(["V1", "new"], ["4-D", "shape"], ["packed", "single"], ["<f4", "<f8"])
)


def random_weights(kernels):
    rng = np.random.default_rng(0)
    return {
        name: (rng.random(shape, np.float32), rng.random(shape[-1], np.float32))
        for name, shape in kernels.items()
    }


# ---- a writer that shares nothing with the reader ------------------------------------------------


def varint(number):
    groups = []
    while True:
        number, low = divmod(number, 128)
        groups.append(low + 128 * bool(number))
        if not number:
            return bytes(groups)


def field(number, content):
    """A field of bytes, or of a whole number."""
    if isinstance(content, int):
        return varint(number * 8) + varint(content)
    return varint(number * 8 + 2) + varint(len(content)) + content


def blob(array, shape_form, packing, kind):
    """A BlobProto of an array whose axes are in Caffe's order."""
    if shape_form == "4-D":
        sides = (1,) * (4 - array.ndim) + array.shape
        shape = b"".join(field(number, side) for number, side in enumerate(sides, 1))
    elif packing == "packed":
        shape = field(7, field(1, b"".join(map(varint, array.shape))))
    else:
        shape = field(7, b"".join(field(1, side) for side in array.shape))
    number, wire_type = {"<f4": (5, 5), "<f8": (8, 1)}[kind]
    data = array.astype(kind).tobytes()
    if packing == "packed":
        return shape + field(number, data)
    width = np.dtype(kind).itemsize
    key = varint(number * 8 + wire_type)
    return shape + b"".join(key + data[i : i + width] for i in range(0, len(data), width))


def in_caffe_order(name, kernel, before):
    """From the .npy layout to Caffe's, by an explicit loop where the order is the question."""
    if kernel.ndim == 4:
        return np.moveaxis(kernel, [3, 2], [0, 1])
    if name != "fc6":
        return np.moveaxis(kernel, 1, 0)
    channels = before.shape[-1]
    side = round((len(kernel) / channels) ** 0.5)
    rows = [
        (y * side + x) * channels + channel
        for channel in range(channels)
        for y in range(side)
        for x in range(side)
    ]
    return np.moveaxis(kernel[rows], 1, 0)


def caffemodel_bytes(weights, form=("V1", "4-D", "packed", "<f4")):
    version, shape_form, packing, kind = form
    layer_field, name_field, blobs_field = {"V1": (2, 4, 6), "new": (100, 1, 7)}[version]
    content, before = field(1, b"AlexNet") + field(layer_field, field(name_field, b"data")), None
    for name, (kernel, bias) in weights.items():
        arrays = in_caffe_order(name, kernel, before), bias
        blobs = [field(blobs_field, blob(array, shape_form, packing, kind)) for array in arrays]
        other = field(2, b"bottom") + field(3, b"top") + field(1001, 7)
        content += field(layer_field, field(name_field, name.encode()) + other + b"".join(blobs))
        content += field(layer_field, field(name_field, b"relu"))
        before = kernel
    return content


@pytest.fixture
def loaded(tmp_path):
    """A function from the bytes of a file to the weights `load` finds in it."""

    def load(content):
        path = tmp_path / "alexnet.caffemodel"
        path.write_bytes(content)
        return caffemodel.load(path)

    return load


def assert_same(found, expected):
    assert list(found) == list(expected)
    for name, arrays in expected.items():
        for one, other in zip(found[name], arrays, strict=True):
            assert one.dtype == np.float32
            assert one.flags.c_contiguous
            np.testing.assert_array_equal(one, other)


# ---- what loads ----------------------------------------------------------------------------------


@pytest.mark.parametrize("form", FORMS, ids="-".join)
def test_every_form_gives_the_weights_of_the_npy_file_to_the_bit(loaded, form):
    weights = random_weights(SMALL)
    assert_same(loaded(caffemodel_bytes(weights, form)), weights)


def test_a_network_without_convolutions_keeps_its_rows(loaded):
    weights = random_weights({"fc7": (24, 5)})
    assert_same(loaded(caffemodel_bytes(weights)), weights)


def test_gradients_saved_beside_the_weights_are_passed_over(loaded):
    weights = random_weights({"fc7": (2, 2)})
    (kernel, bias) = weights["fc7"]
    blobs = [
        field(7, blob(array, "shape", "packed", "<f4") + field(6, bytes(400)))
        for array in (kernel.T, bias)
    ]
    assert_same(loaded(field(100, field(1, b"fc7") + b"".join(blobs))), weights)


@pytest.mark.slow
def test_the_full_size_file_loads_to_the_bit_within_seconds(loaded):
    weights = random_weights(ALEXNET)
    content = caffemodel_bytes(weights)
    started = time.perf_counter()
    found = loaded(content)
    assert time.perf_counter() - started < 20  # 1 s alone on two cores
    assert_same(found, weights)


# ---- what does not -------------------------------------------------------------------------------

KERNEL = field(6, blob(np.ones((2, 3), "f4"), "4-D", "packed", "<f4"))
BIAS = field(6, blob(np.ones(2, "f4"), "4-D", "packed", "<f4"))
NAME = field(4, b"fc7")
DAMAGED = {
    "empty": (b"", "no layer holds weights"),
    "a web page": (b"<!DOCTYPE html><html></html>", "does not end"),
    "a pickle": (b"\x80\x04\x95\x10\x00\x00\x00", ""),
    "layers without weights": (field(2, NAME), "no layer holds weights"),
    "no bias": (field(2, NAME + KERNEL), "'fc7' is there twice, or has no kernel and bias"),
    "three blobs": (field(2, NAME + KERNEL + BIAS + BIAS), "no kernel and bias"),
    "a million blobs": (field(2, NAME + field(6, b"") * 1_000_000), "no kernel and bias"),
    "a layer twice": (field(2, NAME + KERNEL + BIAS) * 2, "'fc7' is there twice"),
    "a long bias": (field(2, NAME + KERNEL + KERNEL), "shapes (3, 2) and (2, 3)"),
    "empty blobs": (field(2, NAME + field(6, b"") * 2), "0 numbers"),
    "too few numbers": (field(2, NAME + field(6, field(5, bytes(8)) + field(1, 3)) + BIAS), " 2 "),
    "half a number": (field(2, NAME + field(6, field(5, bytes(7))) + BIAS), "buffer size"),
    "huge sides": (
        field(2, NAME + field(6, field(7, field(1, 2**63) * 2) + field(5, bytes(8))) + BIAS),
        "a blob of shape",
    ),
    "many sides": (
        field(2, NAME + field(6, field(7, field(1, b"\x01" * 10**6)) + field(5, bytes(4))) + BIAS),
        "a blob of shape [1, 1, 1, 1, 1] has 1 numbers",
    ),
    "a number for a layer": (field(2, 7), ""),
    "a number for a name": (field(2, field(4, 7) + KERNEL + BIAS), ""),
    "a number for weights": (field(2, NAME + field(6, field(5, 7)) + BIAS), ""),
    "a name that is no text": (field(2, field(4, b"\xff") + KERNEL + BIAS), ""),
    "an endless number": (b"\xff" * 100, "more than 64 bits"),
    "a length beyond the end": (b"\x12" + varint(1 << 40), "does not end"),
    "a map that is no square": (
        caffemodel_bytes({
            "conv": (np.ones((1, 1, 1, 2), "f4"), np.ones(2, "f4")),
            "fc7": (np.ones((6, 1), "f4"), np.ones(1, "f4")),
        }),
        "cannot reshape",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("content", "text"), DAMAGED.values(), ids=DAMAGED)
def test_a_damaged_file_is_one_line_that_says_what_was_found(loaded, content, text):
    with pytest.raises(ValueError, match=r"alexnet\.caffemodel: expected a \.caffemodel") as error:
        loaded(content)
    assert text in str(error.value)
    assert str(error.value).isprintable()


@pytest.mark.parametrize(
    "content",
    [
        field(1, b"") * 1001,
        field(2, NAME + field(6, b"") * 1001),
        field(2, NAME + field(6, field(6, b"") * 1001) + BIAS),
        field(2, NAME + field(6, field(7, field(1, 1) * 1001)) + BIAS),
        field(2, NAME) * 600,
    ],
    ids=["fields", "blobs", "gradients", "sides", "in all"],
)
def test_a_file_of_empty_fields_is_not_walked_to_its_end(loaded, content, monkeypatch):
    monkeypatch.setattr(caffemodel, "MAX_FIELDS", 1000)
    with pytest.raises(ValueError, match="found damage or another format: more than 1,000 fields"):
        loaded(content)


def test_a_file_cut_anywhere_never_passes_for_the_whole(loaded):
    weights = random_weights({"conv1": (2, 2, 1, 2), "fc6": (2, 1)})
    whole = caffemodel_bytes(weights)
    for length in range(len(whole) - 8):  # the last 8 bytes are a layer without weights
        with suppress(ValueError):
            assert list(loaded(whole[:length])) == ["conv1"]


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"absent\.caffemodel"):
        caffemodel.load(tmp_path / "absent.caffemodel")


def test_a_pipe_is_refused_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "a.caffemodel")
    with pytest.raises(ValueError, match=r"a\.caffemodel: expected a file, found a pipe"):
        caffemodel.load(tmp_path / "a.caffemodel")
