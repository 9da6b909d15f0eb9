"""The four lessons from the command line: what they print, and what bad input ends in."""

import errno
import json
import os
import pickle
import re
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import pytest
from conftest import PROJECT
from PIL import Image
from sklearn.datasets import load_sample_image

import feature_extraction
import imagenet_inference
import traffic_sign_inference
import train_feature_extraction
from caffe_classes import class_names
from lab import inputs
from lab.data.dataset import sign_names
from lab.demo import stand_ins
from lab.demo.signs import draw
from lab.features.extraction import extract
from lab.networks import ALEXNET
from lab.runs import begun, plots, record
from lab.runs.run import load as load_run
from lab.training import heads

INFERENCE = [imagenet_inference, traffic_sign_inference, feature_extraction]
LESSONS = [*INFERENCE, train_feature_extraction]


@pytest.fixture(scope="module")
def drawn():
    return draw(300)


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch, demo_weights, drawn):
    """An empty current folder; what --demo makes up is made once for all tests, and smaller."""

    def dataset(*_):
        stand_ins.notice("DEMO: signs stand in for train.p.")
        return drawn

    def weights(network):
        stand_ins.notice("DEMO: random weights stand in for bvlc-alexnet.npy.")
        return demo_weights

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(stand_ins, "dataset", dataset)
    monkeypatch.setattr(stand_ins, "weights", weights)
    return tmp_path


@pytest.fixture
def real_weights(monkeypatch, demo_weights, tmp_path_factory):
    """`bvlc-alexnet.npy` as if it were beside the scripts."""
    monkeypatch.setattr(inputs, "LAB", tmp_path_factory.mktemp("lab"))
    (inputs.LAB / "bvlc-alexnet.npy").touch()
    monkeypatch.setattr("alexnet.load_weights", lambda path: demo_weights)


@pytest.fixture
def quick(monkeypatch):
    """Training without the network and without plots: pictures give their own pixels."""

    def pixels_of(pictures, *_):
        if not isinstance(pictures, np.ndarray):
            pictures = np.stack([np.asarray(Image.open(path)) for path in pictures])
        pixels = pictures.reshape(len(pictures), -1)
        return np.pad(pixels / np.float16(255), [(0, 0), (0, 4096 - pixels.shape[1])])

    monkeypatch.setattr(begun, "extract", pixels_of)
    for name in ("learning_curves", "confusion", "mistakes", "class_balance", "reliability"):
        monkeypatch.setattr(plots, name, lambda *_: None)
    monkeypatch.setattr(begun.report, "write", lambda *_: None)


def run(script, *arguments):
    script.main([str(argument) for argument in arguments])


@pytest.fixture
def complaint(capsys):
    """A function that runs a script which must end with one line on stderr: that line."""

    def complain(script, *arguments):
        with pytest.raises(SystemExit) as stop:
            run(script, *arguments)
        said = capsys.readouterr()
        assert stop.value.code == 2
        assert not said.out
        *notices, line = said.err.splitlines()
        assert all(
            re.match("DEMO: |The new layer|Which pictures|Going on|.* train, ", notice)
            or notice.startswith(("Computing on", "Classes with too few"))
            for notice in notices
        ), said.err
        assert line.isprintable()
        assert len(line) < 700
        return line

    return complain


def image(path, mode="RGB", size=(40, 30), **options):
    pixels = np.random.default_rng(0).integers(0, 256, (*size[::-1], 3), np.uint8)
    picture = Image.fromarray(pixels)
    if mode == "I;16":
        picture = Image.fromarray(pixels[..., 0].astype(np.uint16) * 257)
    elif mode != "RGB":
        picture = picture.convert(mode)
    picture.save(path, **options)
    return path


def course_file(path, **changes):
    drawn = draw(86)
    content = {"features": drawn.images, "labels": drawn.labels} | changes
    path.write_bytes(pickle.dumps(content))
    return path


# ---- what they print ----------------------------------------------------------------------------

STRANGE = r"Unlike anything it was trained on \(strangeness (\d+\.\d)\)"
TIME = r"Time: \d+\.\d{3} seconds\n"


