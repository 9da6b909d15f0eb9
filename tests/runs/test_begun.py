"""A training under way: wherever it is killed, or finds no room, --resume ends it as if not."""

import errno
import json
import os
import pickle
import shutil
import signal
import subprocess
import sys
from argparse import Namespace
from pathlib import Path

import numpy as np
import pytest
from conftest import PROJECT
from PIL import Image
from records import RECORD

import train_feature_extraction
from lab import files
from lab.data.dataset import Dataset
from lab.demo import stand_ins
from lab.runs import begun, evaluation, folders, plots, record
from lab.training import heads, keeper, tuned_layers

CLASSES = 4
OPTIONS = ["--demo", "--epochs", "2", "--patience", "2", "--split", "track", "--name", "mine"]
WEIGHTS = {"fc8": (np.zeros((2, 2), np.float32), np.zeros(2, np.float32))}
WRITE = files.replace
PLOTS = ("learning_curves", "confusion", "mistakes", "class_balance", "reliability")


def drawn(*_):
    """60 pictures of 4 classes, three of each track; the class is how bright they are."""
    labels = np.arange(60) // 3 % CLASSES
    noise = np.random.default_rng(0).integers(0, 60, (60, 8, 8, 3))
    pictures = (60 * labels[:, None, None, None] + noise).astype(np.uint8)
    names = [f"class {label}" for label in range(CLASSES)]
    return Dataset(pictures, labels, names, np.arange(60) // 3)


def pixels_of(pictures, *_):
    """The stand-in for fc7."""
    if not isinstance(pictures, np.ndarray):
        pictures = np.stack([np.asarray(Image.open(path)) for path in pictures])
    pixels = pictures.reshape(len(pictures), -1)
    return np.pad(pixels / np.float16(255), [(0, 0), (0, 4096 - pixels.shape[1])])


def draw_nothing(*arguments):
    Path(arguments[-1]).write_bytes(b"PNG")


def stand_in(patch):
    """Let the program train in a second: without network, and without plots."""
    patch(stand_ins, "dataset", drawn)
    patch(stand_ins, "weights", lambda network: WEIGHTS)
    patch(begun, "extract", pixels_of)
    for name in PLOTS:
        patch(plots, name, draw_nothing)


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    stand_in(monkeypatch.setattr)
    return tmp_path


def train(*options):
    train_feature_extraction.main(list(options))


def complaint(capsys, *options, train=train):
    """The last line on stderr of a training that ends with exit 2."""
    capsys.readouterr()
    with pytest.raises(SystemExit) as stop:
        train(*options)
    assert stop.value.code == 2
    line = capsys.readouterr().err.splitlines()[-1]
    assert line.isprintable()
    return line


# ---- what is left -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """What a training leaves that nothing stopped."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("whole"))
        stand_in(patch.setattr)
        train(*OPTIONS)
        return left("runs/mine")


def left(folder):
    """What is in a run folder, but for what tells times: file -> content."""
    folder = Path(folder)
    found = record.read(folder)
    content = {path.name: path.read_bytes() for path in folder.glob("*.png")}
    for name in ("split.npz", "strangeness.npz"):
        with np.load(folder / name) as arrays:
            content[name] = {key: arrays[key].tolist() for key in arrays}
    kernel, bias = heads.load(folder / "head.keras", 4096, CLASSES).get_weights()
    content["head.keras"] = kernel.tobytes() + bias.tobytes()
    content["run.json"] = found.metrics, found.best_epoch, found.names, found.split
    rows = record.read_history(folder)
    content["history.csv"] = [{**row, "seconds": 0} for row in rows]
    page = (folder / "report.html").read_text()
    content["report.html"] = f"{found.metrics.validation.accuracy:.1%}" in page
    others = {path.name for path in folder.iterdir()} - {*content}
    return content | dict.fromkeys(others)


def test_a_run_folder_holds_what_a_training_leaves_and_no_more(whole):
    assert {*whole} == {
        "head.keras", "split.npz", "strangeness.npz", "history.csv", "run.json", "report.html",
        "lock", *[f"{name}.png" for name in PLOTS],
    }  # fmt: skip
    assert whole["report.html"]


def test_the_strangeness_of_a_run_is_that_of_its_features_and_its_figure_one_of_false_alarms(whole):
    usual, run = whole["strangeness.npz"], whole["run.json"][0].validation
    assert np.shape(usual["mean"]) == (4096,)
    assert len(usual["centres"]) == CLASSES
    assert 0 <= run.strange <= 0.5


# ---- killed -------------------------------------------------------------------------------------


class Killed(BaseException):
    """Nothing catches it."""


def at_file(monkeypatch, number, do):
    """Let file `number` of those that a training writes, counted from 0, be written by `do`."""
    move, begun_files = files.replace, []

    def counted(path, write):
        begun_files.append(path.name)
        return do(path, write) if len(begun_files) == number + 1 else move(path, write)

    for module in (files, begun, keeper, tuned_layers):
        monkeypatch.setattr(module, "replace", counted)
    return begun_files


def die(path, write):
    path.with_name(f"unfinished-{path.name}").write_bytes(b"half")
    raise Killed


def die_here(*_, **__):
    raise Killed


def killed(monkeypatch, where, *options):
    """Train until the program dies; `where` is a function that sees to that."""
    with monkeypatch.context() as patch:
        where(patch)
        with pytest.raises(Killed):
            train(*options)


def after_an_epoch(patch):
    patch.setattr(begun.Begun, "watch", die_here)


# All that a training of two epochs writes, in turn; the first before it can be gone on with.
FILES = [
    "run.json", "best.npz", "history.csv", "000001.npz", "best.npz", "history.csv", "000002.npz",
    "head.keras", "split.npz", "strangeness.npz", "report.html", "run.json",
]  # fmt: skip


def test_these_are_the_files_it_writes(monkeypatch):
    written = at_file(monkeypatch, 99, None)
    train(*OPTIONS)
    assert written == FILES


@pytest.mark.parametrize("number", range(1, len(FILES)), ids=FILES[1:])
def test_killed_at_any_file_it_ends_as_if_it_had_not(whole, monkeypatch, number):
    killed(monkeypatch, lambda patch: at_file(patch, number, die), *OPTIONS)
    train("--resume")
    assert left("runs/mine") == whole


def test_killed_before_it_is_on_record_its_name_is_free(whole, monkeypatch, capsys):
    killed(monkeypatch, lambda patch: at_file(patch, 0, die), *OPTIONS)
    assert "expected a training run to go on with" in complaint(capsys, "--resume")
    train(*OPTIONS)
    assert left("runs/mine") == whole


def test_killed_between_its_folder_and_latest_it_is_still_the_last(whole, monkeypatch):
    killed(monkeypatch, lambda patch: patch.setattr(folders, "point", die_here), *OPTIONS)
    assert not Path("runs/latest").exists()
    train("--resume")
    assert left("runs/mine") == whole


def test_killed_before_the_checkpoints_are_removed_it_has_ended(whole, monkeypatch, capsys):
    killed(monkeypatch, lambda patch: patch.setattr(begun, "rmtree", die_here), *OPTIONS)
    assert Path("runs/mine/checkpoints/best.npz").exists()
    assert "this training has ended" in complaint(capsys, "--resume")
    assert left("runs/mine") == whole


def test_what_was_begun_with_lbfgs_ends_with_its_penalty(monkeypatch, capsys):
    options = [*OPTIONS, "--solver", "lbfgs"]
    killed(monkeypatch, lambda patch: patch.setattr(begun.Begun, "finish", die_here), *options)
    capsys.readouterr()
    train("--resume")
    assert capsys.readouterr().out.splitlines()[-2].startswith("Best L2 penalty by validation loss")


PROGRAM = """
import os, sys
sys.path[:0] = ["{project}", "{project}/tests", "{project}/tests/runs"]
import test_begun
test_begun.stand_in(setattr)
from lab.runs import record
write, times = record.write, []
def written(*arguments):
    times.append(1)
    if len(times) == 2:
        os.kill(os.getpid(), 9)
    write(*arguments)
record.write = written
test_begun.train(*sys.argv[1:])
"""


def test_the_program_itself_may_be_killed(whole):
    """Before the record that says it has ended."""
    code = PROGRAM.format(project=PROJECT)
    died = subprocess.run([sys.executable, "-c", code, *OPTIONS], capture_output=True, text=True)
    assert died.returncode == -signal.SIGKILL, died.stderr
    assert Path("runs/mine/report.html").exists()
    assert not record.read("runs/mine").ended
    train("--resume")
    assert left("runs/mine") == whole


# ---- one program at a time ----------------------------------------------------------------------


def test_of_two_that_go_on_with_one_run_the_second_says_so(monkeypatch, capsys):
    killed(monkeypatch, after_an_epoch, *OPTIONS)
    before = {path: path.read_bytes() for path in Path("runs").rglob("*") if path.is_file()}
    with folders.held(Path("runs/mine")):
        line = complaint(capsys, "--resume")
    assert "runs/mine: another program is at work in this run: wait for it to end" in line
    assert {path: path.read_bytes() for path in before} == before
    train("--resume")


def test_a_training_holds_its_folder_until_it_ends(monkeypatch):
    held = []

    def watch(run, history):
        with pytest.raises(OSError, match="another program is at work"):
            folders.held(run.folder).__enter__()
        held.append(len(history))

    monkeypatch.setattr(begun.Begun, "watch", watch)
    train(*OPTIONS)
    assert held == [1, 2]
    with folders.held(Path("runs/mine")):
        pass


# ---- no room ------------------------------------------------------------------------------------


def full(path, write):
    def half(file):
        file.write_bytes(b"half")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    WRITE(path, half)


@pytest.mark.parametrize("number", range(4, len(FILES)), ids=FILES[4:])
def test_a_full_disk_is_one_line_and_going_on_ends_it(whole, monkeypatch, capsys, number):
    with monkeypatch.context() as patch:
        at_file(patch, number, full)
        line = complaint(capsys, *OPTIONS)
    assert f"/{FILES[number]}: cannot be written (No space left on device); free some space" in line
    assert line.endswith(", then go on with --resume")
    assert not list(Path("runs").rglob("unfinished-*"))
    train("--resume")
    assert left("runs/mine") == whole


def test_a_disk_full_from_the_start_does_not_say_resume(monkeypatch, capsys):
    with monkeypatch.context() as patch:
        at_file(patch, 0, full)
        line = complaint(capsys, *OPTIONS)
    assert line.endswith("run.json: cannot be written (No space left on device); free some space")
    train(*OPTIONS)


def test_curves_that_cannot_be_written_are_one_line(whole, capsys):
    Path("runs").mkdir()
    Path("runs/tensorboard").touch()
    line = complaint(capsys, *OPTIONS)
    assert "runs/tensorboard/mine: cannot be written; free some space" in line
    assert line.endswith("go on with --resume")
    Path("runs/tensorboard").unlink()
    train("--resume")
    assert left("runs/mine") == whole


# ---- what it was begun with ---------------------------------------------------------------------

FIRST, LAST = "signs/class 1/03.png", "signs/class 3/59.png"


@pytest.fixture
def stopped(monkeypatch):
    """A run on a folder of pictures that was stopped."""
    for row, (picture, label) in enumerate(zip(drawn().images, drawn().labels, strict=True)):
        path = Path(f"signs/class {label}/{row:02}.png")
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture).save(path)
    killed(monkeypatch, after_an_epoch, "--data", "signs", *OPTIONS, "--split", "random")


