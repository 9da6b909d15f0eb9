"""What all scripts share: they answer at once, read nothing too early, and complain briefly."""

import json
import subprocess
import sys
from argparse import ArgumentTypeError

import pytest
from conftest import PROJECT

import train_feature_extraction
from lab import command_line
from lab.command_line import fraction, parser, rate, seed, user_errors, whole_number
from lab.console import notice, say

SCRIPTS = sorted(
    path.stem for path in PROJECT.glob("*.py") if "def main(" in path.read_text(encoding="utf-8")
)
LESSONS = [
    "imagenet_inference",
    "traffic_sign_inference",
    "feature_extraction",
    "train_feature_extraction",
]


def test_the_four_lessons_are_scripts():
    assert set(LESSONS) <= set(SCRIPTS)


# ---- starting -----------------------------------------------------------------------------------


@pytest.mark.parametrize("script", SCRIPTS)
def test_help_shows_what_to_type(script):
    command = [sys.executable, f"{script}.py", "--help"]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=True)
    assert done.stdout.startswith(f"usage: {script}.py")
    assert f"python {script}.py" in done.stdout
    assert not done.stderr


@pytest.mark.parametrize("module", ["benchmarks.methods", "exercises", "exercises.machinery.stubs"])
def test_a_module_is_called_what_was_typed(module):
    command = [sys.executable, "-m", module, "--no-such-option"]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr.startswith(f"{module}: ")


WATCH = """
import os, sys
opened = set()
def watch(event, arguments):
    if event == "open" and isinstance(arguments[0], str):
        opened.add(os.path.abspath(arguments[0]))
code = (".py", ".pyc", ".so", ".pth", ".zip", ".cfg")
sys.addaudithook(watch)
import SCRIPT
files = [p for p in opened if not p.endswith(code) and "__pycache__" not in p
         and not os.path.isdir(p) and not p.startswith(("/proc", "/sys", "/etc", "/usr", "/dev"))]
slow = {"tensorflow", "keras", "sklearn", "matplotlib", "pandas", "numpy", "pydantic"}
heavy = slow & sys.modules.keys()
sys.exit(f"{files} {heavy}" if files or heavy else 0)
"""


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_script_reads_no_file_and_loads_nothing_slow_before_its_arguments(script):
    program = WATCH.replace("SCRIPT", script)
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=PROJECT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


# ---- numbers ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        *[(whole_number, text) for text in ("0", "-1", "1000001", "1.5", "ten", "", "nan", "1e3")],
        *[(seed, text) for text in ("-1", str(2**32), "0.5", "inf")],
        *[(rate, text) for text in ("0", "-0.1", "11", "inf", "nan", "fast")],
        *[(fraction, text) for text in ("0", "1", "-0.3", "33", "nan", "")],
    ],
)
def test_a_number_out_of_range_is_refused(kind, text):
    expected = r"expected a .* from [\d,.e-]+ to [\d,.]+, found"
    with pytest.raises(ArgumentTypeError, match=expected):
        kind(text)


def test_numbers_in_range_are_taken():
    assert (whole_number("1"), whole_number("1000000")) == (1, 1_000_000)
    assert (seed("0"), seed(str(2**32 - 1))) == (0, 2**32 - 1)
    assert (rate("1e-3"), rate("1")) == (0.001, 1.0)
    assert isinstance(rate("1"), float)  # Keras takes no whole number
    assert (fraction("0.33"), fraction("0.01")) == (0.33, 0.01)


@pytest.mark.parametrize(
    "arguments",
    [
        *[["--epochs", text] for text in ("0", "-3", "1e99", "many", "9" * 5000)],
        ["--batch-size", "0"],
        ["--learning-rate", "nan"],
        ["--limit", "-1"],
        ["--seed", "-1"],
        ["--val-fraction", "1"],
        ["--top", "0"],
        ["--preprocess", "resnet"],
        ["--precision", "float8"],
        ["--split", "half"],
        ["--no-such-option"],
        ["--epochs", "one\ntwo\x1b[2J"],
    ],
)
def test_a_wrong_option_is_one_line_that_points_to_help(arguments, capsys):
    with pytest.raises(SystemExit) as stop:
        parser("A script.", *command_line.OPTIONS).parse_args(arguments)
    said = capsys.readouterr()
    assert stop.value.code == 2
    assert not said.out
    assert said.err.endswith("(see --help)\n")
    assert said.err[:-1].isprintable()
    assert len(said.err) < 400


# ---- arguments on record ------------------------------------------------------------------------

