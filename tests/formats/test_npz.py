"""`.npz` files: arrays come back, and what is none costs neither memory nor a traceback."""

import os
import struct
import tracemalloc
import zipfile

import numpy as np
import pytest

from lab.formats import npz

ARRAYS = {"train": np.arange(9), "hashes": np.arange(4, dtype=np.uint64), "none": np.zeros((0, 3))}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "split.npz"


def header(description):
    """The head of an `.npy` file."""
    text = description.ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text.encode()


def write(path, member, name="a.npy"):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, member)


def refusal(path):
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match=r"split\.npz: .*; train again") as error:
            npz.load(path, 1_000_000, "train again")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert str(error.value).isprintable()
    assert peak < 10_000_000
    return str(error.value)


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_arrays_come_back_by_name(path, save):
    save(path, **ARRAYS)
    found = npz.load(path, 10_000, "")
    assert found.keys() == ARRAYS.keys()
    for name, array in ARRAYS.items():
        np.testing.assert_array_equal(found[name], array)
        assert found[name].dtype == array.dtype


HUGE = "{'descr': '<f4', 'fortran_order': False, 'shape': (1099511627776,), }"
MEMBERS = {
    "no array": b"hello",
    "an array larger than its member": header(HUGE) + bytes(16),
    "an unfinished head": header("{'descr': '<f4', 'shape': ("),
    "brackets": header("[" * 117),
    "objects": header("{'descr': '|O', 'fortran_order': False, 'shape': (1,), }") + bytes(8),
    "fields": header("{'descr': [('a', '|O')], 'fortran_order': False, 'shape': (1,), }")
    + bytes(8),
    "a negative side": header("{'descr': '<f4', 'fortran_order': False, 'shape': (-1,), }"),
    "a head that is cut": header(HUGE)[:50],
}


@pytest.mark.parametrize("member", MEMBERS.values(), ids=MEMBERS)
def test_what_is_no_array_of_numbers_is_one_line(path, member):
    write(path, member)
    assert "expected arrays of numbers, found damage" in refusal(path)


def test_an_array_that_unpacks_to_more_than_it_may_is_refused(path):
    np.savez_compressed(path, bomb=np.zeros(50_000_000))
    assert path.stat().st_size < 500_000
    assert "expected at most 1,000,000 bytes" in refusal(path)


def test_a_file_that_is_no_zip_file_and_one_that_was_cut_are_one_line(path):
    np.savez(path, **ARRAYS)
    for content in b"hello", path.read_bytes()[:-30]:
        path.write_bytes(content)
        assert "cut or damaged" in refusal(path)


def test_a_pipe_and_a_missing_file_are_named_at_once(path):
    with pytest.raises(FileNotFoundError, match=r"split\.npz"):
        npz.load(path, 1, "")
    os.mkfifo(path)
    with pytest.raises(ValueError, match=r"split\.npz: expected a file, found a pipe"):
        npz.load(path, 1, "")
