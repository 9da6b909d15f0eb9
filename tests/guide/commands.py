"""Do the commands of a page exist? Their scripts, their options, what these may be; run none."""

import importlib.util
import re
import shutil
import subprocess
from argparse import ArgumentParser
from contextlib import suppress
from functools import cache
from pathlib import Path
from unittest import mock

import pytest
from conftest import PROJECT

from guide.build.pages import words

# Programs of others, whose options are theirs. What they install or read is looked at.
OTHERS = {".", "cd", "curl", "docker", "git", "jupyter", "pip", "sbatch", "tensorboard", "uvicorn"}
OTHER_OPTIONS = {"--distribution", "--gpus-per-task"}  # of Slurm
OTHER_MODULES = {"http.server", "pip", "pytest", "venv"}
EXAMPLE_MIRRORS = mock.patch("download.mirror", str)  # a folder that the reader has, not we
ROOMS = ("benchmarks", "deploy", "exercises", "guide", "lab")
MAIN = re.compile(r"^def main\(argv=None\)", re.MULTILINE)


class Parsed(Exception):
    """`parser` read its arguments, or was about to."""

    def __init__(self, parser):
        super().__init__()
        self.parser = parser


def check(command):
    """Raises ValueError, with the reason, when the command cannot be what its page says."""
    program, *arguments = words(command) or [""]
    if program in ("python", "python3"):
        _check_python(arguments)
    elif program == "make":
        _check_make(arguments)
    elif program not in OTHERS:
        raise ValueError(f"{program}: no program that a page of this project speaks of")
    if "-r" in arguments:
        _there(arguments[arguments.index("-r") + 1])


def _check_python(arguments):
    if arguments[:1] == ["-m"]:
        name, arguments = arguments[1], arguments[2:]
        if name in OTHER_MODULES:
            return
        module = _module(name)
    else:
        module, arguments = _script(_there(arguments[0])), arguments[1:]
    parse(module, arguments)


def _there(path):
    if not (PROJECT / path).exists():
        raise ValueError(f"{path}: expected a file of this project, found none")
    return path


def _module(name):
    """The module that `python -m name` runs; skips when it needs what is not installed."""
    spec = importlib.util.find_spec(name)
    if spec is None:
        raise ValueError(f"{name}: expected a module of this project, found none")
    if spec.submodule_search_locations is not None:
        name += ".__main__"
    return importlib.import_module(name)


def _script(path):
    if Path(path).parent == Path():
        return importlib.import_module(Path(path).stem)
    spec = importlib.util.spec_from_file_location(Path(path).stem, PROJECT / path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def parse(module, arguments):
    """Lets `main` of a module read the arguments, and no more; ValueError when it refuses them."""
    original, said = ArgumentParser.parse_args, []

    def parse_args(parser, *given):
        original(parser, *given)
        raise Parsed(parser)

    with (
        mock.patch.object(ArgumentParser, "parse_args", parse_args),
        mock.patch.object(ArgumentParser, "_print_message", lambda _, text, *__: said.append(text)),
        mock.patch("sys.argv", [module.__name__, *arguments]),
        EXAMPLE_MIRRORS,
        suppress(Parsed),
    ):
        try:
            module.main(arguments)
        except SystemExit as stop:
            if stop.code:
                raise ValueError("".join(said)) from None


def _check_make(arguments):
    if not shutil.which("make"):
        pytest.skip("make is not installed")
    done = subprocess.run(
        ["make", "--dry-run", *arguments], cwd=PROJECT, capture_output=True, text=True
    )
    if done.returncode:
        raise ValueError(done.stderr)


@cache
def all_options():
    """The options of all programs of the project, and those of others that its pages explain."""
    files = [
        file.relative_to(PROJECT)
        for pattern in ("*.py", *(f"{room}/**/*.py" for room in ROOMS))
        for file in PROJECT.glob(pattern)
        if MAIN.search(file.read_text(encoding="utf-8"))
    ]
    return OTHER_OPTIONS.union(*map(_options, files))


def _options(file):
    """The options of the parser that `main` in a file asks first."""

    def parse_args(parser, *_):
        raise Parsed(parser)

    with mock.patch.object(ArgumentParser, "parse_args", parse_args):
        try:
            importlib.import_module(".".join(file.with_suffix("").parts)).main([])
        except ImportError:  # needs what is not installed here
            return set()
        except Parsed as asked:
            return set(asked.parser._option_string_actions)
