"""What is named and not there is one line before TensorFlow is loaded; what a run knows is believed
before what is asked of it."""

import json
import subprocess
import sys
from argparse import Namespace
from pathlib import Path

import pytest
from conftest import PROJECT
from PIL import Image
from records import GONE, RECORD, changed

from lab import inputs
from lab.runs import asked
from lab.runs.record import DRAWN, RANDOM


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    """A current folder with weights and labelled pictures, and nothing beside the scripts."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(inputs, "LAB", tmp_path / "lab")
    for name in ("bvlc-alexnet.npy", "train.p"):
        (tmp_path / name).touch()
    Image.new("RGB", (4, 4)).save(tmp_path / "dog.png")
    return tmp_path


@pytest.fixture
def run(place):
    """A function that makes a run of a record that is changed."""

    def make(**changes):
        content = RECORD
        for field, value in changes.items():
            content = changed(content, field.replace("_path", ".path"), value)
        (place / "run").mkdir(exist_ok=True)
        (place / "run/run.json").write_text(json.dumps(content))
        return "run"

    return make


def args(**named):
    usual = {"weights": None, "preprocess": None, "demo": False, "skip_broken": False}
    return Namespace(**usual | named)


def complaint(function, *arguments, **named):
    with pytest.raises((OSError, ValueError)) as error:
        function(*arguments, **named)
    return str(error.value)


# ---- a run --------------------------------------------------------------------------------------


def test_a_run_brings_its_weights_and_its_convention(run, place):
    folder, record, file = asked.run(run())
    assert (str(folder), record.preprocess, str(file)) == ("run", "course", "bvlc-alexnet.npy")
    assert asked.run("run", preprocess="course")[1] == record


def test_what_is_named_on_the_command_line_wins(run, place):
    (place / "other.npy").touch()
    assert str(asked.run(run(), weights="other.npy")[2]) == "other.npy"


def test_a_demo_run_needs_no_weights_whether_demo_is_said_or_not(run):
    for demo in (False, True):
        assert asked.run(run(weights_path=RANDOM), demo=demo)[2] is None


def test_a_demo_run_asked_with_weights_says_leave_them_out(run):
    line = complaint(asked.run, run(weights_path=RANDOM), weights="bvlc-alexnet.npy")
    assert "trained on features of random weights (--demo) (sha256 abababababab…)" in line
    assert "not of bvlc-alexnet.npy: leave --weights out" in line


def test_a_real_run_asked_with_demo_says_leave_it_out(run):
    line = complaint(asked.run, run(), demo=True)
    assert "trained on features of bvlc-alexnet.npy (sha256 abababababab…)" in line
    assert "not of random weights: leave --demo out" in line
    drawn = run(data_path=DRAWN["signs"])
    assert asked.run(drawn, demo=True)[2] == Path("bvlc-alexnet.npy")


def test_another_convention_is_refused(run):
    line = complaint(asked.run, run(), preprocess="caffe")
    assert line.endswith("--preprocess course, not caffe: leave --preprocess out")


def test_a_training_that_was_stopped_says_resume(run):
    assert (
        "was stopped: go on with `python train_feature_extraction.py --resume --out .`"
        in complaint(asked.run, run(metrics=GONE))
    )


def test_weights_of_a_run_that_are_gone_are_named_without_demo(run, place):
    (place / "bvlc-alexnet.npy").unlink()
    line = complaint(asked.run, run())
    assert "bvlc-alexnet.npy is not there, neither in" in line
    assert line.endswith("or say where it is with --weights")
    assert "--demo" not in line


# ---- before anything heavy ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("named", "said"),
    [
        ({"run": "nowhere"}, "nowhere: expected a training run, found no run.json"),
        ({"weights": "w.npy"}, "w.npy is not there"),
        ({"pictures": ["dog.png", "cat.png"]}, "cat.png is not there"),
        ({"data": "signs"}, "signs is not there"),
        ({"pictures": ["train.p"]}, "train.p: expected a picture"),
        ({"run": "rum"}, "rum is not there: did you mean run?"),
        ({"run": "fist-try"}, "fist-try is not there: did you mean runs/first-try?"),
        ({"pictures": ["lab"]}, "lab: expected pictures, found none in this folder"),
        ({"network": "alexnett"}, "alexnett: expected alexnet"),
        ({"layer": "conv1"}, "--layer conv1: alexnet gives features after"),
        ({"name": "a/b", "out": "runs"}, "--name a/b: expected a name"),
        ({"resume": True, "out": "none", "name": None}, "expected a training run to go on with"),
    ],
)
def test_what_is_not_there_is_named(named, said, place):
    (place / "lab").mkdir()
    for folder in ("run", "runs/first-try"):
        (place / folder).mkdir(parents=True)
        (place / folder / "run.json").touch()
    asked.check(args(pictures=["dog.png"], data="train.p"))
    assert said in complaint(asked.check, args(**named))


def test_what_is_meant_when_nothing_is_named_is_looked_for_too():
    assert "poodle.png is not there" in complaint(
        asked.check, args(pictures=[]), pictures=["poodle.png"]
    )
    assert "test.zip is not there" in complaint(asked.check, args(data=None), data="test.zip")
    asked.check(args(data=None))
    asked.check(args(pictures=[], data=None, demo=True, network="alexnet"), ["a.png"], "test.zip")


def test_a_demo_run_makes_up_what_a_demo_does(run):
    asked.check(args(run=run(weights_path=RANDOM), pictures=[]), pictures=["poodle.png"])
    assert "poodle.png is not there" in complaint(
        asked.check, args(run=run(), pictures=[]), pictures=["poodle.png"]
    )


def test_all_that_a_training_names_is_there(place):
    usual = {"resume": False, "network": "alexnet", "out": "runs", "name": None, "layer": None}
    asked.check(args(**usual, data=None), data="train.p")
    (place / "train.p").unlink()
    assert "train.p is not there" in complaint(
        asked.check, args(**usual, data=None), data="train.p"
    )


COMMANDS = [
    "imagenet_inference.py nothing.png",
    "imagenet_inference.py --demo --figure no/x.png",
    "traffic_sign_inference.py --demo train.p",
    "traffic_sign_inference.py --demo --weights nothing.npy",
    "feature_extraction.py --run nowhere",
    "train_feature_extraction.py --data nothing",
    "train_feature_extraction.py --demo --layer conv1",
    "train_feature_extraction.py --resume",
    "train_feature_extraction.py --resume --name ..",
    "train_feature_extraction.py --demo --name ..",
    "train_feature_extraction.py --demo --name .hidden",
    "evaluate.py",
    "evaluate.py --list",
    "visualize.py --demo --data nothing",
]


ASK = """
import contextlib, io, json, runpy, sys
sys.modules["tensorflow"] = None
project, *commands = sys.argv[1:]
told = []
for command in commands:
    script, *arguments = command.split()
    sys.argv = [f"{project}/{script}", *arguments]
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            runpy.run_path(sys.argv[0], run_name="__main__")
        except SystemExit as end:
            code = end.code
    told.append([code, out.getvalue(), err.getvalue()])
print(json.dumps(told))
"""


def test_the_scripts_say_so_without_tensorflow(place):
    """TensorFlow takes three seconds to load, and more where nobody has loaded it before."""
    found = subprocess.run(
        [sys.executable, "-c", ASK, str(PROJECT), *COMMANDS],
        cwd=place,
        env={"PYTHONPATH": str(PROJECT), "PATH": ""},
        capture_output=True,
        text=True,
    )
    assert not found.stderr
    for command, (code, out, err) in zip(COMMANDS, json.loads(found.stdout), strict=True):
        assert (code, out, err.count("\n")) == (2, "", 1), (command, err)
