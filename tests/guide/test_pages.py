"""Links and pictures of the pages: what they lead to is there, and nothing lies about unused."""

import re
from pathlib import Path

import pytest
from conftest import PROJECT

from guide.build.pages import all_pages, anchors, blocks, links, pictures, words

PICTURES = PROJECT / "guide/pictures"
ELSEWHERE = re.compile(r"https?://|mailto:")


def read(page):
    return (PROJECT / page).read_text(encoding="utf-8")


@pytest.mark.parametrize("page", all_pages(), ids=str)
def test_every_link_leads_to_a_file_and_a_heading_that_are_there(page):
    for link in links(read(page)):
        if ELSEWHERE.match(link):
            continue
        path, _, anchor = link.partition("#")
        target = (PROJECT / page).parent / path if path else PROJECT / page
        assert target.exists(), link
        if anchor:
            assert anchor in anchors(target.read_text(encoding="utf-8")), link


@pytest.mark.parametrize("page", all_pages(), ids=str)
def test_every_picture_says_in_words_what_it_shows(page):
    for path, text in pictures(read(page)):
        assert len(text.split()) > 3, path


def test_every_picture_is_used():
    used = {
        (PROJECT / page).parent.joinpath(path).resolve()
        for page in all_pages()
        for path, _ in pictures(read(page))
    }
    assert {path.name for path in set(PICTURES.glob("*")) - used} == set()


def test_a_page_is_read_for_what_it_holds():
    text = (
        "# A *fine* title, `code()`\n\n## Again\n\n## Again\n\n[a](b.md#c), ![some alt](d.png)\n"
        '<a href="e.md">e</a>\n\n```bash\nA=1 python f.py \\\n  --g  # why\n# no\n```\n\n'
        "<!-- needs files -->\n```bash\npython h.py\n```\n```bash\nmake i\n```\n"
    )
    assert anchors(text) == {"a-fine-title-code", "again", "again-1"}
    assert links(text) == ["b.md#c", "d.png", "e.md"]
    assert pictures(text) == [("d.png", "some alt")]
    first, second, third = blocks(text)
    assert [words(command) for command in first.commands] == [["python", "f.py", "--g"]]
    assert (first.runs, second.runs, third.runs) == (True, False, False)
    assert text.splitlines()[first.first - 1 : first.last][-1] == "```"


def test_the_pages_are_found():
    assert Path("README.md") in all_pages()
    assert Path("benchmarks/README.md") in all_pages()
