"""What the pages quote: definitions as they stand in the source, outputs as printed."""

import pytest

from guide.build import quotes

SOURCE = '''import os

TABLE = {
    "a": 1,
}


@decorated
def outer(x):
    """Says what."""
    def inner(y):
        return y  # shape

    return inner


class Kind:
    def method(self):
        pass
'''


def test_a_function_comes_with_its_decorators_and_comments():
    text = quotes.source(SOURCE, "outer")
    assert text.startswith("@decorated\ndef outer(x):")
    assert text.endswith("    return inner")


def test_a_part_of_a_function_stands_at_the_margin():
    assert quotes.source(SOURCE, "outer", "inner") == "def inner(y):\n    return y  # shape"
    assert quotes.source(SOURCE, "Kind", "method") == "def method(self):\n    pass"


def test_a_constant_is_quoted_whole():
    assert quotes.source(SOURCE, "TABLE") == 'TABLE = {\n    "a": 1,\n}'


@pytest.mark.parametrize("names", [("gone",), ("outer", "gone"), ("inner",)])
def test_a_name_that_is_gone_is_an_error_that_says_where(names):
    with pytest.raises(ValueError, match=rf"script\.py: expected {names[-1]}"):
        quotes.source(SOURCE, *names, file="script.py")


def test_lines_that_are_left_out_leave_dots():
    assert quotes.chosen("a\nb\nc", "1-3") == "a\nb\nc"
    assert quotes.chosen("a\nb\nc\nd", "2-3") == "...\nb\nc\n..."
    assert quotes.chosen("a\nb\nc") == "a\nb\nc"
    with pytest.raises(ValueError, match="expected some of 1-3"):
        quotes.chosen("a\nb\nc", "2-4")


def test_what_passes_is_not_quoted():
    said = "Time: 0.412 seconds\nfirst-try  2026-11-26 16:20  fc7\nLoss = 0.412"
    assert quotes.PASSING.sub("...", said) == "Time: ... seconds\nfirst-try  ...  fc7\nLoss = 0.412"


def test_a_page_is_filled_and_a_stale_one_is_found(tmp_path):
    build = pytest.importorskip("guide.build.__main__", exc_type=ImportError)
    page = tmp_path / "page.md"
    page.write_text('<!-- [[[cog code("alexnet.py", "INPUT_SIZE") ]]] -->\n<!-- [[[end]]] -->\n')
    assert build.cog(["--check"], [page]) != 0
    assert build.cog(["-r"], [page]) == 0
    assert "```python\nINPUT_SIZE = 227\n```" in page.read_text()
    assert build.cog(["--check"], [page]) == 0
    page.write_text('<!-- [[[cog code("alexnet.py", "GONE") ]]] -->\n<!-- [[[end]]] -->\n')
    assert build.cog(["-r"], [page]) != 0