def names_and_probabilities(printed, pictures, top):
    """The blocks of the course's format: a list of (name, probability) for each picture."""
    line = r".+: [01]\.\d{3}\n"
    head = rf"(?:File: .+\n)?(?:{STRANGE}\n)?"
    blocks = "".join(rf"Image {n}\n{head}(?:{line}){{{top}}}\n" for n in range(pictures))
    assert re.fullmatch(blocks + TIME, printed), printed
    return [
        [(name, float(value)) for name, value in re.findall(r"(?m)^(.+): ([01]\.\d{3})$", block)]
        for block in re.split(r"Image \d+\n", printed.split("Time: ")[0])[1:]
    ]


@pytest.mark.parametrize("script", INFERENCE)
@pytest.mark.parametrize("top", [1, 5])
def test_the_demo_prints_what_the_course_printed_and_says_so_beside_it(script, top, capsys):
    run(script, "--demo", "--top", top)
    said = capsys.readouterr()
    blocks = names_and_probabilities(said.out, pictures=2, top=top)
    known = sign_names() if script is feature_extraction else class_names
    for block in blocks:
        assert {name for name, _ in block} <= set(known)
        assert sorted((value for _, value in block), reverse=True) == [v for _, v in block]
    assert said.err.count("DEMO: ") == 2
    assert "Computing on the " in said.err


@pytest.mark.parametrize("script", INFERENCE)
def test_more_names_than_there_are_are_all_of_them(script, real_weights, tmp_path, capsys):
    run(script, image(tmp_path / "a.png"), "--top", 5000)
    classes = 43 if script is feature_extraction else 1000
    (block,) = names_and_probabilities(capsys.readouterr().out, 1, classes)
    assert sum(value for _, value in block) == pytest.approx(1, abs=0.0005 * classes)


def test_the_picture_named_first_is_image_0(real_weights, tmp_path, capsys):
    one, other = image(tmp_path / "a.png"), image(tmp_path / "b.png", size=(227, 300))
    for order in ([one, other], [other, one]):
        run(imagenet_inference, *order)
    first, second = capsys.readouterr().out.split("seconds\n")[:2]
    blocks = [re.split(r"Image \d\nFile: .*|Time", text)[1:3] for text in (first, second)]
    assert blocks[0] == blocks[1][::-1]
    assert blocks[0][0] != blocks[0][1]


@pytest.mark.parametrize("script", INFERENCE)
def test_a_folder_stands_for_its_pictures_and_each_is_named(script, real_weights, place, capsys):
    (place / "mine/deeper").mkdir(parents=True)
    for name in ("b.png", "a.jpg", "deeper/c.png"):
        image(place / "mine" / name)
    run(script, "mine", "--top", 1)
    said = capsys.readouterr().out
    names_and_probabilities(said, 3, 1)
    found = re.findall(r"Image (\d)\nFile: (.*)\n", said)
    assert found == [("0", "mine/a.jpg"), ("1", "mine/b.png"), ("2", "mine/deeper/c.png")]


@pytest.mark.parametrize("script", INFERENCE)
def test_a_table_has_what_would_be_printed(script, real_weights, place, capsys):
    (place / "mine").mkdir()
    for number in range(70):  # more than two batches
        image(place / f"mine/{number:02}.png", size=(20 + number, 30))
    run(script, "mine", "--top", 2, "--csv", "table.csv")
    assert capsys.readouterr().out.startswith("table.csv\nTime: ")
    table = pd.read_csv(place / "table.csv")
    assert list(table) == ["file", "rank", "name", "probability"]
    assert table["file"].tolist() == [f"mine/{n:02}.png" for n in range(70) for _ in range(2)]
    assert table["rank"].tolist() == [1, 2] * 70
    run(script, "mine/69.png", "--top", 2)
    (block,) = names_and_probabilities(capsys.readouterr().out, 1, 2)
    assert [name for name, _ in block] == table["name"].tolist()[-2:]
    np.testing.assert_allclose(
        [value for _, value in block], table["probability"][-2:], atol=0.0006
    )


def test_the_conventions_differ(real_weights, tmp_path, capsys):
    path = image(tmp_path / "a.png")
    printed = []
    for convention in ("caffe", "course"):
        run(imagenet_inference, path, "--preprocess", convention)
        printed.append(names_and_probabilities(capsys.readouterr().out, 1, 5))
    assert printed[0] != printed[1]


@pytest.mark.parametrize(
    ("mode", "suffix"),
    [("L", "png"), ("P", "png"), ("RGBA", "png"), ("I;16", "png"), ("CMYK", "jpg"), ("1", "png"),
     ("LA", "png"), ("RGB", "jpg")],
)  # fmt: skip
def test_pictures_of_every_kind_just_work(real_weights, tmp_path, capsys, mode, suffix):
    run(traffic_sign_inference, image(tmp_path / f"a.{suffix}", mode), "--top", 1)
    names_and_probabilities(capsys.readouterr().out, 1, 1)


