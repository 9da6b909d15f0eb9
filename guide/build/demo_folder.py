"""A copy of the lab with small files in it, in which the commands of the guide run as written."""

import atexit
import os
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path
from shutil import copy2

from guide.build.pages import PROJECT


def copy(folder):
    """Copies the lab, without what git ignores, into a folder that is there."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    names = subprocess.run(command, cwd=PROJECT, check=True, capture_output=True, text=True).stdout
    for name in filter(None, names.split("\0")):
        place = Path(folder, name)
        place.parent.mkdir(parents=True, exist_ok=True)
        if (PROJECT / name).exists():  # not deleted since the last commit
            copy2(PROJECT / name, place)


@cache
def shared():
    """A copy that all outputs of one build come from, gone when the program ends."""
    folder = tempfile.TemporaryDirectory(prefix="lab-")
    atexit.register(folder.cleanup)
    copy(folder.name)
    return Path(folder.name)


def environment(folder):
    """What a command gets: this Python, no bars, no features kept elsewhere, no graphics card."""
    return os.environ | {
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
        "ALEXNET_LAB_CACHE": str(Path(folder, ".cache")),
        "CUDA_VISIBLE_DEVICES": "",
        "COLUMNS": "100",
        "TQDM_DISABLE": "1",
    }


def run(command, folder):
    """Runs a command line there: the finished process. ValueError when it fails."""
    done = subprocess.run(
        command, shell=True, cwd=folder, env=environment(folder), capture_output=True, text=True
    )  # fmt: skip
    if done.returncode:
        raise ValueError(f"`{command}` ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return done
