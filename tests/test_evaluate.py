"""The script on a run whose every answer is known: a picture's first pixel is the class it shows.

Only the frozen network is a stand-in, which says that class; all else is the real program.
"""

import json
import pickle
import re
import subprocess
import sys
from contextlib import ExitStack
from unittest.mock import MagicMock

import keras
import numpy as np
import pandas as pd
import pytest
from conftest import PROJECT
from PIL import Image

import alexnet
import evaluate
import train_feature_extraction
from lab import device  # first: it quiets TensorFlow  # noqa: F401
from lab.data.dataset import Dataset, sign_names
from lab.data.sources import load
from lab.runs import begun, evaluation, metrics, record
from lab.runs import run as runs

CLASSES = 43
WEIGHTS = {"fc8": (np.zeros((2, 2), np.float32), np.zeros(2, np.float32))}
# What a softmax beside 42 zeros makes 0.99 of.
SCORE = np.log(0.99 / 0.01 * (CLASSES - 1))


def write_pictures(path, labels, shown, first=0):
    """A pickle like train.p, of pictures that differ in their number from `first` on."""
    pictures = np.zeros((len(labels), 32, 32, 3), np.uint8)
    pictures[:, 0, 0, 0] = shown
    pictures[:, 0, 1, :2] = np.stack(np.divmod(first + np.arange(len(labels)), 256), axis=1)
    path.write_bytes(pickle.dumps({"features": pictures, "labels": np.asarray(labels)}))
    return path


def what_it_shows(pictures, weights, convention="caffe", precision="auto", *_):
    """The stand-in for fc7: one of 4096 is on."""
    if isinstance(pictures, list):
        pictures = np.stack([np.asarray(Image.open(path)) for path in pictures])
    return np.eye(4096, dtype=np.float16)[pictures[:, 0, 0, 0]]