def test_a_figure_is_drawn(tmp_path):
    run(imagenet_inference, "--demo", "--figure", tmp_path / "figure.png")
    assert np.asarray(Image.open(tmp_path / "figure.png")).std() > 10


def test_an_untrained_layer_guesses_and_its_seed_decides_what(capsys):
    printed = []
    for seed in (0, 0, 1):
        run(feature_extraction, "--demo", "--seed", seed)
        said = capsys.readouterr()
        assert "untrained" in said.err
        printed.append(names_and_probabilities(said.out, 2, 5))
    assert printed[0] == printed[1] != printed[2]


# ---- training -----------------------------------------------------------------------------------

EPOCH = rf"Epoch \d+\n{TIME}Validation Loss = \d+\.\d{{6}}\nValidation Accuracy = [01]\.\d{{6}}\n\n"


OPTIONS = ["--demo", "--limit", "250", "--epochs", "30", "--patience", "30", "--split", "random"]


@pytest.fixture(scope="module")
def trained(tmp_path_factory, demo_weights):
    """The folder of a training by the program itself, killed and resumed, and what it then said."""
    folder = tmp_path_factory.mktemp("trained")
    program = "from lab.demo import stand_ins; stand_ins.SIGNS = 300\n"
    program += "import train_feature_extraction; train_feature_extraction.main()"

    def start(*more):
        return subprocess.Popen(
            [sys.executable, "-c", program, *OPTIONS, *more],
            cwd=folder,
            env=os.environ | {"PYTHONPATH": str(PROJECT)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    process = start()
    next(line for line in process.stdout if line.startswith("Validation Accuracy"))
    time.sleep(0.3)
    process.kill()
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    process = start("--resume")
    out, err = process.communicate(timeout=100)
    assert process.returncode == 0, err
    return folder, out, err


@pytest.fixture
def finished(trained, place):
    """The folder of a training that ended, free to be damaged."""
    shutil.copytree(trained[0] / "runs", place / "runs", symlinks=True)
    return (place / "runs/latest").resolve()


def test_a_killed_training_goes_on_and_prints_the_other_epochs(trained):
    _, out, err = trained
    done = int(re.search(r"Going on after epoch (\d+)\n", err)[1])
    assert "begun with: python -c --demo --limit 250" in err
    assert 1 <= done < 30
    assert re.match(f"(?:{EPOCH}){{{30 - done}}}Best epoch by validation loss: ", out), out
    assert [int(n) for n in re.findall(r"Epoch (\d+)", out)] == [*range(done + 1, 31)]


def test_a_random_split_says_what_it_flatters_by(trained):
    accuracies = re.search(
        r", accuracy ([\d.]+)\nOn signs never seen \(--split track\) the same training "
        r"reaches ([\d.]+): the random split flatters by (-?[\d.]+), ",
        trained[1],
    )
    seen, unseen, difference = map(float, accuracies.groups())
    assert difference == pytest.approx(seen - unseen, abs=0.002)


def test_the_run_folder_has_all_a_training_leaves(trained):
    folder, out, _ = trained
    latest = folder / "runs/latest"
    for name in ("head.keras", "run.json", "history.csv", "report.html", "split.npz",
                 "learning_curves.png", "confusion.png"):  # fmt: skip
        assert (latest / name).exists(), name
    assert re.search(r"Report: (.*)\n$", out)[1] == f"runs/{latest.resolve().name}/report.html"
    record = json.loads((latest / "run.json").read_text())
    history = pd.read_csv(latest / "history.csv")
    assert list(history["epoch"]) == [*range(1, 31)]
    assert record["best_epoch"] == history["val_loss"].argmin() + 1
    best = history["val_accuracy"][record["best_epoch"] - 1]
    assert record["metrics"]["validation"]["accuracy"] == pytest.approx(best)
    assert f", accuracy {best:.3f}\n" in out
    assert (record["split"]["kind"], record["data"]["pictures"]) == ("random", 250)


@pytest.mark.usefixtures("quick")
def test_an_uninterrupted_training_ends_in_the_same_head(trained, place, monkeypatch):
    """On the same features, which the killed program left on disk."""
    precision = record.read(trained[0] / "runs/latest").precision
    (cached,) = (trained[0] / ".cache/features").glob("*/features.f16")
    fc7 = np.memmap(cached, np.float16, "r", shape=(250, 4096))
    monkeypatch.setattr(begun, "extract", lambda *_: fc7)
    monkeypatch.setattr(begun.Begun, "tell_what_random_hides", lambda *_: None)
    run(train_feature_extraction, *OPTIONS, "--precision", precision)
    mine, theirs = (
        heads.load(folder / "runs/latest/head.keras", 4096, 43).get_weights()
        for folder in (place, trained[0])
    )
    np.testing.assert_array_equal(mine[0], theirs[0])
    np.testing.assert_array_equal(mine[1], theirs[1])


def test_the_trained_head_names_signs_as_its_numbers_say(trained, demo_weights, capsys):
    folder = trained[0] / "runs/latest"
    run(feature_extraction, "--run", folder)
    said = capsys.readouterr()
    assert "untrained" not in said.err
    kernel, bias = heads.load(folder / "head.keras", 4096, 43).get_weights()
    signs = np.stack(list(stand_ins.signs().values()))
    precision = record.read(folder).precision
    fc7 = extract(signs, demo_weights, precision=precision, cache=False).astype(np.float64)
    fc7 -= fc7.mean(axis=1, keepdims=True)
    fc7 /= np.sqrt(fc7.var(axis=1, keepdims=True) + 1e-3)
    scores = np.exp(fc7 @ kernel + bias)
    expected = scores / scores.sum(axis=1, keepdims=True)
    for row, block in zip(expected, names_and_probabilities(said.out, 2, 5), strict=True):
        best = np.argsort(-row)[:5]
        assert [name for name, _ in block] == [sign_names()[label] for label in best]
        np.testing.assert_allclose([value for _, value in block], row[best], atol=2e-3)


def test_a_photograph_is_said_to_be_unlike_signs_before_it_is_called_one(
    finished, place, capsys, drawn
):
    photograph = load_sample_image("flower.jpg")
    Image.fromarray(photograph).save(place / "flower.png")
    Image.fromarray(drawn.images[0]).save(place / "sign.png")
    run(feature_extraction, "--run", finished, "sign.png", "flower.png")
    sign, flower = capsys.readouterr().out.split("Image 1\n")
    assert "Unlike" not in sign
    said = re.match(rf"File: flower.png\n{STRANGE}\n.+: [01]\.\d{{3}}\n", flower)
    assert float(said[1]) > 1
    run(feature_extraction, "--run", finished, "sign.png", "flower.png", "--csv", "t.csv")
    table = pd.read_csv("t.csv")
    assert list(table) == ["file", "rank", "name", "probability", "strangeness"]
    assert table["strangeness"][9] == pytest.approx(float(said[1]), abs=0.051)
    assert table["strangeness"][0] <= 1

    (finished / "strangeness.npz").unlink()
    run(feature_extraction, "--run", finished, "flower.png", "--csv", "t.csv")
    assert list(pd.read_csv("t.csv")) == ["file", "rank", "name", "probability"]
    run(feature_extraction, "--run", finished, "flower.png")
    assert "Unlike" not in capsys.readouterr().out


def test_a_training_that_ended_is_not_gone_on_with(finished, complaint, place):
    before = sorted((place / "runs").iterdir())
    assert "this training has ended; leave --resume out" in complaint(
        train_feature_extraction, "--resume", "--demo"
    )
    assert sorted((place / "runs").iterdir()) == before


def counts_of(run_folder):
    found = record.read(run_folder)
    return found.data.pictures, found.split.train + found.split.validation


@pytest.mark.usefixtures("quick")
def test_a_limit_takes_every_class_in_its_share(capsys, place, monkeypatch, drawn):
    seen = {}
    finish = begun.Begun.finish

    def spy(run, *rest):
        seen["labels"] = run.dataset.labels
        return finish(run, *rest)

    monkeypatch.setattr(begun.Begun, "finish", spy)
    run(train_feature_extraction, "--demo", "--limit", 100, "--epochs", 1)
    assert counts_of("runs/latest") == (100, 100)
    share = np.bincount(drawn.labels) / 3
    assert np.abs(np.bincount(seen["labels"], minlength=43) - share).max() <= 1


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("limit", [2, 3, 43])
def test_a_handful_of_pictures_is_enough(limit, capsys):
    run(train_feature_extraction, "--demo", "--limit", limit, "--split", "random", "--epochs", 1)
    assert "Best epoch by validation loss: 1" in capsys.readouterr().out


@pytest.mark.usefixtures("quick")
def test_lbfgs_trains_from_the_command_line(capsys, place, monkeypatch):
    monkeypatch.setattr("lab.training.lbfgs.STEPS", 5)
    run(train_feature_extraction, "--demo", "--limit", 90, "--solver", "lbfgs")
    out = capsys.readouterr().out
    sweep = r"(L2 [\d.]+: .*\nValidation Loss = [\d.]+\nValidation Accuracy = [\d.]+\n\n)+"
    assert re.match(
        sweep + r"Best L2 penalty by validation loss: [\d.]+, accuracy [\d.]+\n", out
    ), out
    assert (place / "runs/latest/head.keras").exists()


@pytest.mark.usefixtures("quick")
def test_a_hidden_layer_is_on_record_and_comes_back_with_the_run(capsys, place):
    options = ["--demo", "--limit", 90, "--epochs", 2, "--hidden", 12, "--split", "random"]
    run(train_feature_extraction, *options)
    assert record.read(place / "runs/latest").hidden == 12
    head = load_run("runs/latest").head
    assert [layer.units for layer in head.layers[1:]] == [12, 43]
    features = np.random.default_rng(0).normal(size=(1, 4096)).astype(np.float32)
    normal = (features - features.mean()) / np.sqrt(features.var() + 1e-3)
    kernel, bias, last, last_bias = head.get_weights()
    expected = np.maximum(normal @ kernel + bias, 0) @ last + last_bias
    np.testing.assert_allclose(head(features), expected, rtol=1e-3, atol=1e-4)


@pytest.mark.usefixtures("quick", "real_weights")
def test_a_folder_of_pictures_trains_and_its_names_are_the_classes(tmp_path, capsys):
    for name in ("stop", "yield sign"):
        (tmp_path / "mine" / name).mkdir(parents=True)
        for number in range(6):
            pixels = np.random.default_rng(number).integers(0, 256, (32, 32, 3), np.uint8)
            Image.fromarray(pixels).save(tmp_path / f"mine/{name}/{number}.png")
    run(train_feature_extraction, "--data", tmp_path / "mine", "--epochs", 1, "--split", "random")
    assert record.read(tmp_path / "runs/latest").names == ["stop", "yield sign"]


# ---- bad input: one line, exit 2, nothing written -----------------------------------------------


@pytest.mark.parametrize("option", [("--hidden", 12), ("--label-smoothing", 0.1)])
def test_lbfgs_solves_for_one_layer_and_its_own_loss(complaint, option):
    line = complaint(train_feature_extraction, "--demo", "--solver", "lbfgs", *option)
    assert f"leave {option[0]} out" in line


@pytest.mark.parametrize("script", INFERENCE)
def test_a_missing_picture_names_download_and_demo(script, complaint, place):
    line = complaint(script)
    assert f"{script.PICTURES[0]} is not there" in line
    assert "python download.py" in line
    assert "--demo" in line
    assert not list(place.iterdir())


@pytest.mark.parametrize("script", INFERENCE)
def test_missing_weights_name_download_and_demo(script, complaint, tmp_path):
    line = complaint(script, image(tmp_path / "a.png"))
    assert "bvlc-alexnet.npy is not there" in line
    assert "python download.py weights" in line
    assert "--demo" in line


def test_training_without_data_or_weights_names_download_and_demo(complaint, place):
    for missing, what in (("train.p", "train"), ("bvlc-alexnet.npy", "weights")):
        line = complaint(train_feature_extraction)
        assert missing in line
        assert f"python download.py {what}" in line
        assert "--demo" in line
        assert {path.name for path in place.iterdir()} <= {"train.p"}
        course_file(place / "train.p")


def weights_of(**changes):
    layers = {
        name: [np.zeros((1, 1), np.float32), np.zeros(1, np.float32)]
        for name in ("conv1", "conv2", "conv3", "conv4", "conv5", "fc6", "fc7", "fc8")
    }
    layers["conv1"] = [np.zeros((11, 11, 3, 96), np.float32), np.zeros(96, np.float32)]
    return {name: layer for name, layer in (layers | changes).items() if layer is not None}


NAN = np.full((11, 11, 3, 96), np.nan, np.float32)
BIAS = np.zeros(96, np.float32)
WEIGHTS = {
    "empty": b"",
    "no pickle": b"<html>not found</html>",
    "cut": pickle.dumps(weights_of())[:3000],
    "of a list": pickle.dumps([1, 2, 3]),
    "of an array": pickle.dumps(np.zeros(3)),
    "a program": b"cos\nsystem\n(S'touch ran'\ntR.",
    "a layer too few": pickle.dumps(weights_of(fc8=None)),
    "a layer too many": pickle.dumps(weights_of(**{"fc9\x1b[2J": [BIAS, BIAS]})),
    "misshapen": pickle.dumps(weights_of(conv1=[NAN[:, :, :, :5], BIAS])),
    "integers": pickle.dumps(weights_of(conv1=[np.zeros(NAN.shape, int), BIAS])),
    "no bias": pickle.dumps(weights_of(conv1=[NAN])),
    "a layer of text": pickle.dumps(weights_of(conv1="kernel")),
    "NaN": pickle.dumps(weights_of(conv1=[NAN, BIAS])),
}


@pytest.mark.parametrize("content", WEIGHTS.values(), ids=WEIGHTS)
def test_bad_weights_are_one_line_that_names_them(content, complaint, place):
    path = place / "bvlc-alexnet.npy"
    path.write_bytes(content)
    line = complaint(traffic_sign_inference, image(place / "a.png"))
    assert f": {path.name}: " in line
    assert re.search("download|expected", line)
    assert not (place / "ran").exists()


DATA = {
    "empty": b"",
    "no pickle": b"PNG",
    "of a list": pickle.dumps([1, 2]),
    "a program": b"cos\nsystem\n(S'touch ran'\ntR.",
    "a zip": b"PK\3\4nothing",
    "keys": pickle.dumps({"images": 1}),
}
CHANGES = {
    "labels outside the names": {"labels": np.full(86, 43)},
    "negative labels": {"labels": np.full(86, -1)},
    "fewer labels": {"labels": np.zeros(85, int)},
    "labels of text": {"labels": ["stop"] * 86},
    "zero pictures": {"features": np.zeros((0, 32, 32, 3), np.uint8), "labels": np.zeros(0, int)},
    "floats": {"features": np.zeros((86, 32, 32, 3))},
    "grey": {"features": np.zeros((86, 32, 32), np.uint8)},
}


@pytest.mark.usefixtures("real_weights")
@pytest.mark.parametrize("case", [*DATA, *CHANGES, "cut"])
def test_bad_data_are_one_line_that_names_them_and_no_run(case, complaint, place):
    path = course_file(place / "train.p", **CHANGES.get(case, {}))
    path.write_bytes(DATA.get(case, path.read_bytes()[: 20_000 if case == "cut" else None]))
    line = complaint(train_feature_extraction)
    assert ": train.p: " in line
    assert re.search("download|expected|refuses", line)
    assert [file.name for file in place.iterdir()] == ["train.p"]


PICTURES = {"empty": b"", "text": b"no picture", "cut": None, "pickle": pickle.dumps([1])}


@pytest.mark.usefixtures("real_weights")
@pytest.mark.parametrize("script", INFERENCE)
@pytest.mark.parametrize("content", PICTURES.values(), ids=PICTURES)
def test_what_is_no_picture_is_one_line_that_names_it(script, content, complaint, tmp_path):
    whole = image(tmp_path / "whole.png")
    bad = tmp_path / "bad.png"
    bad.write_bytes(whole.read_bytes()[:500] if content is None else content)
    assert f"{bad}: expected a " in complaint(script, whole, bad)


@pytest.mark.usefixtures("real_weights")
@pytest.mark.parametrize("script", INFERENCE)
def test_an_empty_folder_is_one_line(script, complaint, tmp_path):
    (tmp_path / "empty").mkdir()
    assert "empty: expected pictures, found none" in complaint(script, tmp_path / "empty")


@pytest.mark.usefixtures("real_weights")
def test_a_picture_cut_behind_its_head_leaves_no_run(complaint, place):
    for name in ("a", "b"):
        (place / "mine" / name).mkdir(parents=True)
        for number in range(4):
            image(place / f"mine/{name}/{number}.png")
    path = place / "mine/b/2.png"
    path.write_bytes(path.read_bytes()[:500])
    for options in ([], ["--no-cache"]):
        line = complaint(train_feature_extraction, "--data", "mine", "--split", "random", *options)
        assert "mine/b/2.png: expected a whole picture" in line
        assert not list(place.glob("runs/*"))


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("out", ["a file", "a file/below", "/proc/runs"])
def test_an_output_folder_that_cannot_be_written_is_one_line(out, complaint, place):
    (place / "a file").touch()
    line = complaint(train_feature_extraction, "--demo", "--out", out, "--limit", 60)
    assert out.split("/below")[0] in line
    assert "name another folder with --out" in line


@pytest.mark.parametrize("script", INFERENCE)
@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        ("--figure", "no/figure.png", "no/figure.png: expected a file in a folder that is there"),
        ("--figure", "figure.txt", "figure.txt: expected a file that ends in .png"),
        ("--csv", "no/table.csv", "no/table.csv: expected a file in a folder that is there"),
    ],
)
def test_what_cannot_be_written_is_said_before_the_work(script, option, value, said, complaint):
    assert said in complaint(script, "--demo", option, value)


