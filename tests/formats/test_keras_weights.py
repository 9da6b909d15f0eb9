"""Keras's files: what loads, what is refused, and that refusing costs nothing."""

import os
import tracemalloc

import h5py
import numpy as np
import pytest

from lab.formats import keras_weights

KERAS_NAMES = {
    **{
        f"conv{block}_{number}": f"block{block}_conv{number}"
        for block, convolutions in enumerate([2, 2, 3, 3, 3], 1)
        for number in range(1, convolutions + 1)
    },
    **{"fc6": "fc1", "fc7": "fc2", "fc8": "predictions"},
}
TINY = {
    "conv1_1": (3, 3, 3, 2),
    "conv5_3": (3, 3, 2, 2),
    "fc6": (98, 4),
    "fc7": (4, 4),
    "fc8": (4, 3),
}
WITHOUT_WEIGHTS = ["input_1", "block1_pool", "flatten"]
# How Keras called the arrays of a layer, as versions went by.
STYLES = {
    "1": ["{0}_W_1:0", "{0}_b_1:0"],
    "2": ["{0}/kernel:0", "{0}/bias:0"],
    "3": ["kernel", "bias"],
}


@pytest.fixture
def arrays():
    rng = np.random.default_rng(0)
    return {
        name: (rng.random(shape, np.float32), rng.random(shape[-1], np.float32))
        for name, shape in TINY.items()
    }


def write_h5(path, arrays, style="1", **storage):
    """Layers as Keras saved them; `storage` goes to every `create_dataset`."""
    names = [*WITHOUT_WEIGHTS, *(KERAS_NAMES.get(name, name) for name in arrays)]
    with h5py.File(path, "w") as file:
        file.attrs["layer_names"] = [name.encode() for name in names]
        file.attrs["backend"], file.attrs["keras_version"] = b"tensorflow", b"1.2.0"
        for name in names:
            file.create_group(name)
        for name, layer in arrays.items():
            group = file[KERAS_NAMES.get(name, name)]
            titles = [title.format(group.name[1:]) for title in STYLES[style]]
            group.attrs["weight_names"] = [title.encode() for title in titles]
            for title, array in zip(titles, layer, strict=True):
                group.create_dataset(title, data=array, **storage)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "vgg16.h5"


def refusal(path):
    """The message with which `load` refuses the file: one line that names it."""
    with pytest.raises(ValueError, match=r"vgg16\.h5: expected ") as refused:
        keras_weights.load(path)
    assert str(refused.value).isprintable()
    assert len(str(refused.value)) < 400
    return str(refused.value)


# ---- what loads ---------------------------------------------------------------------------------


@pytest.mark.parametrize("style", STYLES)
def test_files_of_every_keras_load_to_the_bit_under_the_papers_names(path, arrays, style):
    write_h5(path, arrays, style)
    found = keras_weights.load(path)
    assert found.keys() == arrays.keys()
    for name, layer in found.items():
        for one, other in zip(layer, arrays[name], strict=True):
            assert one.dtype == np.float32
            np.testing.assert_array_equal(one, other)


def test_every_name_of_vgg16_is_known(path):
    layer = np.zeros((1, 1), "f4"), np.zeros(1, "f4")
    write_h5(path, dict.fromkeys(KERAS_NAMES, layer))
    assert keras_weights.load(path).keys() == KERAS_NAMES.keys()


def test_another_networks_layers_keep_their_names(path, arrays):
    write_h5(path, {"conv1": arrays["fc7"], "block6_conv10": arrays["fc7"]})
    assert keras_weights.load(path).keys() == {"conv1", "block6_conv10"}


# ---- what does not ------------------------------------------------------------------------------


def test_a_file_without_top_says_that_codes_need_the_one_with_top(path, arrays):
    write_h5(path, {name: arrays[name] for name in ("conv1_1", "conv5_3")})
    assert "without top, which ends before the codes; name the one with top" in refusal(path)


@pytest.mark.parametrize(
    "content", [b"", b"<html>404</html>", bytes(5000), b"\x89HDF\r\n\x1a\n" + bytes(500)]
)
def test_a_file_of_another_format_is_refused(path, content):
    path.write_bytes(content)
    assert "damage or another format" in refusal(path)


