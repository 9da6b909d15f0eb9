"""The commands that need files run as written, page after page, with small files in their place.

Those that need none are cells of the notebooks, which `make notebooks` executes.
"""

import re

import pytest
from conftest import PROJECT
from small_files import put

from guide.build import demo_folder
from guide.build.pages import all_pages, blocks, words

PAGES = [page for page in all_pages() if str(page) == "README.md" or page.match("guide/*.md")]
ELSEWHERE = re.compile(
    r"download\.py|keras:"  # the network
    r"|-m (pip|venv|benchmarks|deploy)"  # packages of their own, or an hour
    r"|--distribute"  # several machines, or graphics cards
)

TRAINING = re.compile(r"python train_.*(--data|--demo)")


def commands(page):
    """Those of a page that run with files alone; before one that goes on with a run, its training.

    That may be a cell of the notebook, which is then run here as well.
    """
    trained = None
    for block in blocks((PROJECT / page).read_text(encoding="utf-8")):
        for command in block.commands:
            trains = TRAINING.match(command)
            if block.runs:
                trained = command if trains else trained
            elif words(command)[0] == "python" and not ELSEWHERE.search(command):
                if trained and "runs/latest" in command:
                    yield trained
                trained = None
                yield command


def hurried(script, many, few):
    """A copy that trains for less long; all else is as written."""
    text = script.read_text(encoding="utf-8")
    assert many in text
    script.write_text(text.replace(many, few), encoding="utf-8")


@pytest.fixture(scope="module")
def furnished(tmp_path_factory):
    """A copy of the lab with all files a reader may have; a page finds the runs of those before."""
    folder = tmp_path_factory.mktemp("lab")
    demo_folder.copy(folder)
    put(folder)
    hurried(folder / "train_finetuning.py", "STEPS = 500", "STEPS = 5")
    yield folder
    for weights in folder.glob("*.npy"):
        weights.unlink()


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("page", [page for page in PAGES if any(commands(page))], ids=str)
def test_the_commands_of_a_page_run_as_written(page, furnished):
    for command in commands(page):
        demo_folder.run(command, furnished)
