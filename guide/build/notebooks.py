"""A notebook of each chapter: its commands become cells, its pictures and words stay.

Committed without outputs in guide/notebooks; `make notebooks` executes copies of them.
"""

import os
import re
from pathlib import Path

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from guide.build.pages import PROJECT, blocks, chapters

FOLDER = PROJECT / "guide/notebooks"

SET_UP = """\
# Run this first, in Jupyter or Colab: it finds the lab, or fetches it, and installs what it needs.
import os, subprocess, sys
from pathlib import Path
from IPython.display import Image

places = [Path.cwd(), *Path.cwd().parents, Path("alexnet-lab")]
lab = next((place for place in places if (place / "train_finetuning.py").exists()), places[-1])
if not lab.exists():
    address = input("Address of the lab's git repository: ")
    subprocess.run(["git", "clone", "--depth", "1", address, lab], check=True)
os.chdir(lab)
os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
os.environ["TQDM_DISABLE"] = "1"  # bars fill a notebook with lines
install = [sys.executable, "-m", "pip", "install", "-q", "-r", "requirements.txt"]
subprocess.run(install, check=True)"""

COMMENT = re.compile(r"<!--.*?-->\n?", re.DOTALL)
PICTURE = re.compile(r"!\[(?P<alt>[^\]]*)\]\((?P<path>[^)\s]+)\)")
LINK = re.compile(r"\]\((?P<path>[^)#\s]+)(?P<anchor>#[^)\s]*)?\)")


def place(chapter):
    """Where the notebook of a chapter lives."""
    return FOLDER / f"{chapter.stem}.ipynb"


def stale():
    """The notebooks in FOLDER that are not what the guide makes: also missing, left over."""
    wanted = {place(chapter): content(chapter) for chapter in chapters()}
    there = {path: path.read_text(encoding="utf-8") for path in FOLDER.glob("*.ipynb")}
    return sorted(p for p in wanted.keys() | there.keys() if wanted.get(p) != there.get(p))


def write(paths):
    """Makes these notebooks anew; what has no chapter goes."""
    FOLDER.mkdir(exist_ok=True)
    chapter_of = {place(chapter): chapter for chapter in chapters()}
    for path in paths:
        if path in chapter_of:
            path.write_text(content(chapter_of[path]), encoding="utf-8")
        else:
            path.unlink()


def content(chapter):
    """The notebook of a chapter, as its file has it: same chapter, same bytes."""
    lesson = cells(chapter.read_text(encoding="utf-8"), chapter.parent)
    every = [new_code_cell(SET_UP), *lesson]
    for number, cell in enumerate(every):
        cell.id = f"cell-{number}"  # nbformat's own are random
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    return nbformat.writes(new_notebook(cells=every, metadata={"kernelspec": kernel})) + "\n"


def cells(text, folder):
    """The cells of a page: words and commands in turn. folder: its links start from there."""
    lines, done = text.splitlines(keepends=True), 0
    for block in blocks(text):
        if block.runs:
            yield from _words("".join(lines[done : block.first - 1]), folder)
            yield new_code_cell("\n".join(f"!{command}" for command in block.commands))
            done = block.last
    yield from _words("".join(lines[done:]), folder)


def _words(text, folder):
    """Markdown without comments, and between its pieces the pictures.

    A picture is a cell of code: Colab does not know the files beside a notebook.
    """
    text, done = COMMENT.sub("", text), 0
    for picture in PICTURE.finditer(text):
        yield from _markdown(text[done : picture.start()], folder)
        path = (folder / picture["path"]).relative_to(PROJECT).as_posix()
        yield new_code_cell(f"Image({path!r}, alt={picture['alt']!r})")
        done = picture.end()
    yield from _markdown(text[done:], folder)


def _markdown(text, folder):
    """A cell of Markdown whose links lead on from the folder of notebooks; none for empty lines."""

    def from_here(link):
        target = Path(os.path.normpath(folder / link["path"]))
        if not target.exists():  # another site, or no link at all
            return link[0]
        if target in chapters():
            target = place(target)
        return f"]({Path(os.path.relpath(target, FOLDER)).as_posix()}{link['anchor'] or ''})"

    if text.strip():
        yield new_markdown_cell(LINK.sub(from_here, text).strip("\n"))
