"""Folders that one program at a time works in: held, waited for, removed, left by the killed."""

import fcntl
import os
import subprocess
import sys
import threading
from contextlib import suppress

import pytest
from conftest import PROJECT
from odd_files import NO_FILES_OR_FOLDERS, put

from lab import locks

HOLD = """
import sys, time
from pathlib import Path
from lab.locks import claim
with claim(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def holder(tmp_path):
    """Another program that holds the lock of tmp_path/work."""
    command = [sys.executable, "-c", HOLD, str(tmp_path / "work")]
    with subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.PIPE, text=True) as program:
        assert program.stdout.readline() == "held\n"
        yield program
        program.kill()


def test_a_folder_is_claimed_by_one_and_refused_to_all_others_at_once(tmp_path, holder):
    assert locks.claim(tmp_path / "work") is None
    with locks.claim(tmp_path / "other"):
        assert locks.claim(tmp_path / "other") is None


def test_a_lock_goes_with_the_program_that_is_killed_and_who_waits_says_so(
    tmp_path, holder, capsys
):
    threading.Timer(0.3, holder.kill).start()
    with locks.locked(tmp_path / "work", "drawing"):
        assert holder.wait() < 0
    assert capsys.readouterr().err == "another program is drawing; waiting for it\n"


def test_a_lock_whose_owner_removed_it_meanwhile_does_not_count(tmp_path, monkeypatch):
    folder, flock = tmp_path / "work", fcntl.flock

    def wait_until_the_owner_is_done(*arguments):
        with suppress(FileNotFoundError):
            locks.clear(folder)
        return flock(*arguments)

    monkeypatch.setattr(fcntl, "flock", wait_until_the_owner_is_done)
    assert locks.claim(folder) is None


def test_of_many_who_hold_and_remove_a_folder_no_two_are_in_it(tmp_path):
    folder, inside, most, rounds = tmp_path / "work", [], [], 100

    def work():
        done = 0
        while done < rounds:
            lock = locks.claim(folder)
            if lock:
                with lock:
                    inside.append(None)
                    most.append(len(inside))
                    inside.pop()
                    locks.clear(folder)
                done += 1

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1] * 4 * rounds
    assert not folder.exists()


@pytest.mark.parametrize("kind", ["file", *NO_FILES_OR_FOLDERS])
def test_what_is_no_folder_is_named_and_never_waited_for(tmp_path, kind):
    put(tmp_path / "work", kind)
    with (
        pytest.raises(FileExistsError, match="work: a folder is needed here, found"),
        locks.locked(tmp_path / "work", "drawing"),
    ):
        pass


def test_a_parent_that_cannot_be_is_an_error_and_never_waited_for(tmp_path):
    put(tmp_path / "parent", "link to nothing")
    with pytest.raises(FileExistsError, match="parent"):
        locks.claim(tmp_path / "parent" / "work")


def test_clearing_a_folder_removes_links_and_leaves_what_they_point_to(tmp_path):
    folder, treasure = tmp_path / "work", tmp_path / "treasure"
    treasure.mkdir()
    (treasure / "gold").touch()
    with locks.claim(folder):
        (folder / "to a folder").symlink_to(treasure)
        (folder / "to a file").symlink_to(treasure / "gold")
        (folder / "to nothing").symlink_to("nothing")
        os.mkfifo(folder / "pipe")
        (folder / "below").mkdir()
        locks.clear(folder)
    assert not folder.exists()
    assert (treasure / "gold").exists()