@pytest.mark.usefixtures("real_weights")
def test_a_figure_for_which_there_is_no_room_is_one_line_after_the_results(capsys, monkeypatch):
    def full(figure, path):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("matplotlib.figure.Figure.savefig", full)
    with pytest.raises(SystemExit) as stop:
        run(imagenet_inference, image("a.png"), "--figure", "figure.png")
    said = capsys.readouterr()
    assert stop.value.code == 2
    assert said.out.startswith("Image 0\n")
    line = said.err.splitlines()[-1]
    assert "figure.png: cannot be written (No space left on device); free some space" in line


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("limit", [1, 3])
def test_too_few_pictures_to_split_are_one_line_and_no_run(limit, complaint, place):
    line = complaint(train_feature_extraction, "--demo", "--limit", limit)
    assert "more pictures" in line
    assert not (place / "runs").exists()


@pytest.mark.usefixtures("quick", "real_weights")
def test_tracks_that_are_unknown_cannot_be_kept_together(complaint, place):
    course_file(place / "train.p")
    assert "train.p: " in (line := complaint(train_feature_extraction, "--split", "track"))
    assert "--split random" in line


def test_nothing_to_go_on_with_is_one_line(complaint, place):
    line = complaint(train_feature_extraction, "--resume", "--demo")
    assert "runs/latest: expected a training run" in line
    assert not list(place.iterdir())


