"""Features of files are kept one by one, and survive what those of arrays do."""

import hashlib
import os
import random
import shutil
import subprocess
import sys
import time
from types import SimpleNamespace

import numpy as np
import pytest
from conftest import PROJECT

from lab.features import by_picture
from lab.locks import locked

WIDTH, COUNT = 16, 40
EXPECTED = np.random.default_rng(0).standard_normal((COUNT, WIDTH)).astype(np.float16)
DIGESTS = [hashlib.sha256(bytes([number])).digest() for number in range(COUNT)]
EVERY = range(COUNT)
ROW = 2 * WIDTH  # bytes


@pytest.fixture(autouse=True)
def no_settings(monkeypatch):
    monkeypatch.delenv("ALEXNET_LAB_CACHE_LIMIT", raising=False)


def fill(folder, pictures=EVERY, key="key", step=4, stop_after=COUNT):
    """Ask for some pictures, check what comes back, and say which were computed."""
    pictures, computed = list(pictures), []

    def compute(positions):
        for start in range(0, len(positions), step):
            if len(computed) >= stop_after:
                raise RuntimeError("stopped")
            part = [pictures[position] for position in positions[start : start + step]]
            computed.extend(part)
            yield EXPECTED[part]

    digests = [DIGESTS[picture] for picture in pictures]
    found = by_picture.fill(key, digests, WIDTH, compute, folder)
    assert found.dtype == np.float16
    np.testing.assert_array_equal(found, EXPECTED[pictures])
    return computed


# ---- what is computed ---------------------------------------------------------------------------


def test_each_picture_is_computed_once_in_whatever_company_it_comes(tmp_path):
    assert fill(tmp_path, range(30)) == list(range(30))
    assert fill(tmp_path, range(31)) == [30]
    assert fill(tmp_path, range(5, 20)) == []
    assert fill(tmp_path, reversed(EVERY)) == list(reversed(range(31, 40)))
    assert fill(tmp_path, [7, 3, 3, 7]) == []


def test_copies_of_one_picture_each_get_its_row(tmp_path):
    fill(tmp_path, [1, 2, 1])
    assert fill(tmp_path, [2, 1, 1]) == []


def test_another_key_is_another_entry(tmp_path):
    fill(tmp_path, key="one")
    assert fill(tmp_path, key="two") == list(EVERY)
    assert fill(tmp_path, key="one") == fill(tmp_path, key="two") == []


def test_the_row_of_2000_pictures_is_a_row_of_one_file(tmp_path):
    fill(tmp_path)
    assert sorted(path.name for path in (tmp_path / "key").iterdir()) == [
        "features.f16",
        "lock",
        "pictures",
    ]
    plain = np.fromfile(tmp_path / "key" / "features.f16", np.float16)
    np.testing.assert_array_equal(plain.reshape(EXPECTED.shape), EXPECTED)


# ---- stopped and damaged ------------------------------------------------------------------------


def test_what_was_computed_before_an_error_is_kept(tmp_path):
    with pytest.raises(RuntimeError, match="stopped"):
        fill(tmp_path, stop_after=12)
    assert fill(tmp_path) == list(range(12, COUNT))


KILLED = """
import sys, time
from pathlib import Path
sys.path[:0] = ["tests", "tests/features"]
import test_by_picture as here

def compute(positions):
    for position in positions:
        print(position, flush=True)
        yield here.EXPECTED[[position]]

here.by_picture.fill("key", here.DIGESTS, here.WIDTH, compute, Path(sys.argv[1]))
"""


def start(folder):
    return subprocess.Popen(
        [sys.executable, "-c", KILLED, folder], cwd=PROJECT, stdout=subprocess.PIPE, text=True
    )


def test_a_program_killed_at_any_moment_loses_no_more_than_it_was_at(tmp_path):
    with start(tmp_path) as program:
        for _ in range(10):
            begun = int(program.stdout.readline())
        time.sleep(random.uniform(0, 0.002))
        program.kill()
        begun = max([begun, *map(int, program.stdout.read().split())])
    computed = fill(tmp_path)
    assert computed in (list(range(begun, COUNT)), list(range(begun + 1, COUNT)))
    assert fill(tmp_path) == []


def test_two_programs_at_once_spoil_nothing(tmp_path):
    with start(tmp_path) as first, start(tmp_path) as second:
        for program in (first, second):
            program.communicate()
    assert (first.returncode, second.returncode) == (0, 0)
    assert fill(tmp_path) == []


