"""The site: docstrings become readable, links to code lead to the reference, no link is broken."""

from pathlib import Path

import pytest
from conftest import PROJECT

from guide.site import docstrings, offline, reference

DOCSTRING = """One sentence, with `code`s and * and name_.

`layer`: features [n, 4096] -> scores.
weights: layer -> (kernel, bias);
    `None` reads the file.
labels, names: int64 [n]. Any
of the signs.
Raises ValueError.

    weights = load("a.npy")

python step.py          the first
python step.py --all    the others

The last paragraph wraps
so: it explains nothing."""


def test_a_docstring_keeps_its_paragraphs_items_and_code():
    assert docstrings.rest(DOCSTRING.splitlines()) == [
        r"One sentence, with \ ``code``\ s and \* and name\_.",
        "",
        r"\ ``layer``\ : features [n, 4096] -> scores.",
        "",
        "* ``weights``: layer -> (kernel, bias);",
        r"  \ ``None``\  reads the file.",
        "",
        "* ``labels, names``: int64 [n]. Any",
        "  of the signs.",
        "",
        "Raises ValueError.",
        "",
        "::",
        "",
        '    weights = load("a.npy")',
        "",
        "::",
        "",
        "    python step.py          the first",
        "    python step.py --all    the others",
        "",
        "The last paragraph wraps",
        "so: it explains nothing.",
        "",
    ]


def test_the_reference_has_every_module_of_the_lab_and_every_script():
    listed = [name for _, modules in reference.rooms().values() for name in modules]
    lab = {
        ".".join(path.relative_to(PROJECT).with_suffix("").parts)
        for path in (PROJECT / "lab").rglob("[a-z]*.py")
    }
    assert lab | {"alexnet", "vgg16", "download", "train_finetuning"} <= set(listed)
    assert len(listed) == len(set(listed))


@pytest.mark.parametrize(
    ("path", "page"),
    [
        ("alexnet.py", "guide/reference/networks.md"),
        ("train_finetuning.py", "guide/reference/scripts.md"),
        ("lab/runs/report.py", "guide/reference/lab.runs.md"),
        ("lab/runs", "guide/reference/lab.runs.md"),
        ("lab", "guide/reference/lab.md"),
        ("benchmarks", "benchmarks/README.md"),
        ("guide/notebooks", "guide/reference/notebooks.md"),
        ("Makefile", None),
    ],
)
def test_a_link_to_code_leads_to_the_page_about_it(path, page):
    assert reference.home(Path(path)) == (page and Path(page))


def test_a_link_that_leads_nowhere_and_what_is_fetched_from_elsewhere_are_found(tmp_path):
    (tmp_path / "a.html").write_text(
        '<a href="b.html#here">1</a> <a href="b.html#gone">2</a> <a href="c.html">3</a>'
        '<a href="https://example.org/">4</a> <img src="https://example.org/a.png">'
        '<a class="x" href="#top">5</a><p id="top">6</p>'
    )
    (tmp_path / "b.html").write_text('<p id="here">&lt;a href="no.html"&gt;</p>')
    found = sorted(link for _, link in offline.broken(tmp_path))
    assert found == ["b.html#gone", "c.html", "https://example.org/a.png"]