# ---- a head and its run -------------------------------------------------------------------------


def test_a_missing_head_says_how_to_train_one(complaint):
    line = complaint(feature_extraction, "--demo", "--head", "runs/latest")
    assert "runs/latest: expected a training run, found no run.json" in line
    assert "python train_feature_extraction.py" in line


def test_a_head_of_another_convention_says_which(finished, complaint):
    line = complaint(feature_extraction, "--demo", "--head", finished, "--preprocess", "course")
    assert f"{finished}: its head was trained with --preprocess caffe, not course" in line


def test_a_run_brings_its_own_weights_and_needs_nothing_else(finished, capsys, tmp_path):
    run(feature_extraction, image(tmp_path / "a.png"), "--run", finished)
    names_and_probabilities(capsys.readouterr().out, 1, 5)


def test_a_demo_run_asked_with_other_weights_says_leave_them_out(finished, complaint, tmp_path):
    path = tmp_path / "bvlc-alexnet.npy"
    line = complaint(feature_extraction, "--run", finished, "--weights", path)
    assert f"{finished}: its head was trained on features of random weights (--demo)" in line
    assert f"not of {path}: leave --weights out" in line


@pytest.mark.usefixtures("real_weights")
def test_a_real_run_asked_with_demo_says_leave_it_out(finished, complaint, capsys, tmp_path):
    path = finished / "run.json"
    text = path.read_text().replace("random weights (--demo)", "bvlc-alexnet.npy")
    path.write_text(text.replace("drawn signs (--demo)", "train.p"))
    line = complaint(feature_extraction, "--run", finished, "--demo")
    assert "trained on features of bvlc-alexnet.npy" in line
    assert "not of random weights: leave --demo out" in line
    run(feature_extraction, image(tmp_path / "a.png"), "--run", finished)
    names_and_probabilities(capsys.readouterr().out, 1, 5)