@pytest.mark.parametrize("name", ["features.f16", "pictures"])
@pytest.mark.parametrize("seed", range(5))
def test_damage_costs_the_picture_it_hit_and_no_other(tmp_path, name, seed):
    fill(tmp_path)
    path = tmp_path / "key" / name
    content = bytearray(path.read_bytes())
    place = random.Random(seed).randrange(len(content))
    content[place] ^= 1 << seed
    path.write_bytes(content)
    assert fill(tmp_path) == [place // (len(content) // COUNT)]
    assert fill(tmp_path) == []


@pytest.mark.parametrize("name", ["features.f16", "pictures"])
@pytest.mark.parametrize("share", [0, 0.01, 0.5, 0.99])
def test_a_file_cut_anywhere_costs_what_was_cut(tmp_path, name, share):
    fill(tmp_path)
    path = tmp_path / "key" / name
    length = int(share * path.stat().st_size)
    whole = length // (path.stat().st_size // COUNT)
    os.truncate(path, length)
    assert fill(tmp_path) == list(range(whole, COUNT))
    assert fill(tmp_path) == []


@pytest.mark.parametrize("content", [b"", b"PK\3\4" * 5000, bytes(5000), b"\xff" * 5000])
def test_files_of_something_else_are_not_taken_for_ours(tmp_path, content):
    (tmp_path / "key").mkdir()
    for name in ("features.f16", "pictures"):
        (tmp_path / "key" / name).write_bytes(content)
    assert fill(tmp_path) == list(EVERY)
    assert fill(tmp_path) == []


# ---- room ---------------------------------------------------------------------------------------


def limit_to(rows, monkeypatch):
    monkeypatch.setenv("ALEXNET_LAB_CACHE_LIMIT", str(rows * ROW / 1e9))


def test_entries_unused_for_longest_make_room_for_rows_to_come(tmp_path, monkeypatch, capsys):
    for key in ("a", "b"):
        fill(tmp_path, range(10), key)
    fill(tmp_path, range(10), "a")
    limit_to(20, monkeypatch)
    fill(tmp_path, range(15), "a")
    assert not (tmp_path / "b").exists()
    assert fill(tmp_path, range(15), "a") == []
    assert capsys.readouterr().err == ""


def test_an_entry_as_large_as_the_limit_forgets_what_is_not_wanted_now(
    tmp_path, monkeypatch, capsys
):
    limit_to(20, monkeypatch)
    fill(tmp_path, range(20))
    assert fill(tmp_path, range(10, 25)) == list(range(20, 25))
    assert (tmp_path / "key" / "features.f16").stat().st_size == 15 * ROW
    assert fill(tmp_path, range(10, 25)) == []
    assert capsys.readouterr().err == ""


def test_rows_beyond_the_limit_are_kept_all_the_same_and_it_says_so(tmp_path, monkeypatch, capsys):
    limit_to(30, monkeypatch)
    fill(tmp_path)
    assert fill(tmp_path) == []
    assert "320 bytes more than its limit of 960 bytes" in capsys.readouterr().err


def test_an_entry_evicted_while_its_rows_are_computed_takes_the_rest(tmp_path):
    def compute(positions):
        yield EXPECTED[positions[:10]]
        shutil.rmtree(tmp_path / "key")
        yield EXPECTED[positions[10:]]

    found = by_picture.fill("key", DIGESTS, WIDTH, compute, tmp_path)
    np.testing.assert_array_equal(found, EXPECTED)
    assert fill(tmp_path) == list(range(10))


def test_nobody_waits_while_a_network_computes(tmp_path):
    def compute(positions):
        assert fill(tmp_path, [3]) == [3]
        yield EXPECTED[positions]

    by_picture.fill("key", DIGESTS, WIDTH, compute, tmp_path)
    with locked(tmp_path / "key", "at work"):
        pass


def test_too_little_space_is_noticed_before_anything_is_computed(tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=1000))
    with pytest.raises(OSError, match=r"1\.3 kB needed, 1\.0 kB free\); .* or give --no-cache$"):
        fill(tmp_path, stop_after=0)


def test_a_disk_that_fills_up_meanwhile_is_one_line_and_keeps_what_fitted(tmp_path):
    resource = pytest.importorskip("resource")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)

    def fills_the_disk(positions):
        yield EXPECTED[positions[:30]]
        resource.setrlimit(resource.RLIMIT_FSIZE, (38 * ROW, before[1]))
        yield EXPECTED[positions[30:]]

    try:
        with pytest.raises(OSError, match=r"features cannot be kept here \(File too large\);"):
            by_picture.fill("key", DIGESTS, WIDTH, fills_the_disk, tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert fill(tmp_path) == list(range(30, COUNT))


def test_an_impossible_folder_is_one_line_that_names_the_ways_out(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match=r"file: .*kept here .* ALEXNET_LAB_CACHE .* --no-cache$"):
        fill(tmp_path / "file", stop_after=0)
