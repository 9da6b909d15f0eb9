"""The exercises are their answers with the solutions taken out.

python -m exercises.machinery.stubs               write those that are not there
python -m exercises.machinery.stubs resize        write this one; what was there is kept beside it
"""

import itertools
import re
import sys

from exercises.machinery import catalogue
from lab.command_line import parser, user_errors
from lab.console import say
from lab.files import replace_text

SOLUTION = re.compile(r"^( *)### BEGIN SOLUTION\n(.*?)^ *### END SOLUTION\n", re.M | re.S)


def stub(name):
    """The text of an exercise as a learner gets it."""
    return SOLUTION.sub(_gap, catalogue.answer(name).read_text(encoding="utf-8"))


def _gap(match):
    indent, solution = match.groups()
    lines = f"{count(solution)} line{'s' if count(solution) > 1 else ''}"
    return f"{indent}# Your code, about {lines}.\n{indent}raise NotImplementedError\n"


def count(solution):
    """The lines of code in a text."""
    lines = [line.strip() for line in solution.splitlines()]
    return sum(bool(line) and not line.startswith("#") for line in lines)


def lines_to_write(name):
    """The lines of all solutions of an exercise."""
    text = catalogue.answer(name).read_text(encoding="utf-8")
    return sum(count(match[2]) for match in SOLUTION.finditer(text))


def main(argv=None):
    options = parser(__doc__)
    options.add_argument(
        "names",
        nargs="*",
        type=catalogue.exercise,
        metavar="NAME",
        help=", ".join(catalogue.EXERCISES),
    )
    names = options.parse_args(argv).names
    with user_errors():
        for name in names or catalogue.EXERCISES:
            path = catalogue.HERE / f"{name}.py"
            if names and path.exists() and path.read_bytes() != stub(name).encode():
                say(f"{catalogue.shown(path)}: kept as {_kept(path).name}")
            if names or not path.exists():
                replace_text(path, stub(name))
                say(f"{catalogue.shown(path)}: as it was at first")


def _kept(path):
    """What the file was moved to."""
    places = (path.with_name(f"{path.name}.before-{number}") for number in itertools.count(1))
    return path.rename(next(place for place in places if not place.exists()))


if __name__ == "__main__":
    sys.exit(main())
