"""The notebooks are what the chapters make: words, commands and pictures in their order."""

import nbformat
import pytest

from guide.build import execute, notebooks
from guide.build.pages import PROJECT

CHAPTER = """# Title

<!-- [[[cog code("a.py", "f") ]]] -->
```python
f = lambda x: table[0](x)
```
<!-- [[[end]]] -->

![What is seen](pictures/a.png)

See [the door](../README.md#get-the-files) and [others](https://example.org/a.md).

```bash
python a.py --demo
python b.py
```

<!-- needs files -->
```bash
python c.py
```

<details>
<summary>Why?</summary>

Because.
</details>
"""


@pytest.fixture
def cells():
    """(kind, source) of the cells of CHAPTER."""
    made = notebooks.cells(CHAPTER, PROJECT / "guide")
    return [(cell.cell_type, cell.source) for cell in made]


def test_words_pictures_and_commands_stay_in_order(cells):
    kinds = [kind for kind, _ in cells]
    assert kinds == ["markdown", "code", "markdown", "code", "markdown"]
    assert cells[1][1] == "Image('guide/pictures/a.png', alt='What is seen')"
    assert cells[3][1] == "!python a.py --demo\n!python b.py"


def test_code_that_is_quoted_and_commands_that_need_files_are_shown_not_run(cells):
    assert "```python\nf = lambda x: table[0](x)\n```" in cells[0][1]
    assert "```bash\npython c.py\n```" in cells[4][1]


def test_comments_go_and_answers_stay_folded(cells):
    assert not any("<!--" in source for _, source in cells)
    assert "<details>\n<summary>Why?</summary>\n\nBecause.\n</details>" in cells[4][1]


def test_links_lead_on_from_where_the_notebooks_are(cells):
    assert "[the door](../../README.md#get-the-files)" in cells[2][1]
    assert "[others](https://example.org/a.md)" in cells[2][1]


def test_where_notebooks_are_tested_a_failing_command_fails():
    commands = nbformat.v4.new_code_cell("!python a.py\n!python b.py")
    others = [nbformat.v4.new_code_cell("x = 1"), nbformat.v4.new_markdown_cell("!python c.py")]
    execute.strict(nbformat.v4.new_notebook(cells=[commands, *others]))
    check = "assert _exit_code == 0"
    assert commands.source == f"!python a.py\n{check}\n!python b.py\n{check}"
    assert [cell.source for cell in others] == ["x = 1", "!python c.py"]


def test_the_notebooks_are_what_the_guide_makes():
    assert notebooks.stale() == [], "run make guide"