@pytest.mark.usefixtures("stopped")
@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda: Path(FIRST).unlink(), "class 1/03.png is gone"),
        (lambda: Path(FIRST).rename("signs/class 1/99.png"), "class 1/03.png is gone"),
        (lambda: shutil.copy(LAST, "signs/class 3/99.png"), "class 3/99.png was not there"),
        (lambda: shutil.copyfile(FIRST, LAST), "class 3/59.png was changed last"),
        (
            lambda: Path("signs/class 1").rename("signs/class 1b"),
            "the class class 1 is gone, class 1b was not there",
        ),
        (
            lambda: shutil.copytree("signs/class 1", "signs/class 9"),
            "the class class 9 was not there",
        ),
        (
            lambda: Path("signs/class 0/50.png").rename("signs/class 1/00.png"),
            "class 0/50.png is gone",
        ),
    ],
)
def test_what_is_another_among_the_pictures_is_named(change, said, capsys):
    change()
    line = complaint(capsys, "--resume")
    assert f"runs/mine: signs is not what the run was begun with: {said}; put it back" in line
    assert "{" not in line


@pytest.mark.usefixtures("stopped")
def test_with_a_limit_a_picture_that_is_there_is_not_said_to_be_gone(capsys, monkeypatch):
    options = ["--data", "signs", "--limit", "20", "--split", "random", "--demo", "--name", "few"]
    killed(monkeypatch, after_an_epoch, *options)
    names = Path("runs/few/pictures.txt").read_text().splitlines()
    assert len(names) == 20
    (Path("signs") / names[7]).unlink()
    assert f": {names[7]} is gone;" in complaint(capsys, "--resume", "--name", "few")


