"""Fine-tuning from the command line: what it leaves, what it starts from, and how it goes on."""

import functools
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import narrow_alexnet
import numpy as np
import pytest
import test_begun
from conftest import PROJECT
from test_begun import Killed, at_file, die, die_here

import train_feature_extraction
import train_finetuning
from lab.data.dataset import Dataset, sign_names
from lab.demo import stand_ins
from lab.features.extraction import extract
from lab.runs import begun, fine_tuning, plots, record, run
from lab.training import tuned_layers

CLASSES = (33, 34, 13, 1)  # two that are each other in a mirror, one that is itself, one that never
OPTIONS = [
    "--demo", "--epochs", "2", "--batch-size", "16", "--precision", "float32", "--name", "mine",
]  # fmt: skip
LAYERS = ["conv1", "conv2", "conv3", "conv4", "conv5", "fc6", "fc7"]
PLOTS = ("learning_curves", "confusion", "mistakes", "class_balance", "reliability")


def drawn():
    """24 pictures of 4 classes, two of each track; the class is how bright they are."""
    labels = np.arange(24) // 2 % len(CLASSES)
    noise = np.random.default_rng(0).integers(0, 60, (24, 32, 32, 3))
    pictures = (60 * labels[:, None, None, None] + noise).astype(np.uint8)
    names = [sign_names()[label] for label in CLASSES]
    return Dataset(pictures, labels, names, np.arange(24) // 2)


@pytest.fixture(scope="module")
def demo_weights():
    return narrow_alexnet.weights()


def stand_in(patch, weights):
    narrow_alexnet.stand_in(patch)
    patch.setattr(stand_ins, "dataset", lambda subject: drawn())
    patch.setattr(stand_ins, "weights", lambda network: weights)
    for name in PLOTS:
        patch.setattr(plots, name, lambda *arguments: Path(arguments[-1]).write_bytes(b"PNG"))


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch, demo_weights):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ALEXNET_LAB_CACHE", str(tmp_path / "cache"))
    stand_in(monkeypatch, demo_weights)
    return tmp_path


def tune(*options):
    train_finetuning.main(list(options))


complaint = functools.partial(test_begun.complaint, train=tune)


def left(folder):
    """What a training leaves, but for what tells times."""
    folder = Path(folder)
    found = record.read(folder)
    with np.load(folder / tuned_layers.FILE) as arrays:
        content = {name: arrays[name].tobytes() for name in arrays}
    content["head"] = [value.tobytes() for value in run.load(folder).head.get_weights()]
    content["run.json"] = found.metrics, found.best_epoch, found.names, found.split
    content["history.csv"] = [{**row, "seconds": 0} for row in record.read_history(folder)]
    return content | dict.fromkeys(path.name for path in folder.iterdir())


