"""Which exercises there are, and what the top of each says. Knows no TensorFlow."""

import ast
import re
from argparse import ArgumentTypeError
from pathlib import Path

HERE = Path(__file__).resolve().parents[1]
EXERCISES = (
    "resize", "new_head", "training", "groups", "honest_split", "finetuning", "calibration",
)  # fmt: skip


def exercise(text):
    """The name of an exercise, as an argument."""
    if text not in EXERCISES:
        raise ArgumentTypeError(f"{text}: expected one of {', '.join(EXERCISES)}")
    return text


def answer(name):
    return HERE / "answers" / f"{name}.py"


def top(name):
    """The lines at the top of an exercise: its title, then the paragraphs of its task."""
    return ast.get_docstring(ast.parse(answer(name).read_text(encoding="utf-8"))).splitlines()


def effort(name):
    """Minutes, difficulty and lines to write, as the top of the exercise says."""
    return re.match(r"(\d+) minutes, (\w+), (\d+) lines", top(name)[2]).groups()


def functions(path):
    """The functions in a Python file: name -> the line it begins on."""
    tree = ast.parse(path.read_bytes())
    return {node.name: node.lineno for node in tree.body if isinstance(node, ast.FunctionDef)}


def shown(path):
    """A path as a person types it here."""
    path = Path(path).resolve()
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)