@pytest.fixture
def run(tmp_path, monkeypatch):
    """A trained run in the current folder; of its validation pictures every third is mistaken."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bvlc-alexnet.npy").touch()
    monkeypatch.setattr(alexnet, "load_weights", lambda path: WEIGHTS)
    monkeypatch.setattr(runs, "extract", what_it_shows)
    labels = np.repeat(np.arange(CLASSES), 6)
    shown = np.where(np.arange(len(labels)) % 6 == 1, (labels + 1) % CLASSES, labels)
    write_pictures(tmp_path / "train.p", labels, shown)
    training, validation = np.arange(len(labels)).reshape(-1, 2).T

    args = train_feature_extraction.command_line().parse_args(["--data", "train.p"])
    dataset = load("train.p")
    split = {"kind": "random", "train": len(training), "validation": len(validation)}
    described = begun._described(args, "feature extraction", "fc7", dataset, WEIGHTS, split)
    rows = training, validation
    with ExitStack() as held:
        training_run = begun.Begun(args, dataset, WEIGHTS, rows, described, held)
        folder = training_run.keep()
    layer = keras.Sequential([keras.Input([4096]), keras.layers.Dense(CLASSES)])
    layer.set_weights([SCORE * np.eye(4096, CLASSES), np.zeros(CLASSES)])
    layer.save(folder / "head.keras")
    training_run._write_split(dataset.take(training))
    training_run._learn_what_is_usual(what_it_shows(dataset.images, WEIGHTS))
    figures = {"loss": 1.0, "accuracy": 2 / 3}
    ended = {"metrics": {"train": figures, "validation": figures}}
    record.write(folder, record.Record.model_validate(described.model_dump() | ended))
    return folder


@pytest.fixture
def test_set(run, tmp_path):
    """100 pictures, of which 80 show what they are and 20, of class 7, look like class 8."""
    labels = np.repeat([3, 7], [80, 20])
    return write_pictures(tmp_path / "test.p", labels, np.repeat([3, 8], [80, 20]), first=1000)


@pytest.fixture
def no_plots(monkeypatch):
    """Drawing 43 classes takes seconds."""
    monkeypatch.setattr(evaluation, "plots", MagicMock())


def contents(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def complaint(capsys, *arguments):
    """What the script says on stderr before it exits with 2."""
    with pytest.raises(SystemExit) as stop:
        evaluate.main(list(arguments))
    assert stop.value.code == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    return printed.err


# ---- what it finds -----------------------------------------------------------------------------


def test_known_mistakes_are_counted_printed_and_written(run, test_set, capsys):
    assert evaluate.main(["--data", "test.p"]) == 0
    printed = capsys.readouterr().out
    assert "100 pictures of 2 classes" in printed
    assert "Accuracy           0.800" in printed
    assert "(bootstrap of pictures)" in printed
    names = sign_names()
    assert f"\n 0.000 none named        20  {names[7]}\n" in printed
    assert "nan" not in printed
    assert f"20 times, 100%  {names[7]} taken for {names[8]}" in printed

    figures = json.loads((run / "evaluation.json").read_text())
    assert figures["accuracy"] == 0.8
    assert figures["interval"][0] < 0.8 < figures["interval"][1]
    assert figures["data"] == "test.p"
    assert figures["head"] == run.name
    assert figures["trained_on"] == {"count": 0, "examples": [], "accuracy_without": 0.8}
    classes = pd.read_csv(run / "evaluation.csv")
    assert classes["name"].tolist() == names
    assert classes.loc[[3, 7], "recall"].tolist() == [1, 0]
    for name in ("confusion", "reliability", "mistakes"):
        with Image.open(run / f"test_{name}.png") as plot:
            plot.verify()
    assert "80.0%" in (run / "report.html").read_text()


@pytest.mark.usefixtures("no_plots")
def test_out_names_another_folder(run, test_set, tmp_path):
    evaluate.main(["--data", "test.p", "--out", "somewhere/else"])
    assert (tmp_path / "somewhere/else/evaluation.json").is_file()
    assert not (run / "evaluation.json").exists()


@pytest.mark.usefixtures("no_plots")
def test_pictures_that_were_trained_on_are_reported_and_left_out(run, capsys):
    evaluate.main(["--data", "train.p"])
    printed = capsys.readouterr().out
    training = CLASSES * 3
    assert f"Also trained on    {training} of these pictures: row 0, row 2, row 4, ..." in printed
    assert "Accuracy           0.833" in printed
    assert "Accuracy without   0.667" in printed


def test_when_all_were_trained_on_there_is_no_accuracy_without(run):
    dataset = load("train.p")
    hashes = metrics.picture_hashes(dataset.images)
    probabilities = np.eye(CLASSES)[dataset.labels]
    figures, classes = evaluation.evaluate(dataset, probabilities, hashes)
    assert figures["trained_on"]["accuracy_without"] is None
    evaluation.show(figures, classes, "track")


@pytest.mark.usefixtures("no_plots")
@pytest.mark.parametrize("folders", [("00003", "00007"), ("Speed limit (60km-h)", "00007")])
def test_a_folder_of_signs_is_matched_by_name_or_number(run, tmp_path, capsys, folders):
    """Folders stand in another order than the classes do; not every class has one."""
    for label, folder in zip((3, 7), folders, strict=True):
        (tmp_path / "more" / folder).mkdir(parents=True)
        for number in range(2):
            pixels = np.full((32, 32, 3), number, np.uint8)
            pixels[0, 0, 0] = label
            Image.fromarray(pixels).save(tmp_path / "more" / folder / f"{number}.png")
    evaluate.main(["--data", "more"])
    printed = capsys.readouterr().out
    assert "4 pictures of 2 classes" in printed
    assert "Accuracy           1.000" in printed


@pytest.mark.usefixtures("no_plots")
def test_limit_takes_some_pictures_of_every_class(run, test_set, capsys):
    evaluate.main(["--data", "test.p", "--limit", "10"])
    assert "10 pictures of 2 classes" in capsys.readouterr().out


@pytest.mark.usefixtures("no_plots")
def test_pictures_unlike_all_that_trained_are_counted(run, tmp_path, capsys):
    labels = np.repeat([3, 7], [75, 25])
    write_pictures(tmp_path / "test.p", labels, np.repeat([3, 200], [75, 25]), first=1000)
    evaluate.main(["--data", "test.p"])
    printed = capsys.readouterr().out
    assert "Strange            25.0% of the pictures (5% expected of pictures like" in printed
    assert "; after a random split 8 to 11% of new ones" in printed
    assert json.loads((run / "evaluation.json").read_text())["strange"] == 0.25
    text = (run / "report.html").read_text()
    assert re.search("called strange</th><td></td><td></td><td>0.250</td>", text)
    assert "8 to 11%" in text


@pytest.mark.usefixtures("no_plots", "test_set")
def test_of_a_run_without_strangeness_the_rest_is_said(run, capsys):
    (run / "strangeness.npz").unlink()
    evaluate.main(["--data", "test.p"])
    assert "Accuracy           0.800" in (said := capsys.readouterr().out)
    assert "Strange" not in said
    assert json.loads((run / "evaluation.json").read_text())["strange"] is None
    assert "called strange" not in (run / "report.html").read_text()


def test_picture_files_are_evaluated_like_arrays(tmp_path):
    paths = [tmp_path / f"{row}.png" for row in range(4)]
    for row, path in enumerate(paths):
        Image.new("RGB", (50 + row, 40), (row, 0, 0)).save(path)
    dataset = Dataset(paths, np.array([0, 0, 1, 1]), ["cat", "dog"])
    probabilities = np.array([[0.9, 0.1], [0.2, 0.8], [0.1, 0.9], [0.1, 0.9]])
    hashes = metrics.picture_hashes(paths[:1])
    figures, classes = evaluation.evaluate(dataset, probabilities, hashes)
    evaluation.write(tmp_path, figures, classes, dataset, probabilities)
    assert figures["accuracy"] == 0.75
    assert figures["trained_on"] == {
        "count": 1,
        "examples": [str(paths[0])],
        "accuracy_without": 2 / 3,
    }
    assert (tmp_path / "test_mistakes.png").is_file()


# ---- the temperature ---------------------------------------------------------------------------


@pytest.mark.usefixtures("no_plots")
def test_calibrating_makes_an_overconfident_head_honest_and_is_remembered(run, test_set, capsys):
    evaluate.main(["--data", "test.p"])
    before = json.loads((run / "evaluation.json").read_text())
    evaluate.main(["--data", "test.p", "--calibrate"])
    printed = capsys.readouterr().out
    # It says 0.99 and is right two times in three; that a temperature can mend exactly.
    temperature = SCORE / np.log(2 * (CLASSES - 1))
    assert f"Temperature {temperature:.2f}, from {CLASSES * 3} validation pictures" in printed
    assert "calibration error 0.323 -> 0.000" in printed
    assert record.read(run).temperature == pytest.approx(temperature, rel=1e-3)

    evaluate.main(["--data", "test.p"])
    after = json.loads((run / "evaluation.json").read_text())
    assert after["temperature"] == record.read(run).temperature
    assert after["accuracy"] == before["accuracy"]
    assert after["ece"] < before["ece"]


def test_calibrating_changes_the_run_and_nothing_beside_it(run, test_set, capsys):
    line = complaint(capsys, "--data", "test.p", "--calibrate", "--out", "beside")
    assert "--calibrate changes the run itself: leave --out out" in line


def test_calibrating_needs_the_pictures_of_the_training(run, test_set, capsys):
    labels = np.repeat(np.arange(CLASSES), 6)
    write_pictures(run.parent.parent / "train.p", labels, labels, first=5)
    before = contents(run)
    line = complaint(capsys, "--data", "test.p", "--calibrate")
    assert "train.p is not what the run was begun with: it holds other pictures" in line
    assert "leave --calibrate out" in line
    assert line.count("\n") == 1
    assert contents(run) == before


# ---- exit codes --------------------------------------------------------------------------------


@pytest.mark.parametrize(("least", "code"), [("0.81", 1), ("0.8", 0)])
@pytest.mark.usefixtures("no_plots")
def test_too_low_an_accuracy_exits_with_one_after_all_is_written(
    run, test_set, capsys, least, code
):
    assert evaluate.main(["--data", "test.p", "--assert-accuracy", least]) == code
    assert (run / "evaluation.json").is_file()
    assert ("accuracy 0.8000 is below 0.81" in capsys.readouterr().err) == bool(code)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--data", "nothing.p"], "nothing.p is not there, neither in "),
        (["--data", "animals"], "animals: expected pictures of the 43 classes"),
        (["--run", "nowhere"], "nowhere: expected a training run"),
        (["--preprocess", "course"], "leave --preprocess out"),
        (["--assert-accuracy", "90"], "expected a number from 0 to 1, found 90"),
        (["--out", "test.p"], "test.p"),
    ],
)
def test_what_cannot_be_evaluated_is_one_line_and_nothing_written(
    run, test_set, tmp_path, capsys, arguments, said
):
    for name in ("cat", "dog"):
        (tmp_path / "animals" / name).mkdir(parents=True)
        Image.new("RGB", (40, 40)).save(tmp_path / "animals" / name / "1.png")
    before = contents(tmp_path)
    line = complaint(capsys, "--data", "test.p", *arguments)
    assert said in line
    assert line.count("\n") == 1
    assert contents(tmp_path) == before


def test_a_head_is_not_used_with_other_weights(run, test_set, capsys, monkeypatch):
    other = {"fc8": (np.ones((2, 2), np.float32), np.zeros(2, np.float32))}
    monkeypatch.setattr(alexnet, "load_weights", lambda path: other)
    assert "name the same file with --weights" in complaint(capsys, "--data", "test.p")


@pytest.mark.parametrize("damage", ["absent", "empty", "cut", "text", "other arrays"])
def test_a_damaged_split_is_one_line(run, test_set, capsys, damage):
    path = run / "split.npz"
    whole = path.read_bytes()
    path.unlink()
    if damage == "other arrays":
        np.savez(path, something=np.arange(3))
    elif damage != "absent":
        path.write_bytes({"empty": b"", "cut": whole[: len(whole) // 2], "text": b"rows"}[damage])
    line = complaint(capsys, "--data", "test.p")
    expected = "expected the split of a training that has ended|cut or damaged"
    assert re.search(rf"split\.npz: ({expected}).*; train again$", line.strip())
    assert line.count("\n") == 1


# ---- the real program --------------------------------------------------------------------------


def test_help_waits_for_no_heavy_import():
    code = (
        "import evaluate, sys; evaluate.command_line().format_help(); "
        "print({'numpy', 'tensorflow'} & set(sys.modules))"
    )
    shown = subprocess.run(
        [sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True, check=True
    )
    assert shown.stdout == "set()\n"


@pytest.mark.slow
def test_the_demo_trains_calibrates_and_evaluates_without_a_file(tmp_path):
    def python(script, *arguments):
        command = [sys.executable, PROJECT / script, "--demo", "--no-cache", *arguments]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)

    python("train_feature_extraction.py", "--limit", "600", "--epochs", "10")
    shown = python("evaluate.py", "--limit", "300", "--calibrate")
    figures = json.loads((tmp_path / "runs/latest/evaluation.json").read_text())
    assert figures["resampled"] == "tracks"
    assert figures["accuracy"] > 0.3  # by chance 0.02
    assert f"Accuracy           {figures['accuracy']:.3f}" in shown.stdout
