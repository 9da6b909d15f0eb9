"""Every command that a page shows is there: its script, its options, its target of make."""

import re

import pytest
from commands import all_options, check
from conftest import PROJECT

from guide.build.pages import all_pages, blocks, spans

COMMAND = re.compile(r"(python|make) [\w.-]")
OPTION = re.compile(r"--[a-z][a-z-]*")


def shown():
    """(page, command) of all blocks, and of all sentences that quote one whole."""
    for page in all_pages():
        text = (PROJECT / page).read_text(encoding="utf-8")
        whole = [span for span in spans(text) if COMMAND.match(span) and "..." not in span]
        commands = [command for block in blocks(text) for command in block.commands]
        yield from ((page, command) for command in dict.fromkeys([*commands, *whole]))


@pytest.fixture(autouse=True)
def somewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("page", "command"), [pytest.param(*p, id=f"{p[0]}: {p[1]}") for p in shown()]
)
def test_the_command_exists_with_all_its_options(page, command):
    try:
        check(command)
    except ImportError as error:
        pytest.skip(f"needs {error.name}, which is not installed")


@pytest.mark.parametrize("page", all_pages(), ids=str)
def test_every_option_that_a_sentence_names_exists(page):
    named = {
        option
        for span in spans((PROJECT / page).read_text(encoding="utf-8"))
        if span.startswith("--")
        for option in OPTION.findall(span)
    }
    assert named <= all_options()


@pytest.mark.parametrize(
    "command",
    [
        "python no_such_script.py",
        "python train_finetuning.py --no-such-option",
        "python train_finetuning.py --split neither",
        "python -m lab.no_such_module",
        "make no-such-target",
        "pip install -r no/requirements.txt",
        "trian_finetuning.py",
    ],
)
def test_a_command_that_does_not_exist_is_found(command):
    with pytest.raises(ValueError, match=r"."):
        check(command)