@pytest.mark.usefixtures("stopped")
def test_pictures_that_are_there_again_are_gone_on_with(capsys):
    Path("signs").rename("away")
    assert "signs is not there" in complaint(capsys, "--resume")
    Path("away").rename("signs")
    train("--resume")
    assert record.read("runs/mine").ended


@pytest.mark.usefixtures("stopped")
def test_names_that_were_not_noted_or_are_damaged_are_done_without(capsys):
    Path("signs/class 1/03.png").unlink()
    noted = Path("runs/mine/pictures.txt")
    for damage in (lambda: noted.write_bytes(b"\xff"), noted.unlink, lambda: os.mkfifo(noted)):
        damage()
        assert "begun with: its pictures are others; put it back" in complaint(capsys, "--resume")


def test_other_weights_or_another_split_are_refused(monkeypatch, capsys):
    killed(monkeypatch, after_an_epoch, *OPTIONS)
    with monkeypatch.context() as patch:
        other = {"fc8": (np.ones((2, 2), np.float32), np.zeros(2, np.float32))}
        patch.setattr(stand_ins, "weights", lambda network: other)
        line = complaint(capsys, "--resume")
    assert "random weights (--demo) holds other weights than the run was begun with" in line
    path = Path("runs/mine/run.json")
    text = path.read_text()
    path.write_text(text.replace('"kind": "track"', '"kind": "random"'))
    assert "its pictures were split otherwise" in complaint(capsys, "--resume")
    path.write_text(text.replace('"feature extraction"', '"fine-tuning"'))
    assert "is a run of fine-tuning: go on with it where it was begun" in complaint(
        capsys, "--resume"
    )


