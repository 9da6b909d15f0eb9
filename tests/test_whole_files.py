"""A file is written whole or stays as it was, and a full disk is one line that says what to do."""

import errno
import os
import signal
import subprocess
import sys

import pytest
from conftest import PROJECT

from lab import files

REASONS = [
    (errno.ENOSPC, "free some space"),
    (errno.EDQUOT, "free some space"),
    (errno.EFBIG, "free some space"),
    (errno.EACCES, "make this folder writable"),
    (errno.EROFS, "make this folder writable"),
]


def failing(code, written="half"):
    def write(path):
        path.write_text(written)
        raise OSError(code, os.strerror(code))

    return write


def test_what_is_written_takes_the_place_of_what_was(tmp_path):
    path = tmp_path / "names.txt"
    for text in ("Kröte\n", "né, 鳥\n"):
        files.replace_text(path, text)
        assert path.read_bytes() == text.encode()
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(("code", "remedy"), REASONS)
def test_what_fails_leaves_the_file_as_it_was_and_says_what_to_do(tmp_path, code, remedy):
    path = tmp_path / "run.json"
    path.write_text("before")
    with pytest.raises(OSError, match="cannot be written") as error:
        files.replace(path, failing(code))
    assert str(error.value) == f"{path}: cannot be written ({os.strerror(code)}); {remedy}"
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]


def test_a_bug_while_writing_leaves_nothing_either(tmp_path):
    with pytest.raises(ZeroDivisionError):
        files.replace(tmp_path / "a", lambda path: path.write_text("half") / 0)
    assert not list(tmp_path.iterdir())


def test_an_error_that_was_explained_is_not_explained_again(tmp_path):
    with pytest.raises(OSError, match=r"^.*inner: cannot be written \([^()]*\); free some space$"):
        files.replace(
            tmp_path / "outer",
            lambda _: files.replace(tmp_path / "inner", failing(errno.ENOSPC)),
        )


def test_a_folder_that_is_not_there_is_named(tmp_path):
    path = tmp_path / "no/a.txt"
    with pytest.raises(OSError, match=f"^{path}: cannot be written"):
        files.replace_text(path, "text")


def test_a_program_killed_while_it_writes_leaves_the_file_as_it_was(tmp_path):
    path = tmp_path / "a"
    path.write_text("before")
    program = "import os, sys; from pathlib import Path; from lab import files\n"
    program += "write = lambda path: (path.write_text('half'), os.kill(os.getpid(), 9))\n"
    program += "files.replace(Path(sys.argv[1]), write)"
    killed = subprocess.run([sys.executable, "-c", program, path], cwd=PROJECT, check=False)
    assert killed.returncode == -signal.SIGKILL
    assert path.read_text() == "before"
    files.replace_text(path, "after")
    assert [file.name for file in tmp_path.iterdir()] == ["a"]
