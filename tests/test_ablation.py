"""What each part of the recipe brings: every change changes something, none is made twice."""

import json
import sys
from pathlib import Path

import pytest

import train_finetuning
from benchmarks import ablation
from lab.data import mirrors
from lab.data.dataset import sign_names
from lab.training import augmentation


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("weights.npy").touch()
    Path("train.p").touch()
    return tmp_path


@pytest.fixture
def trainings(monkeypatch):
    """The commands that would train; each leaves a record with an accuracy of its own."""
    asked = []

    def run(*arguments):
        asked.append(arguments)
        out, name = (arguments[arguments.index(option) + 1] for option in ("--out", "--name"))
        folder = Path(out, name)
        folder.mkdir(parents=True)
        figures = {"validation": {"accuracy": len(asked) / 100}}
        (folder / "run.json").write_text(json.dumps({"metrics": figures}))

    monkeypatch.setattr(ablation, "run", run)
    return asked


def measure(*options):
    files = ["--weights", "weights.npy", "--data", "train.p"]
    return ablation.main([*files, "--seeds", "1", *options])


def test_each_part_is_trained_once_and_a_head_first(place, trainings, capsys):
    measure()
    assert len(trainings) == len(ablation.PARTS) + 1
    assert sum("train_feature_extraction" in asked[1] for asked in trainings) == 1
    rows = Path("runs/ablation.csv").read_text().splitlines()
    assert rows[0] == "part,0"
    assert rows[1] == "nothing: the default recipe,0.01"
    assert rows[-1] == f"from a trained head,{len(trainings) / 100}"
    measure()
    assert len(trainings) == len(ablation.PARTS) + 1
    assert "no mirrored signs" in capsys.readouterr().out


def test_one_that_was_stopped_is_made_again(place, trainings):
    measure()
    stopped = Path("runs/ablation/0-0")
    (stopped / "run.json").write_text("{}")  # as a run under way has it
    trainings.clear()
    measure()
    assert len(trainings) == 1
    assert json.loads((stopped / "run.json").read_text())["metrics"]


def test_runs_of_other_pictures_are_not_taken_for_these(place, trainings, capsys):
    measure("--limit", "50")
    with pytest.raises(SystemExit, match="2"):
        measure("--limit", "60")
    assert "runs/ablation: its runs are of other settings" in capsys.readouterr().err
    measure("--limit", "60", "--out", "runs/other")


def test_the_run_with_a_head_has_its_pictures_and_is_given_no_others(place, trainings):
    measure("--limit", "50")
    last = trainings[-1]
    assert last[last.index("--run") + 1] == "runs/ablation/head-0"
    assert "--data" not in last
    assert trainings[0][trainings[0].index("--limit") + 1] == "50"


@pytest.mark.parametrize(
    "part", [part for part in ablation.PARTS if ablation.PARTS[part][0] != "pass"]
)
def test_a_change_in_python_changes_what_it_names(part, monkeypatch):
    for module, name in (
        (train_finetuning, "FASTER"), (train_finetuning, "WEIGHT_DECAY"), (mirrors, "labels"),
    ):  # fmt: skip
        monkeypatch.setattr(module, name, getattr(module, name))
    monkeypatch.setattr(augmentation, "CHOICES", dict(augmentation.CHOICES))

    def now():
        return (
            train_finetuning.FASTER, train_finetuning.WEIGHT_DECAY,
            augmentation.CHOICES["signs"], [*mirrors.labels(sign_names())],
        )  # fmt: skip

    before = now()
    monkeypatch.setitem(sys.modules, "train_finetuning", train_finetuning)
    exec(
        ablation.TRAIN.split(";")[0].format(script="train_finetuning")
        + "\n"
        + ablation.PARTS[part][0]
    )
    assert sum(one != other for one, other in zip(before, now(), strict=True)) == 1


def test_files_that_are_not_there_are_one_line(place, capsys):
    with pytest.raises(SystemExit) as ended:
        ablation.main(["--weights", "weights.npy", "--data", "nowhere.p"])
    assert ended.value.code == 2
    assert "nowhere.p is not there" in capsys.readouterr().err