# ---- records of the version before --------------------------------------------------------------


def older(folder, **arguments):
    """Let the record be as the version before wrote it."""
    path = Path(folder, "run.json")
    found = json.loads(path.read_text())
    del found["method"], found["layer"], found["split"]["by"]
    for name in ("network", "layer", "name"):
        del found["arguments"][name]
    found["arguments"] |= {"weights": "bvlc-alexnet.npy", "data": "train.p", **arguments}
    path.write_text(json.dumps(found))


def test_a_demo_of_the_version_before_is_gone_on_with(whole, monkeypatch):
    """It had --weights and --data on record even where it had made both up."""
    killed(monkeypatch, after_an_epoch, *OPTIONS)
    older("runs/mine", head=None)
    train("--resume")
    assert left("runs/mine") == whole


def interrupt(*_):
    raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("options", "more"),
    [(OPTIONS, ""), ([*OPTIONS, "--out", "my runs"], " --out 'my runs'")],
)
def test_who_interrupts_is_told_how_to_go_on(monkeypatch, capsys, options, more):
    monkeypatch.setattr(begun.Begun, "watch", interrupt)
    with pytest.raises(SystemExit, match="130"):
        train(*options)
    said = f"interrupted; go on with `python train_feature_extraction.py --resume{more}`"
    assert capsys.readouterr().err.splitlines()[-1] == said


def test_who_interrupts_before_anything_is_kept_is_told_nothing_of_going_on(monkeypatch, capsys):
    monkeypatch.setattr(begun.Begun, "keep", interrupt)
    with pytest.raises(SystemExit, match="130"):
        train(*OPTIONS)
    assert capsys.readouterr().err.splitlines()[-1] == "interrupted"


