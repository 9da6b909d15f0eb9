"""Our docstrings are plain sentences; Sphinx wants reStructuredText: the way from one to the other.

What a docstring of the lab has, and no more: paragraphs, `code`, lines of explanation that begin
with the name they explain and go on until a sentence ends, and blocks of what to type: indented, or
begun with `python`.
"""

import re
from textwrap import dedent, indent

TYPED = (" ", "python ")
EXPLAINED = re.compile(r'("?[a-z]\w*"?(?:, [a-z]\w*)*): ')
ENDS = (".", ";")  # of a sentence about a name
MEANT = re.compile(r"([\\*|]|(?<=\w)_(?!\w))")  # signs that reStructuredText would read


def rest(lines):
    """The lines of a docstring, without its common indentation, as lines of reStructuredText."""
    made = []
    for paragraph in "\n".join(lines).split("\n\n"):
        if paragraph.startswith(TYPED):
            made += ["::", "", *indent(dedent(paragraph), "    ").splitlines(), ""]
        else:
            made += [*_sentences(paragraph.splitlines()), ""]
    return made


def _sentences(lines):
    """A paragraph; each line in it that explains a name begins an item of a list."""
    made, before, inside = [], "", False
    for line in lines:
        name = EXPLAINED.match(line)
        if name and (not before or before.endswith(ENDS)):
            made += ["", f"* ``{name[1]}``: {_escaped(line[name.end() :])}"]
            inside = True
        elif inside and (line.startswith(" ") or not before.endswith(ENDS)):
            made.append(f"  {_escaped(line.strip())}")
        else:
            made += [*[""] * inside, _escaped(line)]
            inside = False
        before = line
    return made


def _escaped(text):
    """Code in double backquotes, apart from letters beside it; other signs as they are meant."""
    pieces = re.split(r"`([^`]+)`", text)
    pieces[::2] = [MEANT.sub(r"\\\1", piece) for piece in pieces[::2]]
    pieces[1::2] = [f"\\ ``{piece}``\\ " for piece in pieces[1::2]]
    return "".join(pieces)