def test_weights_that_have_changed_since_are_refused(finished, complaint, monkeypatch):
    other = stand_ins.weights(ALEXNET)
    kernel, bias = other["fc7"]
    monkeypatch.setattr(stand_ins, "weights", lambda _: other | {"fc7": (kernel, bias + 1)})
    line = complaint(feature_extraction, "--run", finished)
    assert "today's random weights: train again" in line


def test_a_run_that_was_stopped_says_resume(finished, complaint):
    path = finished / "run.json"
    found = json.loads(path.read_text())
    del found["metrics"]
    path.write_text(json.dumps(found))
    resume = f"`python train_feature_extraction.py --resume --out {finished.parent}`"
    assert f"was stopped: go on with {resume}" in complaint(feature_extraction, "--run", finished)


def test_latest_is_the_run_begun_last_where_links_are_not_allowed(finished, place, capsys):
    (place / "runs/latest").unlink()
    run(feature_extraction, "--run", "runs/latest")
    assert "Image 0" in capsys.readouterr().out


RECORDS = {
    "empty": lambda text: "",
    "cut": lambda text: text[:200],
    "a list": lambda text: "[]",
    "nested without end": lambda text: "[" * 100_000,
    "no names": lambda text: text.replace('"names"', '"nmaes"'),
    "names of numbers": lambda text: text.replace('"Stop"', "14"),
    "no arguments": lambda text: text.replace('"arguments"', '"argumetns"'),
    "no digest": lambda text: text.replace('"sha256"', '"sah256"'),
    "a cold temperature": lambda text: text.replace('"temperature": 1.0', '"temperature": 0'),
    "a temperature of text": lambda text: text.replace('"temperature": 1.0', '"temperature": ""'),
}


