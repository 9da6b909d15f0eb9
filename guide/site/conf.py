"""How Sphinx makes the site: pages from guide/ and the READMEs, the reference from docstrings."""

import os
import re
import sys
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(PROJECT))

from guide.build.pages import all_pages  # noqa: E402
from guide.site import docstrings, reference  # noqa: E402

project = "The AlexNet lab"
root_doc = "guide/index"
REFERENCE = reference.FOLDER.relative_to(PROJECT).as_posix()
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.viewcode"]
exclude_patterns = [".*", "runs", "site"]
made = reference.write()
include_patterns = [*map(str, all_pages()), f"{REFERENCE}/*.md"]

myst_heading_anchors = 4  # links to headings, as on GitHub
highlight_language = "none"  # of what names no language; "text" is what a command printed
suppress_warnings = ["misc.highlighting_failure"]  # examples leave parts out: ...
smartquotes_action = "qe"  # quotes and ellipses; the dashes of `--demo` stay two
add_module_names = False  # the heading names the module
autodoc_inherit_docstrings = False  # those of other libraries are written otherwise

html_theme = "furo"
html_title = project
html_show_sourcelink = html_copy_source = False
html_show_copyright = False  # LICENSE has it
html_extra_path = ["front"]  # index.html leads to the guide
html_static_path = ["static"]
html_css_files = ["lab.css"]

LINK = re.compile(r"\[(?P<text>[^\[\]]+)\]\((?P<path>[^)#\s:]+)(?P<anchor>#[^)\s]*)?\)")


def setup(app):
    app.connect("source-read", prepare)
    app.connect("autodoc-process-docstring", write_as_rest)


def write_as_rest(app, what, name, obj, options, lines):
    lines[:] = docstrings.rest(lines)


def prepare(app, docname, content):
    """Lets links to source files lead into the reference, and gives the first page its contents."""
    page = Path(docname + ".md")
    content[0] = LINK.sub(lambda link: led(link, page.parent), content[0])
    if docname == root_doc:
        content[0] += contents()


def led(link, folder):
    """A link of a page in `folder`, to a page about what it leads to, if there is one."""
    target = Path(os.path.normpath(folder / link["path"]))
    if target.suffix == ".md" or not (PROJECT / target).exists():
        return link[0]
    page = reference.home(target)
    if page:
        return f"[{link['text']}]({Path(os.path.relpath(page, folder)).as_posix()})"
    return link["text"] if (PROJECT / target).is_dir() else link[0]


def contents():
    """What stands beside every page: links to all others."""
    pages = [f"/{path.with_suffix('').as_posix()}" for path in all_pages()]
    guide = [page for page in pages if page.startswith("/guide/") and page != f"/{root_doc}"]
    others = [page for page in pages if not page.startswith("/guide/")]
    return "".join(
        [
            reference.contents("The lab", guide),
            reference.contents("Around it", others),
            reference.contents("Reference", [f"/{REFERENCE}/{page}" for page in made]),
        ]
    )
