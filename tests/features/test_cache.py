"""Features on disk survive being killed, damaged, shared, evicted and out of room."""

import os
import random
import shutil
import subprocess
import sys
import time
import zlib
from contextlib import contextmanager
from types import SimpleNamespace

import numpy as np
import pytest
from conftest import PROJECT

from lab.features import cache as feature_cache
from lab.locks import locked

CHUNK = 8  # rows
SHAPE = (100, 16)  # 13 chunks, the last one shorter
CHUNKS = 13
EXPECTED = np.random.default_rng(0).standard_normal(SHAPE).astype(np.float16)
SIZE = EXPECTED.nbytes + 4 * CHUNKS


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch):
    monkeypatch.setattr(feature_cache, "CHUNK", CHUNK)
    monkeypatch.delenv("ALEXNET_LAB_CACHE", raising=False)
    monkeypatch.delenv("ALEXNET_LAB_CACHE_LIMIT", raising=False)


class Computer:
    """Computes features, and notes which rows it was asked for and gave."""

    def __init__(self, stop_after=CHUNKS):
        self.given, self.stop_after = [], stop_after

    def __call__(self, chunks):
        for chunk in chunks:
            if len(self.given) == self.stop_after:
                raise RuntimeError("stopped")
            self.given.append(chunk)
            yield EXPECTED[chunk]