@pytest.mark.parametrize("damage", RECORDS.values(), ids=RECORDS)
def test_a_damaged_record_is_one_line_that_names_it(finished, complaint, damage):
    path = finished / "run.json"
    path.write_text(damage(path.read_text()))
    for script, options in (
        (feature_extraction, ["--run", finished]),
        (train_feature_extraction, ["--resume"]),
    ):
        line = complaint(script, "--demo", *options)
        assert "run.json: expected the record of a training run, found damage" in line
        assert "train again" in line


@pytest.mark.parametrize(
    ("argument", "value"),
    [("val_fraction", "x"), ("epochs", -1), ("split", "half"), ("seed", 0.5), ("rooms", 3)],
)
def test_an_argument_in_a_record_is_held_to_what_it_may_be(finished, complaint, argument, value):
    path = finished / "run.json"
    found = json.loads(path.read_text())
    del found["metrics"]
    found["arguments"][argument] = value
    path.write_text(json.dumps(found))
    line = complaint(train_feature_extraction, "--resume")
    assert "run.json: " in line
    assert argument.replace("_", "-") in line
    assert "leave --resume out" in line


def zeros_of(classes, width=4096):
    import keras

    return keras.Sequential([keras.Input([width]), keras.layers.Dense(classes)])


HEADS = {
    "missing": lambda path: path.unlink(),
    "empty": lambda path: path.write_bytes(b""),
    "cut": lambda path: path.write_bytes(path.read_bytes()[:20_000]),
    "text": lambda path: path.write_bytes(b"no head"),
    "a flipped bit": lambda path: path.write_bytes(
        path.read_bytes()[:9000] + bytes([path.read_bytes()[9000] ^ 1]) + path.read_bytes()[9001:]
    ),
    "other classes": lambda path: zeros_of(5).save(path),
    "other features": lambda path: zeros_of(43, 10).save(path),
}


@pytest.mark.parametrize("damage", HEADS.values(), ids=HEADS)
def test_a_damaged_head_is_one_line_that_names_it(finished, complaint, damage):
    damage(finished / "head.keras")
    line = complaint(feature_extraction, "--demo", "--head", finished)
    assert f"{finished}/head.keras" in line
    assert "train" in line


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("what", ["data", "weights"])
def test_going_on_with_other_data_or_weights_is_refused(what, complaint, place, capsys):
    run(train_feature_extraction, "--demo", "--limit", 90, "--epochs", 1)
    capsys.readouterr()
    path = place.resolve() / "runs/latest/run.json"
    record = json.loads(path.read_text())
    del record["metrics"]
    record[what]["sha256"] = "0" * 64
    path.write_text(json.dumps(record))
    line = complaint(train_feature_extraction, "--resume", "--demo")
    found = {"data": "is not what the run was begun with: it holds other pictures",
             "weights": "holds other weights than the run was begun with"}  # fmt: skip
    assert found[what] in line
    assert path.parent.resolve().name in line
    assert "leave --resume out" in line