def test_options_that_are_ignored_when_going_on_are_named(whole, monkeypatch, capsys):
    killed(monkeypatch, after_an_epoch, *OPTIONS)
    train("--resume", "--epochs", "40", "--patience", "2", "--no-cache", "--val-fraction", "0.5")
    said = "; what is asked for now is ignored: --val-fraction, --no-cache, --epochs\n"
    assert said in capsys.readouterr().err
    assert left("runs/mine") == whole


def test_nothing_is_ignored_of_what_it_was_begun_with(monkeypatch, capsys):
    killed(monkeypatch, after_an_epoch, *OPTIONS)
    train("--resume", *OPTIONS)
    assert "is ignored" not in capsys.readouterr().err


def test_other_pictures_drawn_by_another_version_cannot_be_put_back(monkeypatch, capsys):
    killed(monkeypatch, after_an_epoch, *OPTIONS)
    few = drawn().take(np.arange(57))
    monkeypatch.setattr(stand_ins, "dataset", lambda subject: few)
    line = complaint(capsys, "--resume")
    assert line.endswith("holds other pictures; leave --resume out to start another run")


def test_an_option_that_is_no_more_is_refused_with_a_sentence(monkeypatch, capsys):
    killed(monkeypatch, after_an_epoch, *OPTIONS)
    older("runs/mine", projector=True)
    line = complaint(capsys, "--resume")
    assert "runs/mine/run.json: projector: no option of this version; leave --resume out" in line


def test_a_class_on_one_side_of_the_split_alone_is_named_with_what_comes_of_it(capsys):
    dataset = drawn()
    few = dataset.take(np.flatnonzero((dataset.labels != 3) | (dataset.tracks == 3)))
    begun._split(few, Namespace(split=None, group_pattern=None, val_fraction=0.3, seed=0))
    begun._name_absent(dataset, (np.flatnonzero(dataset.labels != 2), np.arange(60)))
    assert capsys.readouterr().err.splitlines() == [
        "Classes with too few pictures, or groups, to validate with: class 3: they are learned, "
        "but how well is not measured",
        "Classes with too few pictures, or groups, to train with: class 2: nothing learns to tell "
        "them, so all their pictures are mistaken",
    ]


# ---- names --------------------------------------------------------------------------------------


def test_a_run_is_called_and_put_as_asked(whole):
    train(*OPTIONS[:-2], "--out", "my/runs", "--name", "first-try")
    assert record.read("my/runs/first-try").arguments["name"] == "first-try"
    assert Path("my/runs/latest").resolve() == Path("my/runs/first-try").resolve()
    assert not Path("runs").exists()


def test_a_name_that_another_program_took_meanwhile_is_not_written_over(monkeypatch, capsys):
    def extract(*arguments):
        Path("runs/mine").mkdir()
        Path("runs/mine/run.json").write_text(json.dumps(RECORD))
        return pixels_of(*arguments)

    monkeypatch.setattr(begun, "extract", extract)
    assert "runs/mine is there already" in complaint(capsys, *OPTIONS)
    assert json.loads(Path("runs/mine/run.json").read_text()) == RECORD


def test_what_cannot_be_put_on_record_is_said_before_the_work(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["train.py", "--out", "\udcff"])
    line = complaint(capsys, *OPTIONS)
    assert "the run cannot be put on record: " in line
    assert "surrogates not allowed" in line
    assert not Path("runs").exists()


def test_the_training_pictures_of_a_run_are_found_again(monkeypatch, place):
    """Whatever `--limit` it was begun with."""
    (place / "train.p").write_bytes(
        pickle.dumps(
            {"features": np.zeros((86, 32, 32, 3), np.uint8), "labels": np.arange(86) % 43}
        )
    )
    train("--data", "train.p", "--limit", "60", *OPTIONS[:-4], "--split", "random", "--name", "few")
    run = Namespace(folder=Path("runs/few"), record=record.read("runs/few"))
    dataset, rows = evaluation.training_pictures(run, "train again")
    assert (len(dataset), len(rows)) == (60, run.record.split.validation)
