"""Zip files: whole ones are read, and hostile ones cost no more than their size."""

import os
import struct
import tracemalloc
import zipfile

import numpy as np
import pytest

from lab.formats import zips

CONTENT = {"a.txt": b"hello", "folder/b.bin": bytes(range(256)) * 8, "empty": b""}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "a.zip"


def write(path, content=CONTENT, packing=zipfile.ZIP_DEFLATED):
    with zipfile.ZipFile(path, "w", packing) as archive:
        for name, data in content.items():
            archive.writestr(name, data)
    return path


def lie(path, name, offset, field):
    """Overwrite bytes of the directory's entry for `name`, `offset` bytes into it."""
    content = bytearray(path.read_bytes())
    entry = content.rindex(name.encode()) - 46
    content[entry + offset : entry + offset + len(field)] = field
    path.write_bytes(content)


def refusal(path, largest=1_000_000):
    """The one line with which `check` refuses the file, and the memory it took, in bytes."""
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match=r"a\.zip: .*; download it again") as error:
            zips.check(path, largest, "download it again")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert str(error.value).isprintable()
    assert len(str(error.value)) < len(str(path)) + 300
    return str(error.value), peak


@pytest.mark.parametrize("packing", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_what_was_written_is_unpacked(path, packing):
    write(path, packing=packing)
    zips.check(path, 10_000, "")
    with zips.opened(path, 10_000, "") as archive:
        for name, data in CONTENT.items():
            assert zips.unpacked(path, archive, name, "") == data


def test_a_file_of_numpy_is_a_zip_file(tmp_path):
    np.savez(tmp_path / "split.npz", train=np.arange(9), hashes=np.zeros(0))
    zips.check(tmp_path / "split.npz", 10_000, "")


def test_a_member_that_unpacks_to_more_than_it_says_is_not_unpacked(path):
    write(path, {"bomb": bytes(300_000_000)})
    assert path.stat().st_size < 400_000
    lie(path, "bomb", 24, struct.pack("<I", 1000))
    message, peak = refusal(path)
    assert "bomb: is damaged" in message
    assert peak < 5_000_000
    with zips.opened(path, 1_000_000, "") as archive, pytest.raises(ValueError, match="damaged"):
        zips.unpacked(path, archive, "bomb", "")


def test_what_is_said_to_unpack_to_too_much_is_not_unpacked(path):
    write(path, {"one": bytes(600_000), "two": bytes(600_000)})
    message, peak = refusal(path)
    assert "expected at most 1,000,000 bytes, found 1,200,000 bytes when unpacked" in message
    assert peak < 500_000


@pytest.mark.parametrize("packing", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_packings_without_bound_are_refused(path, packing):
    message, _ = refusal(write(path, {"a": b"hello"}, packing))
    assert "a.zip: a: expected it stored or deflated, found another packing" in message


def test_a_bomb_of_bzip2_is_refused_unseen(path):
    write(path, {"bomb": bytes(45_000_000)}, zipfile.ZIP_BZIP2)
    assert path.stat().st_size < 300
    lie(path, "bomb", 24, struct.pack("<I", 1000))
    assert refusal(path)[1] < 500_000


def test_a_directory_of_many_members_is_not_read(path, monkeypatch):
    monkeypatch.setattr(zips._File, "largest", 10_000)
    write(path, {f"{number}": b"" for number in range(1000)})
    message, peak = refusal(path)
    assert "its directory has" in message
    assert peak < 500_000


@pytest.mark.parametrize(
    ("name", "offset", "field", "text"),
    [
        ("a.txt", 8, b"\x01", "found it encrypted"),
        ("a.txt", 16, b"abcd", "a.txt: is damaged"),  # the checksum
        ("a.txt", 42, b"\xff\xff\xff\x7f", "a.txt: is damaged"),  # where it begins
        ("a.txt", 6, b"\xff", "cut or damaged"),  # the version needed
        ("a.txt", 0, b"X", "cut or damaged"),
    ],
)
def test_damage_is_one_line(path, name, offset, field, text):
    lie(write(path), name, offset, field)
    assert text in refusal(path)[0]


@pytest.mark.parametrize("length", [0, 5, 100, -30, -1])
def test_a_file_cut_anywhere_is_one_line(path, length):
    path.write_bytes(write(path).read_bytes()[:length])
    assert "cut or damaged" in refusal(path)[0]


def test_names_are_shown_without_control_characters_and_short(path):
    name = "\x1b[2J\n" + "x" * 60_000
    write(path, {name: b"abc"})
    lie(path, name, 16, b"abcd")
    assert "\\x1b[2J\\nxxx" in refusal(path)[0]


def test_a_pipe_and_a_missing_file_are_named_at_once(tmp_path):
    os.mkfifo(tmp_path / "pipe.zip")
    with pytest.raises(ValueError, match=r"pipe\.zip: expected a file"):
        zips.check(tmp_path / "pipe.zip", 1, "")
    with pytest.raises(FileNotFoundError, match=r"absent\.zip"):
        zips.check(tmp_path / "absent.zip", 1, "")