def test_a_file_that_was_cut_is_refused(path, arrays):
    write_h5(path, arrays)
    whole = path.read_bytes()
    for size in range(8, len(whole), 211):
        path.write_bytes(whole[:size])
        refusal(path)


@pytest.mark.parametrize("storage", [{"compression": "gzip"}, {"chunks": True}, {"shuffle": True}])
def test_packed_arrays_are_refused_unread(path, storage):
    kernel, bias = np.zeros((5000, 10_000), np.float32), np.zeros(10_000, np.float32)
    write_h5(path, {"fc6": (kernel, bias)}, **storage)
    assert "packed" in refusal_without_memory(path)


def refusal_without_memory(path):
    tracemalloc.start()
    try:
        message = refusal(path)
        assert tracemalloc.get_traced_memory()[1] < 5_000_000
    finally:
        tracemalloc.stop()
    return message


def with_kernel(path, arrays, make):
    """A good file, but for what `make` puts in the place of the kernel of fc6."""
    write_h5(path, arrays)
    with h5py.File(path, "r+") as file:
        group = file["fc1"]
        del group["fc1_W_1:0"]
        make(group, "fc1_W_1:0")


def claimed(group, name):
    group.create_dataset(name, (2**20, 2**20), "f4")


def elsewhere(group, name):
    secret = str(group.file.filename) + ".secret"
    np.zeros(98 * 4, "f4").tofile(secret)
    group.create_dataset(name, (98, 4), "f4", external=[(secret, 0, 98 * 4 * 4)])


def virtual(group, name):
    layout = h5py.VirtualLayout((98, 4), "f4")
    layout[:] = h5py.VirtualSource("other.h5", "numbers", (98, 4))
    group.create_virtual_dataset(name, layout)


ODD_KERNELS = {
    "numbers that are not there": (claimed, "was never written"),
    "numbers in another file": (elsewhere, "elsewhere"),
    "a view of another file": (virtual, "elsewhere"),
    "text": (
        lambda group, name: group.create_dataset(name, data=["a"] * 9, dtype=h5py.string_dtype()),
        "none of floats",
    ),
    "whole numbers": (
        lambda group, name: group.create_dataset(name, data=np.zeros((98, 4), int)),
        "none of floats",
    ),
}


@pytest.mark.parametrize(("make", "text"), ODD_KERNELS.values(), ids=ODD_KERNELS)
def test_what_keras_never_writes_is_refused_unread(path, arrays, make, text):
    with_kernel(path, arrays, make)
    assert text in refusal_without_memory(path)


@pytest.mark.parametrize(
    "link", [h5py.ExternalLink("/dev/zero", "a"), h5py.SoftLink("/fc2/fc2_W_1:0")]
)
def test_links_are_passed_over(path, arrays, link):
    with_kernel(path, arrays, lambda group, name: group.__setitem__(name, link))
    (bias,) = keras_weights.load(path)["fc6"]
    np.testing.assert_array_equal(bias, arrays["fc6"][1])


def test_arrays_that_share_their_bytes_are_refused(path):
    """A second array of 4 MB is cut off, and its address made that of the first."""
    large = np.zeros((1000, 1000), np.float32)
    write_h5(path, {"fc6": (large, large[0])})
    with h5py.File(path, "r+") as file:
        first = file["fc1/fc1_W_1:0"].id.get_offset()
        second = file["fc1"].create_dataset("again", data=large).id.get_offset()
    whole = path.read_bytes()
    assert second + large.nbytes == len(whole)
    for number, other in (second, first), (len(whole), second):
        assert whole.count(number.to_bytes(8, "little")) == 1
        whole = whole.replace(number.to_bytes(8, "little"), other.to_bytes(8, "little"))
    path.write_bytes(whole[:second])
    assert "more numbers than the file has bytes" in refusal(path)


def test_a_file_of_countless_groups_is_refused(path):
    with h5py.File(path, "w") as file:
        for number in range(2000):
            file.create_group(f"{number}")
    assert "more than 1,000 groups and arrays" in refusal(path)


def test_a_pipe_is_refused_and_not_waited_for(path):
    os.mkfifo(path)
    assert "found a pipe" in refusal(path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"absent\.h5"):
        keras_weights.load(tmp_path / "absent.h5")
