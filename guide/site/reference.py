"""The pages of the site that no person writes: reference, pictures, notebooks."""

import re
from pathlib import Path
from shutil import rmtree

from guide.build import notebooks
from guide.build.pages import PROJECT, chapters, pictures

FOLDER = PROJECT / "guide/reference"
NETWORKS = ("alexnet", "vgg16")
SCRIPT = re.compile(r"^def main\(", re.MULTILINE)

CONTENTS = """
```{{toctree}}
:hidden:
:caption: {caption}

{pages}
```
"""
MODULE = """
## {name}

```{{eval-rst}}
.. automodule:: {name}
   :members:
   :member-order: bysource
```
"""


def rooms():
    """Name of a page -> (its title, the modules on it): the networks, the scripts, a room each."""
    top = {path.stem: path.read_text(encoding="utf-8") for path in sorted(PROJECT.glob("*.py"))}
    scripts = [name for name, text in top.items() if SCRIPT.search(text)]
    found = {
        "networks": ("The networks", NETWORKS),
        "scripts": ("The scripts", scripts),
        "lab": ("The ground of lab/", _modules("lab")),
    }
    for folder in sorted(path.parent for path in PROJECT.glob("lab/*/__init__.py")):
        name = f"lab.{folder.name}"
        found[name] = (f"lab/{folder.name}/", _modules(name))
    return found


def _modules(package):
    folder = PROJECT / package.replace(".", "/")
    return [f"{package}.{path.stem}" for path in sorted(folder.glob("[a-z]*.py"))]


def home(path):
    """The page about a file or folder, given and returned as paths below the project; or None."""
    name = ".".join(path.with_suffix("").parts)
    for page, (_, modules) in rooms().items():
        if name == page or name in modules:
            return (FOLDER / f"{page}.md").relative_to(PROJECT)
    if path == notebooks.FOLDER.relative_to(PROJECT):
        return (FOLDER / "notebooks.md").relative_to(PROJECT)
    return path / "README.md" if (PROJECT / path / "README.md").exists() else None


def write():
    """Makes the pages anew; their names, in the order in which the site lists them."""
    rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir()
    made = {"pictures": _pictures(), "notebooks": _notebooks()}
    for page, (title, modules) in rooms().items():
        made[page] = "\n".join([f"# {title}", *(MODULE.format(name=name) for name in modules)])
    for page, text in made.items():
        (FOLDER / f"{page}.md").write_text(text, encoding="utf-8")
    return list(made)


def _pictures():
    """Every picture of the chapters, large, with the words for who cannot see it."""
    lines = ["# All pictures", "", "Each is drawn by code: `python -m guide.drawings`."]
    for chapter in chapters():
        text = chapter.read_text(encoding="utf-8")
        title = text.partition("\n")[0].removeprefix("# ")
        lines += ["", f"## [{title}](../{chapter.name})"]
        for path, words in pictures(text):
            lines += ["", f"![{words}](../{path})", "", words + "."]
    return "\n".join(lines) + "\n"


def _notebooks():
    """Where to get the notebook of each chapter."""
    lines = [
        "# The notebooks",
        "",
        "Each sets itself up in its first cell, in Jupyter or Colab.",
        "",
    ]
    for chapter in chapters():
        path = Path("..") / notebooks.place(chapter).relative_to(PROJECT / "guide")
        lines.append(f"- [{chapter.stem}]({path.as_posix()})")
    return "\n".join(lines) + "\n"


def contents(caption, pages):
    """What makes Sphinx list these pages beside all others, under a caption."""
    return CONTENTS.format(caption=caption, pages="\n".join(pages))