def fill(folder, key="key", stop_after=CHUNKS):
    """Fill an entry, check what comes back, and say which chunks were computed."""
    computer = Computer(stop_after)
    features = feature_cache.fill(key, SHAPE, computer, folder)
    np.testing.assert_array_equal(features, EXPECTED)
    return [chunk.start // CHUNK for chunk in computer.given]


def file_of(folder, key="key"):
    return folder / f"{key}-100x16" / "features.f16"


def keys(folder):
    return sorted(path.parent.name.split("-")[0] for path in folder.glob("*/features.f16"))


# ---- what comes back ----------------------------------------------------------------------------


def test_features_are_computed_once(tmp_path):
    assert fill(tmp_path) == list(range(CHUNKS))
    assert fill(tmp_path) == []


def test_what_comes_back_is_a_read_only_map_of_half_floats(tmp_path):
    features = feature_cache.fill("key", SHAPE, Computer(), tmp_path)
    assert isinstance(features, np.memmap)
    assert features.dtype == np.float16
    with pytest.raises(ValueError, match="read-only"):
        features[0] = 0


def test_the_file_begins_with_the_plain_rows(tmp_path):
    fill(tmp_path)
    plain = np.fromfile(file_of(tmp_path), np.float16, EXPECTED.size).reshape(SHAPE)
    np.testing.assert_array_equal(plain, EXPECTED)


def test_features_in_any_layout_of_memory_are_stored_in_theirs(tmp_path):
    def turned(chunks):
        return (np.asfortranarray(EXPECTED[chunk]) for chunk in chunks)

    np.testing.assert_array_equal(feature_cache.fill("key", SHAPE, turned, tmp_path), EXPECTED)
    assert fill(tmp_path) == []


def test_another_key_or_shape_is_another_entry(tmp_path):
    fill(tmp_path, "one")
    assert len(fill(tmp_path, "two")) == CHUNKS
    fewer = feature_cache.fill("one", (50, 16), Computer(), tmp_path)
    np.testing.assert_array_equal(fewer, EXPECTED[:50])
    assert fill(tmp_path, "one") == fill(tmp_path, "two") == []


def test_the_environment_names_the_folder_and_else_it_is_in_the_current_one(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    fill(None, "here")
    monkeypatch.setenv("ALEXNET_LAB_CACHE", str(tmp_path / "there"))
    fill(None, "there")
    assert keys(tmp_path / ".cache" / "features") == ["here"]
    assert keys(tmp_path / "there") == ["there"]


@pytest.mark.parametrize(
    "wrong", [EXPECTED[:CHUNK, :8], EXPECTED[: CHUNK + 1], EXPECTED[:CHUNK].astype(np.float32)]
)
def test_features_that_do_not_fit_are_refused(tmp_path, wrong):
    with pytest.raises(ValueError, match=r"rows 0 to 8: expected float16 \(8, 16\), found"):
        feature_cache.fill("key", SHAPE, lambda _: (yield wrong), tmp_path)
    assert len(fill(tmp_path)) == CHUNKS


def test_too_few_features_are_refused_and_kept(tmp_path):
    with pytest.raises(ValueError, match="zip"):
        feature_cache.fill("key", SHAPE, lambda chunks: Computer()(chunks[:3]), tmp_path)
    assert fill(tmp_path) == list(range(3, CHUNKS))


# ---- stopped and damaged ------------------------------------------------------------------------


def test_whole_chunks_outlive_an_error_in_between(tmp_path):
    with pytest.raises(RuntimeError, match="stopped"):
        fill(tmp_path, stop_after=5)
    with pytest.raises(RuntimeError, match="stopped"):
        fill(tmp_path, stop_after=4)
    assert fill(tmp_path) == [9, 10, 11, 12]


SLOW = f"""
import sys, time
from pathlib import Path
from lab.features import cache as feature_cache
sys.path[:0] = ["tests", "tests/features"]
import test_cache as here
feature_cache.CHUNK = {CHUNK}

class Slow(here.Computer):
    def __call__(self, chunks):
        for features in super().__call__(chunks):
            with open(sys.argv[2], "a") as log:
                print(self.given[-1].start // {CHUNK}, file=log, flush=True)
            time.sleep(float(sys.argv[3]))
            yield features

found = feature_cache.fill("key", here.SHAPE, Slow(), Path(sys.argv[1]))
sys.exit(0 if (found == here.EXPECTED).all() else 1)
"""


@contextmanager
def start(folder, log, pause=0.04):
    """A program that takes `pause` seconds for a chunk and writes into `log` which it computed."""
    command = [sys.executable, "-c", SLOW, str(folder), str(log), str(pause)]
    with subprocess.Popen(command, cwd=PROJECT, stderr=subprocess.PIPE, text=True) as program:
        try:
            yield program
        except BaseException:
            program.kill()
            raise


def computed(log):
    return [int(line) for line in log.read_text().splitlines()] if log.exists() else []


def wait_for_chunks(log, count):
    deadline = time.monotonic() + 20
    while len(computed(log)) < count:
        assert time.monotonic() < deadline, "nothing is computed"
        time.sleep(0.005)


def test_a_run_killed_at_any_moment_goes_on_from_its_last_whole_chunk(tmp_path):
    log, kills = tmp_path / "log", 3
    for _ in range(kills):
        begun = len(computed(log))
        with start(tmp_path, log) as program:
            wait_for_chunks(log, begun + 2)
            time.sleep(random.uniform(0, 0.08))
            program.kill()
    fill(tmp_path)
    assert fill(tmp_path) == []
    repeated = len(computed(log)) - len(set(computed(log)))
    assert repeated <= kills  # no more than the chunk each was killed in


@pytest.mark.parametrize("written", [0, 1, 2 * CHUNK * 16 - 1, 2 * CHUNK * 16])
def test_a_chunk_cut_short_while_written_is_computed_again(tmp_path, written):
    with pytest.raises(RuntimeError):
        fill(tmp_path, stop_after=4)
    with file_of(tmp_path).open("r+b") as file:
        file.seek(EXPECTED[: 4 * CHUNK].nbytes)
        file.write(EXPECTED[4 * CHUNK :].tobytes()[:written])
    assert fill(tmp_path) == list(range(4, CHUNKS))


@pytest.mark.parametrize("seed", range(20))
def test_damage_costs_the_chunk_it_hit_and_no_other(tmp_path, seed):
    fill(tmp_path)
    place = random.Random(seed).randrange(SIZE)
    content = bytearray(file_of(tmp_path).read_bytes())
    content[place] ^= 1 << seed % 8
    file_of(tmp_path).write_bytes(content)
    in_rows = place < EXPECTED.nbytes
    chunk = place // (2 * CHUNK * 16) if in_rows else (place - EXPECTED.nbytes) // 4
    assert fill(tmp_path) == [chunk]
    assert fill(tmp_path) == []


def test_a_file_cut_anywhere_keeps_nothing_wrong(tmp_path):
    for length in [0, 1, 700, EXPECTED.nbytes, SIZE - 1]:
        fill(tmp_path)
        os.truncate(file_of(tmp_path), length)
        assert fill(tmp_path)
        assert fill(tmp_path) == []


@pytest.mark.parametrize("content", [b"", b"PK\3\4" * 5000, bytes(SIZE), b"\xff" * SIZE])
def test_a_file_of_something_else_is_computed_from_scratch(tmp_path, content):
    file_of(tmp_path).parent.mkdir()
    file_of(tmp_path).write_bytes(content)
    assert len(fill(tmp_path)) == CHUNKS
    assert file_of(tmp_path).stat().st_size == SIZE


def test_chunks_of_another_size_are_not_taken_for_ours(tmp_path, monkeypatch):
    fill(tmp_path)
    monkeypatch.setattr(feature_cache, "CHUNK", 20)
    assert len(fill(tmp_path)) == 5


def test_a_chunk_never_written_cannot_pass_for_a_row_of_zeros():
    assert all(zlib.crc32(bytes(2 * 4096 * rows)) for rows in (*range(1, 40), 1024))
    assert all(zlib.crc32(bytes(size)) for size in range(1, 4096))


# ---- several programs ---------------------------------------------------------------------------


def test_two_runs_at_once_compute_every_chunk_once(tmp_path):
    log = tmp_path / "log"
    with start(tmp_path, log) as first, start(tmp_path, log) as second:
        for program in (first, second):
            program.communicate()
    assert (first.returncode, second.returncode) == (0, 0)
    assert computed(log) == list(range(CHUNKS))
    assert fill(tmp_path) == []


def test_a_run_that_waits_says_so_and_does_what_a_killed_one_left(tmp_path):
    log = tmp_path / "log"
    with start(tmp_path, log, pause=30) as first:
        wait_for_chunks(log, 1)
        with start(tmp_path, log, pause=0) as second:
            waits = second.stderr.readline()
            first.kill()
    assert waits == "another program is at work on the same features; waiting for it\n"
    assert second.returncode == 0
    assert computed(log) == [0, *range(CHUNKS)]


def test_features_in_use_do_not_keep_others_from_opening_them(tmp_path):
    held = feature_cache.fill("key", SHAPE, Computer(), tmp_path)
    with start(tmp_path, tmp_path / "log") as program:
        assert program.communicate()[1] == ""
    np.testing.assert_array_equal(held, EXPECTED)


# ---- the limit ----------------------------------------------------------------------------------


def test_entries_unused_for_longest_go_first(tmp_path, monkeypatch, capsys):
    for key in ("a", "b", "c"):
        fill(tmp_path, key)
    fill(tmp_path, "a")
    monkeypatch.setenv("ALEXNET_LAB_CACHE_LIMIT", str(3 * SIZE / 1e9))
    fill(tmp_path, "d")
    assert keys(tmp_path) == ["a", "c", "d"]
    monkeypatch.setenv("ALEXNET_LAB_CACHE_LIMIT", str(2.5 * SIZE / 1e9))
    fill(tmp_path, "e")
    assert keys(tmp_path) == ["d", "e"]
    assert not (tmp_path / "a-100x16").exists()
    assert capsys.readouterr().err == ""


def test_an_entry_being_filled_is_not_evicted(tmp_path, monkeypatch, capsys):
    for key in ("a", "b"):
        fill(tmp_path, key)
    monkeypatch.setenv("ALEXNET_LAB_CACHE_LIMIT", str(2 * SIZE / 1e9))
    with locked(tmp_path / "a-100x16", "filling a"):
        fill(tmp_path, "c")
    assert keys(tmp_path) == ["a", "c"]
    assert capsys.readouterr().err == ""


def test_an_entry_that_is_a_link_is_left_alone(tmp_path, monkeypatch):
    home = tmp_path / "home"
    fill(tmp_path / "elsewhere", "a")
    home.mkdir()
    (home / "a-100x16").symlink_to(tmp_path / "elsewhere" / "a-100x16")
    monkeypatch.setenv("ALEXNET_LAB_CACHE_LIMIT", str(SIZE / 1e9))
    fill(home, "b")
    assert keys(tmp_path / "elsewhere") == ["a"]
    assert keys(home) == ["a", "b"]


def test_features_in_use_stay_good_when_they_are_evicted(tmp_path, monkeypatch):
    held = feature_cache.fill("a", SHAPE, Computer(), tmp_path)
    monkeypatch.setenv("ALEXNET_LAB_CACHE_LIMIT", str(SIZE / 1e9))
    fill(tmp_path, "b")
    assert keys(tmp_path) == ["b"]
    np.testing.assert_array_equal(held, EXPECTED)


def test_an_entry_beyond_the_limit_is_made_all_the_same_and_says_so(tmp_path, monkeypatch, capsys):
    fill(tmp_path, "a")
    monkeypatch.setenv("ALEXNET_LAB_CACHE_LIMIT", "1e-6")
    fill(tmp_path, "b")
    assert keys(tmp_path) == ["b"]
    assert "2.3 kB more than its limit of 1.0 kB" in capsys.readouterr().err


def test_a_limit_that_is_no_number_is_one_line(tmp_path, monkeypatch):
    monkeypatch.setenv("ALEXNET_LAB_CACHE_LIMIT", "8 GB")
    with pytest.raises(ValueError, match="LIMIT: expected a number of GB, found 8 GB"):
        fill(tmp_path)


# ---- no room, no folder -------------------------------------------------------------------------


def test_too_little_space_is_noticed_before_anything_is_computed(tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=1000))
    with pytest.raises(OSError, match=r"3\.2 kB needed, 1\.0 kB free\); .* or give --no-cache$"):
        fill(tmp_path, stop_after=0)


def test_a_disk_that_fills_up_meanwhile_is_one_line_and_keeps_the_whole_chunks(tmp_path):
    resource = pytest.importorskip("resource")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)

    def fills_the_disk(chunks):
        for chunk in chunks:
            if chunk.start == 5 * CHUNK:  # room for half of it
                room = EXPECTED[: 5 * CHUNK + CHUNK // 2].nbytes
                resource.setrlimit(resource.RLIMIT_FSIZE, (room, before[1]))
            yield EXPECTED[chunk]

    try:
        with pytest.raises(OSError, match=r"features cannot be kept here \(File too large\);"):
            feature_cache.fill("key", SHAPE, fills_the_disk, tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert fill(tmp_path) == list(range(5, CHUNKS))


@pytest.mark.parametrize("folder", ["file", "file/below", "dangling"])
def test_an_impossible_folder_is_one_line_that_names_it_and_the_ways_out(tmp_path, folder):
    (tmp_path / "file").write_text("")
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere" / "at all")
    with pytest.raises(
        OSError, match=r"cannot be kept here .* ALEXNET_LAB_CACHE .* --no-cache$"
    ) as e:
        fill(tmp_path / folder, stop_after=0)
    assert str(e.value).startswith(str(tmp_path / folder))


def test_a_folder_that_may_not_be_written_is_one_line(tmp_path):
    tmp_path.chmod(0o500)
    if os.access(tmp_path, os.W_OK):
        pytest.skip("the superuser may write anywhere")
    with pytest.raises(OSError, match=r"cannot be kept here \(Permission denied\)"):
        fill(tmp_path, stop_after=0)


def test_an_error_of_the_computation_is_not_blamed_on_the_folder(tmp_path):
    def no_picture(chunks):
        raise FileNotFoundError("cat.png: no such picture")
        yield

    with pytest.raises(FileNotFoundError, match=r"^cat\.png: no such picture$"):
        feature_cache.fill("key", SHAPE, no_picture, tmp_path)


# ---- speed --------------------------------------------------------------------------------------


def test_eighty_megabytes_of_features_are_verified_in_a_moment(tmp_path, monkeypatch):
    monkeypatch.setattr(feature_cache, "CHUNK", 1024)
    some = np.random.default_rng(0).standard_normal((1024, 4096)).astype(np.float16)

    def compute(chunks):
        return (some[: chunk.stop - chunk.start] for chunk in chunks)

    seconds = []
    for _ in range(4):
        begin = time.perf_counter()
        feature_cache.fill("key", (10_000, 4096), compute, tmp_path)
        seconds.append(time.perf_counter() - begin)
    assert min(seconds[1:]) < 10  # 0.08 with nothing else running
