"""What cog puts into the pages: the lab's own source, and what its commands print.

In a page, filled by `make guide`:

    <!-- [[[cog code("train_finetuning.py", "train", part="step") ]]] -->
    <!-- [[[cog output("python imagenet_inference.py --demo", lines="1-5") ]]] -->
"""

import ast
import re
import textwrap
from functools import cache

from guide.build.demo_folder import run, shared
from guide.build.pages import PROJECT

# What differs from run to run, or from machine to machine.
PASSING = re.compile(r"\d+\.\d{3}(?= seconds)|\d{4}-\d\d-\d\d \d\d:\d\d")


def code(file, name, part=None):
    """Puts the source of a function, class or constant here; `part`: of a function inside it."""
    _put("python", source((PROJECT / file).read_text(encoding="utf-8"), name, part, file))


def output(command, lines=None):
    """Puts here what the command prints to stdout, or lines of it: "3-5", counted from 1."""
    _put("text", chosen(printed(command), lines))


def _put(language, text):
    import cog  # there while cogapp fills a page

    cog.out(f"```{language}\n{text}\n```\n")


def source(text, name, part=None, file="the source"):
    """The lines of `text` that define `name`, or `part` inside it; ValueError without them."""
    found = _defined(ast.parse(text), name)
    if found and part:
        found = _defined(found, part)
    if not found:
        raise ValueError(f"{file}: expected {part or name} to be defined, found no such thing")
    decorators = [each.lineno for each in getattr(found, "decorator_list", [])]
    first = min([found.lineno, *decorators])
    return textwrap.dedent("\n".join(text.splitlines()[first - 1 : found.end_lineno]))


def _defined(tree, name):
    """The node in the body of `tree` that gives `name` its meaning."""
    for node in tree.body:
        if name in (getattr(node, "name", None), *_assigned(node)):
            return node
    return None


def _assigned(node):
    targets = getattr(node, "targets", [getattr(node, "target", None)])
    return [target.id for target in targets if isinstance(target, ast.Name)]


@cache
def printed(command):
    """What the command prints to stdout in a copy of the lab; what passes is `...`."""
    return PASSING.sub("...", run(command, shared()).stdout).strip("\n")


def chosen(text, lines=None):
    """Lines "3-5" of a text, with `...` for those left out at either end; all without `lines`."""
    if not lines:
        return text
    first, last = map(int, lines.split("-"))
    every = text.splitlines()
    if not 1 <= first <= last <= len(every):
        raise ValueError(f"lines {lines}: expected some of 1-{len(every)}")
    before, after = ["..."] * (first > 1), ["..."] * (last < len(every))
    return "\n".join([*before, *every[first - 1 : last], *after])