LINES = [
    "",
    "--seed 1 --epochs 1 --limit 1 --patience 1 --batch-size 1 --learning-rate 1",
    "--seed 0 --label-smoothing 0.1 --val-fraction 0.5 --class-weight balanced --solver lbfgs",
    "--no-cache --skip-broken --demo --split random --layer conv4 --name first-try --out here",
    "--data=-x --group-pattern=--(.*) --weights a=b.npy --preprocess course --precision bfloat16",
]


@pytest.mark.parametrize("line", LINES)
def test_arguments_on_record_are_those_that_were_given(line):
    """A 1 was once taken for True, and a run with --seed 1 resumed with seed 0."""
    options = train_feature_extraction.command_line()
    given = options.parse_args(line.split())
    on_record = json.loads(json.dumps(vars(given)))
    assert command_line.recorded(options, on_record, "run.json") == given


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"help": True}, "help: no option of this version"),
        ({"head": "runs/latest"}, "head: no option of this version"),
        ({"": "x"}, "no option of this version"),
        ({"cache": "x"}, "--cache=x"),
        ({"epochs": True}, "--epochs: expected one argument"),
        ({"solver": "x" * 100_000}, "--solver: invalid choice"),
    ],
)
def test_what_was_no_option_is_refused_with_the_record_named(arguments, said, capsys):
    options = train_feature_extraction.command_line()
    with pytest.raises(ValueError, match=r"^run\.json: .*; leave --resume out$") as error:
        command_line.recorded(options, arguments, "run.json")
    assert said in str(error.value)
    assert len(str(error.value)) < 400
    assert capsys.readouterr() == ("", "")


def test_what_an_older_version_left_empty_is_passed_over():
    options = train_feature_extraction.command_line()
    left = {"head": None, "projector": False}
    assert command_line.recorded(options, left, "run.json") == options.parse_args([])


# ---- complaints ---------------------------------------------------------------------------------


def complaint(raise_error, capsys):
    """The one line and exit status that `raise_error` inside `user_errors` ends in."""
    with pytest.raises(SystemExit) as stop, user_errors():
        raise_error()
    said = capsys.readouterr()
    assert not said.out
    assert said.err[-1] == "\n"
    assert said.err[:-1].isprintable()
    return said.err[:-1], stop.value.code


def raising(error):
    def raise_error():
        raise error

    return raise_error


def test_a_wrong_value_is_its_own_message_and_exit_2(capsys):
    said, status = complaint(raising(ValueError("train.p: expected\n  a dict")), capsys)
    assert said.endswith(": train.p: expected a dict")
    assert status == 2


def test_control_characters_of_a_damaged_file_do_not_reach_the_terminal(capsys):
    said, _ = complaint(raising(ValueError("a\x1b[2Jb\x07 é")), capsys)
    assert said.endswith(r"a\x1b[2Jb\x07 é")


def test_a_missing_file_names_download_and_demo(capsys, tmp_path):
    path = tmp_path / "stop.jpg"
    said, status = complaint(path.read_bytes, capsys)
    assert str(path) in said
    assert "`python download.py`" in said
    assert "--demo" in said
    assert status == 2


@pytest.mark.parametrize("place", ["folder", "below a file"])
def test_an_error_of_the_system_names_the_file_and_what_to_do(capsys, tmp_path, place):
    (tmp_path / "file").touch()
    path = tmp_path if place == "folder" else tmp_path / "file/below"
    said, status = complaint(path.read_bytes, capsys)
    assert f"{path}: " in said
    assert "name another" in said
    assert "Errno" not in said
    assert status == 2


def test_a_bug_keeps_its_traceback():
    with pytest.raises(KeyError), user_errors():
        raise KeyError("names")


def test_an_interrupt_is_no_error_of_the_user(capsys):
    assert complaint(raising(KeyboardInterrupt()), capsys) == ("interrupted", 130)


@pytest.mark.parametrize(
    "name", ["a\nValidation Accuracy = 1.0", "\x1b[2J", "\r", "\u202e", "\udcff", "a\u2028b"]
)
def test_no_name_forges_a_line_or_commands_a_terminal(name, capsys):
    say(f"Image of {name}")
    notice(f"Image of {name}")
    for said in capsys.readouterr():
        assert said.startswith("Image of ")
        assert said.endswith("\n")
        assert said[:-1].isprintable()


def test_notices_never_reach_stdout(capsys):
    notice("DEMO")
    assert capsys.readouterr() == ("", "DEMO\n")
