"""The copy of the lab in which commands run: it has what git has, and says what went wrong."""

import sys

import pytest

from guide.build import demo_folder


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    folder = tmp_path_factory.mktemp("lab")
    demo_folder.copy(folder)
    return folder


def test_the_copy_is_the_lab_without_what_git_ignores(copy):
    assert (copy / "alexnet.py").exists()
    assert (copy / "lab/console.py").exists()
    assert not (copy / ".venv").exists()
    assert not (copy / ".git").exists()


def test_a_command_runs_there_with_this_python(copy):
    command = "python -c 'import os, sys; print(os.getcwd(), sys.prefix)'"
    assert demo_folder.run(command, copy).stdout.split() == [str(copy.resolve()), sys.prefix]


def test_a_command_that_fails_is_an_error_with_all_it_said(copy):
    with pytest.raises(
        ValueError, match=r"(?s)`python download.py nothing` ended with 2:.*nothing"
    ):
        demo_folder.run("python download.py nothing", copy)