def apart(factory, weights, options, look, train=tune):
    """What `look` finds at the run of a training in a folder of its own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place := factory.mktemp("apart"))
        patch.setenv("ALEXNET_LAB_CACHE", str(place / "cache"))
        stand_in(patch, weights)
        train(*options)
        return look(Path("runs/mine"))


def train_head(*options):
    train_feature_extraction.main(list(options))


@pytest.fixture(scope="module")
def whole(tmp_path_factory, demo_weights):
    """The folder of a run in which all of the network learned."""
    return apart(tmp_path_factory, demo_weights, OPTIONS, Path.absolute)


# ---- what is left -------------------------------------------------------------------------------


def test_its_run_has_the_layers_that_learned_and_tells_how(whole):
    found = record.read(whole)
    assert found.method == "fine-tuning"
    assert found.arguments["augment"] == "signs"
    assert (whole / "augmentation.png").read_bytes().startswith(b"\x89PNG")
    with np.load(whole / tuned_layers.FILE) as arrays:
        assert {*arrays} == {f"{name}.{part}" for name in LAYERS for part in ("kernel", "bias")}
        assert {array.dtype for array in arrays.values()} == {np.dtype("float32")}


def test_every_layer_has_learned_and_no_other_has(whole, demo_weights):
    weights = run.load(whole).weights
    for name, (kernel, _) in weights.items():
        assert np.array_equal(kernel, demo_weights[name][0]) == (name == "fc8"), name


def test_judged_again_it_is_as_good_as_its_record_says(whole):
    tuned, pictures, rows = run.load(whole), drawn(), np.load(whole / "split.npz")["validation"]
    first, second = (tuned.probabilities(pictures.images, cache=False) for _ in range(2))
    np.testing.assert_array_equal(first, second)
    right = first.argmax(1)[rows] == pictures.labels[rows]
    assert right.mean() == pytest.approx(record.read(whole).metrics.validation.accuracy)


def test_of_pictures_in_files_those_are_decoded_that_a_step_needs(place, monkeypatch):
    from PIL import Image

    for i, (picture, label) in enumerate(zip(drawn().images, drawn().labels, strict=True)):
        folder = place / "flowers" / f"kind {label}"
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture).resize((300, 250)).save(folder / f"{i}.png")
    read = []
    decoded = fine_tuning._decoded
    monkeypatch.setattr(fine_tuning, "_decoded", lambda *args: read.append(1) or decoded(*args))
    train = train_finetuning.train

    def noted(*arguments):
        assert not read
        return train(*arguments)

    monkeypatch.setattr(train_finetuning, "train", noted)
    tune("--data", "flowers", *OPTIONS, "--epochs", "1", "--split", "random")
    assert read
    found = record.read("runs/mine")
    assert found.arguments["augment"] == "photos"
    assert found.names == [f"kind {label}" for label in range(4)]


# ---- what it starts from ------------------------------------------------------------------------


@pytest.fixture(scope="module")
def step4(tmp_path_factory, demo_weights):
    options = [*OPTIONS, "--seed", "3"]
    return apart(tmp_path_factory, demo_weights, options, Path.absolute, train_head)


@pytest.fixture
def trained(step4):
    """A run of step 4."""
    shutil.copytree(step4, "runs/step4")
    return "runs/step4"


def test_from_a_run_it_takes_network_head_pictures_and_split(trained, monkeypatch):
    started = []

    def keep(model, *_):
        started.append((model, [value.copy() for value in model.head.get_weights()]))
        raise Killed

    monkeypatch.setattr(train_finetuning, "train", keep)
    with pytest.raises(Killed):
        tune("--run", trained, "--unfreeze", "fc7")
    before, now = record.read(trained), record.read("runs/latest")
    assert (now.split, now.seed, now.names) == (before.split, 3, before.names)
    assert now.start.path == trained
    for found, expected in zip(started[0][1], run.load(trained).head.get_weights(), strict=True):
        np.testing.assert_array_equal(found, expected)


def test_when_the_head_alone_was_better_it_says_so(trained, capsys):
    tune("--run", trained, *CHEAP[-4:-2], "--learning-rate", "1", "--epochs", "1")
    line = capsys.readouterr().err.splitlines()[-1]
    assert line.startswith("No better than runs/step4, which it started from: validation loss ")
    assert "It took few steps (1), or large ones" in line


def test_a_head_with_a_hidden_layer_keeps_it():
    train_head(*OPTIONS[:-1], "deep", "--hidden", "8", "--epochs", "1")
    tune("--run", "runs/deep", *CHEAP[-4:], "--epochs", "1", "--name", "mine")
    assert [value.shape for value in run.load("runs/mine").head.get_weights()] == [
        (512, 8), (8,), (8, 4), (4,),
    ]  # fmt: skip


def test_other_pictures_than_its_run_s_could_have_trained_its_head(trained, capsys):
    line = complaint(capsys, "--run", trained, "--seed", "4")
    assert "was trained with --seed 3, not 4: leave --seed out" in line
    assert "was trained with --limit None, not 8" in complaint(
        capsys, "--run", trained, "--limit", "8"
    )


def test_pictures_that_changed_since_could_have_trained_its_head(trained, capsys, monkeypatch):
    other = drawn()
    other.images[0] += 1
    monkeypatch.setattr(stand_ins, "dataset", lambda subject: other)
    line = complaint(capsys, "--run", trained)
    assert "is not what the run was begun with: it holds other pictures; put it back" in line


def test_layers_that_an_earlier_run_trained_are_kept_though_frozen_now(whole):
    tune("--run", str(whole), "--unfreeze", "fc7", "--epochs", "1", "--name", "more")
    before, now = run.load(whole).weights, run.load("runs/more").weights
    same = {name for name in now if np.array_equal(now[name][0], before[name][0])}
    assert same == {*before} - {"fc7"}
    assert record.read("runs/more").start.path == str(whole)


@pytest.mark.parametrize(
    ("unfreeze", "below", "whole"),
    [("fc8", "fc7", False), ("fc6", "pool5", True), ("conv3", "pool2", True)],
)
def test_what_is_frozen_sees_each_picture_once(monkeypatch, unfreeze, below, whole):
    asked = []

    def noted(pictures, weights, *rest, **options):
        asked.append((rest[-1], options["whole"]))
        return extract(pictures, weights, *rest, **options)

    monkeypatch.setattr("lab.runs.fine_tuning.extract", noted)
    tune(*OPTIONS, "--unfreeze", unfreeze, "--epochs", "1")
    assert asked == [(below, whole)]
    assert record.read("runs/mine").arguments["augment"] == "none"


def test_what_is_too_much_to_keep_is_computed_in_every_epoch(monkeypatch):
    monkeypatch.setattr("lab.runs.fine_tuning.KEPT", 24 * 512 * 2 - 1)
    monkeypatch.setattr(train_finetuning, "train", die_here)
    with pytest.raises(Killed):
        tune(*OPTIONS, "--unfreeze", "fc7")
    assert record.read("runs/mine").arguments["augment"] == "signs"


def test_with_changing_pictures_it_cannot_and_says_so(monkeypatch, capsys):
    monkeypatch.setattr(train_finetuning, "train", die_here)
    with pytest.raises(Killed):
        tune(*OPTIONS, "--unfreeze", "fc7", "--augment", "signs")
    assert "with --augment none up to fc6 once" in capsys.readouterr().err


# ---- killed -------------------------------------------------------------------------------------

CHEAP = [*OPTIONS, "--unfreeze", "fc8", "--learning-rate", "1e-3"]
FILES = [
    "run.json", "best.npz", "history.csv", "000001.npz", "best.npz", "history.csv", "000002.npz",
    "layers.npz", "head.keras", "split.npz", "strangeness.npz", "report.html", "run.json",
]  # fmt: skip


@pytest.fixture(scope="module")
def cheap(tmp_path_factory, demo_weights):
    return apart(tmp_path_factory, demo_weights, CHEAP, left)


@pytest.mark.parametrize("number", [1, 3, 5, 7, 8, 12], ids=lambda number: FILES[number])
def test_killed_it_ends_as_if_it_had_not(cheap, monkeypatch, number):
    with monkeypatch.context() as patch:
        written = at_file(patch, number, die)
        with pytest.raises(Killed):
            tune(*CHEAP)
    assert written == FILES[: number + 1]
    tune("--resume")
    assert left("runs/mine") == cheap


def test_dropout_goes_on_where_it_was(monkeypatch):
    options = [*OPTIONS[:-1], "whole", "--unfreeze", "fc7", "--dropout", "0.5"]
    tune(*options)
    with monkeypatch.context() as patch:
        patch.setattr(begun.Begun, "watch", die_here)
        with pytest.raises(Killed):
            tune(*options[:-5], "mine", *options[-4:])
    tune("--resume", "--name", "mine")
    assert left("runs/mine") == left("runs/whole")


def test_the_run_it_was_begun_from_must_be_as_it_was(trained, capsys, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(begun.Begun, "watch", die_here)
        with pytest.raises(Killed):
            tune("--run", trained, "--unfreeze", "fc8", "--name", "mine")
    head = Path(trained, "head.keras")
    other = run.load(trained).head
    other.set_weights([value + 1 for value in other.get_weights()])
    other.save(head)
    line = complaint(capsys, "--resume", "--name", "mine")
    assert f"{trained} is not as it was when the run was begun from it" in line


def test_begun_from_the_latest_run_it_goes_on_from_that_though_another_is_the_latest(
    trained, monkeypatch
):
    with monkeypatch.context() as patch:
        patch.setattr(begun.Begun, "watch", die_here)
        with pytest.raises(Killed):
            tune("--run", "runs/latest", *CHEAP[-4:], "--epochs", "1", "--name", "mine")
    train_feature_extraction.main([*OPTIONS[:-1], "another"])
    tune("--resume", "--name", "mine")
    assert record.read("runs/mine").start.path == trained


# ---- what is wrong ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "found"),
    [
        (["--unfreeze", "conv9"], "--unfreeze conv9: expected one of all, conv1, conv2"),
        (["--run", "nowhere"], "nowhere: expected a training run"),
        (["--distribute", "mirrored"], "expected several graphics cards, found none"),
        (["--dropout", "1"], "expected a number from 0 to 0.9, found 1"),
        (["--augment", "flip"], "invalid choice: 'flip'"),
    ],
)
def test_bad_options_are_one_line(capsys, options, found):
    assert found in complaint(capsys, *OPTIONS, *options)
    assert not list(Path().glob("runs/*"))


def test_a_run_whose_layers_are_gone_says_so(whole, tmp_path):
    for name in ("run.json", "head.keras", "strangeness.npz", "split.npz"):
        (tmp_path / name).write_bytes((whole / name).read_bytes())
    with pytest.raises(FileNotFoundError, match=r"layers.npz is not there; train again"):
        run.load(tmp_path)


def test_a_run_stopped_half_way_names_the_script_it_goes_on_with(capsys, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(train_finetuning, "train", die_here)
        with pytest.raises(Killed):
            tune(*CHEAP)
    assert json.loads(Path("runs/mine/run.json").read_text())["method"] == "fine-tuning"
    line = complaint(capsys, "--run", "runs/mine")
    assert "was stopped: go on with `python train_finetuning.py --resume`" in line
    train_feature_extraction.main([*OPTIONS[:-1], "another"])
    line = complaint(capsys, "--run", "runs/mine")
    assert "go on with `python train_finetuning.py --resume --name mine`" in line


# ---- on several devices -------------------------------------------------------------------------


def test_two_devices_come_to_the_losses_of_one_also_with_an_odd_batch():
    tests = Path(__file__).parent
    paths = os.pathsep.join(map(str, (PROJECT, tests, tests.parent)))
    ran = subprocess.run(
        [sys.executable, tests / "two_devices.py"], env=os.environ | {"PYTHONPATH": paths},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr[-2000:]
    one, two = json.loads(ran.stdout)
    assert len(one) == 3
    for epoch, other in zip(one, two, strict=True):
        for figure in ("loss", "accuracy", "val_loss", "val_accuracy"):
            assert other[figure] == pytest.approx(epoch[figure], rel=1e-4), figure
