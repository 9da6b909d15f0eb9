"""A run as files: they say what it says, where nothing of the lab is, or the command says so.

The networks have their true layers and an eighth or a sixteenth of the channels.
"""

import json
import runpy
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import narrow_vgg16
import numpy as np
import pytest
from PIL import Image
from runs.records import RECORD

import alexnet
import train_feature_extraction
from feature_extraction import new_layer
from lab import networks
from lab.data import images
from lab.demo import stand_ins
from lab.demo.flowers import KINDS
from lab.runs import record, strangeness
from lab.runs.record import Record
from lab.runs.run import Run

pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")

from deploy.export import __main__ as export
from deploy.export import comparison, formats, onnx_graph, pictures
from deploy.export.classifier import Classifier

ALEXNET = {
    "conv1": (11, 11, 3, 12),
    "conv2": (5, 5, 6, 32),
    "conv3": (3, 3, 32, 48),
    "conv4": (3, 3, 24, 48),
    "conv5": (3, 3, 24, 32),
    "fc6": (6 * 6 * 32, 512),
    "fc7": (512, 512),
    "fc8": (512, 10),
}
SIZES = [(32, 32), (300, 260), (20, 400), (227, 224)]
CLASSES = 3


@pytest.fixture(scope="module", autouse=True)
def narrow():
    layers = {name: width // 8 for name, width in networks.ALEXNET.layers.items()}
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(networks.NETWORKS, "alexnet", replace(networks.ALEXNET, layers=layers))
        patch.setitem(networks.NETWORKS, "vgg16", narrow_vgg16.VGG16)
        patch.setattr(alexnet, "KERNELS", ALEXNET)
        patch.setattr(narrow_vgg16.VGG16.module, "KERNELS", narrow_vgg16.NARROW)
        yield


@pytest.fixture
def run_of(tmp_path):
    """A function that makes a run of a network, untrained but for what is usual."""

    def make(network, layer, preprocess="caffe", hidden=None, temperature=1.0):
        kernels = ALEXNET if network == "alexnet" else narrow_vgg16.NARROW
        weights = narrow_vgg16.as_tensors(narrow_vgg16.random_arrays(kernels))
        changes = {"network": network, "layer": layer, "preprocess": preprocess, "hidden": hidden,
                   "names": ["a", "b", "c"], "temperature": temperature}  # fmt: skip
        told = Record.model_validate_json(json.dumps(RECORD | changes))
        head = new_layer(networks.named(network).layers[layer], CLASSES, hidden=hidden)
        run = Run(tmp_path, told, weights, head)
        seen = np.random.default_rng(1).integers(0, 256, (30, 32, 32, 3), np.uint8)
        rows = np.arange(20), np.arange(20, 30)
        features = run.features(seen, "float32", cache=False)
        usual, _ = strangeness.fit(features, np.arange(30) % CLASSES, rows)
        return replace(run, usual=usual)

    return make


@pytest.mark.parametrize(
    "options",
    [
        {"network": "alexnet", "layer": "fc7"},
        {"network": "alexnet", "layer": "fc7", "preprocess": "course", "hidden": 8},
        {"network": "alexnet", "layer": "conv4", "temperature": 2.5},
        {"network": "alexnet", "layer": "pool5"},
        {"network": "vgg16", "layer": "fc6"},
        {"network": "vgg16", "layer": "fc6", "preprocess": "course"},
        {"network": "vgg16", "layer": "conv3_3"},
    ],
    ids=lambda options: " ".join(map(str, options.values())),
)
def test_tensorflow_and_onnx_say_what_the_run_says_about_pictures_of_any_size(options, run_of):
    run = run_of(**options)
    session = onnxruntime.InferenceSession(
        onnx_graph.classifier(run).SerializeToString(), providers=["CPUExecutionProvider"]
    )
    assert json.loads(session.get_modelmeta().custom_metadata_map["names"]) == run.names
    classify = Classifier(run)
    for size in SIZES:
        images = np.random.default_rng(0).integers(0, 256, (2, *size, 3), np.uint8)
        probabilities, strange = run.judged(images, "float32", cache=False)
        answers = session.run(["probabilities", "strangeness"], {"images": images})
        onnx = dict(zip(("probabilities", "strangeness"), answers, strict=True))
        for found in (classify(images), onnx):
            np.testing.assert_allclose(found["probabilities"], probabilities, atol=1e-3)
            np.testing.assert_allclose(found["strangeness"], strange, rtol=1e-2, atol=1e-2)


def test_a_run_that_does_not_know_what_is_strange_says_nothing_of_it(run_of):
    run = replace(run_of("alexnet", "fc6"), usual=None)
    assert [output.name for output in onnx_graph.classifier(run).graph.output] == ["probabilities"]
    assert [*Classifier(run)(np.zeros((1, 8, 8, 3), np.uint8))] == ["probabilities"]


def test_only_the_layers_up_to_its_own_are_shipped(run_of):
    assert [*run_of("alexnet", "conv4").needed_weights] == ["conv1", "conv2", "conv3", "conv4"]


# ---- the command ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """The folder of a run of drawn flowers."""
    weights = narrow_vgg16.as_tensors(narrow_vgg16.random_arrays(narrow_vgg16.NARROW))
    out = tmp_path_factory.mktemp("runs")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stand_ins, "weights", lambda network: weights)
        patch.setattr(stand_ins, "FLOWERS", 50)
        patch.setattr(pictures, "PHOTOGRAPHS", 6)
        train_feature_extraction.main(
            ["--network", "vgg16", "--demo", "--out", str(out), "--name", "flowers",
             "--epochs", "3", "--precision", "float32", "--no-cache"]
        )  # fmt: skip
        yield out / "flowers"


@pytest.fixture(scope="module")
def exported(trained):
    """Its export in all formats there are packages for."""
    names = [name for name, kind in formats.FORMATS.items()
             if all(map(formats.find_spec, kind.packages))]  # fmt: skip
    code = export.main(["--run", str(trained), "--formats", *names])
    told = json.loads((trained / "export/export.json").read_text())
    assert [*told["files"]] == names
    assert code == any(each["problem"] for each in told["files"].values())
    return told


def complaint(capsys, *options):
    """The one line that the command ends with."""
    with pytest.raises(SystemExit) as ended:
        export.main([*map(str, options)])
    assert ended.value.code == 2
    return capsys.readouterr().err.splitlines()[-1]


def test_every_file_names_pictures_as_the_run_does(exported):
    for name, each in exported["files"].items():
        if name != "int8":  # of a network this narrow 8 bits take more than of a real one
            assert each["problem"] is None
            for pictures_of in ("compared", "photographs"):
                assert each[pictures_of]["same_name"] == 1
                assert each[pictures_of]["probabilities_within"] < 0.01
        assert each["bytes"] > 100_000
        assert each["seconds_a_picture"] > 0


def test_the_card_tells_of_data_figures_and_limits(exported, trained):
    card = (trained / "export/README.md").read_text()
    accuracy = record.read(trained).metrics.validation.accuracy
    assert f"| {accuracy:.3f} |" in card
    assert "drawn flowers" in card
    assert "It is a demonstration" in card
    assert "Creative Commons Attribution 4.0" in card
    assert all(name in card for name in KINDS)


@pytest.mark.usefixtures("exported")
def test_the_script_beside_it_names_a_picture(trained, tmp_path):
    Image.fromarray(stand_ins.flowers()["rose"]).save(tmp_path / "rose.png")
    done = subprocess.run(
        [sys.executable, "-IB", trained / "export/use.py", trained / "export/classifier.onnx",
         "rose.png"],
        cwd=tmp_path, capture_output=True, text=True, check=True,
    )  # fmt: skip
    first, *rest = done.stdout.splitlines()
    assert first == "rose.png"
    named = [line.split(":")[0].strip() for line in rest if ":" in line]
    assert sorted(named) == sorted(KINDS)


def test_the_script_beside_it_reads_grey_of_16_bits_as_the_lab_does(tmp_path):
    grey = np.linspace(0, 65535, 40 * 30).reshape(30, 40).astype(np.uint16)
    Image.fromarray(grey).save(tmp_path / "grey.png")
    script = runpy.run_path(str(export.USE))
    found = script["read"](tmp_path / "grey.png")
    np.testing.assert_array_equal(found, images.read(tmp_path / "grey.png"))


def test_a_file_is_tried_where_nothing_of_the_lab_is(tmp_path):
    (tmp_path / "use.py").write_text(
        "from importlib.util import find_spec\n"
        "def load(path):\n"
        "    known = [bool(find_spec(name)) for name in ('lab', 'deploy', 'alexnet')]\n"
        "    return lambda picture: {'probabilities': known}\n"
    )
    found = comparison.answers(tmp_path, "any.onnx", [np.zeros((4, 5, 3), np.uint8)])
    assert found["probabilities"].tolist() == [[False] * 3]


@pytest.mark.usefixtures("exported")
def test_what_fails_leaves_the_former_export_as_it_was(trained, monkeypatch, capsys):
    def full(*_):
        raise OSError(28, "No space left on device")

    before = sorted(trained.rglob("*"))
    monkeypatch.setattr(comparison, "tried", full)
    line = complaint(capsys, "--run", trained, "--formats", "savedmodel")
    assert "No space left on device" in line
    assert sorted(trained.rglob("*")) == before


def test_other_folders_are_not_written_over(trained, tmp_path, capsys):
    (tmp_path / "precious.txt").write_text("mine")
    line = complaint(capsys, "--run", trained, "--to", tmp_path)
    assert "is there already and is no export: name another with --to" in line


def test_packages_that_are_missing_are_named_with_the_remedy(trained, monkeypatch, capsys):
    monkeypatch.setattr(formats, "find_spec", lambda name: name != "ai_edge_litert")
    line = complaint(capsys, "--run", trained)
    assert "ai-edge-litert: not installed; `make export` does it" in line


def test_no_run_is_one_line(tmp_path, capsys):
    assert "expected a training run" in complaint(capsys, "--run", tmp_path)


@pytest.mark.parametrize(
    ("changes", "name", "why"),
    [
        ({"network": "keras:MobileNetV2", "layer": "pooled", "preprocess": "caffe"}, "onnx",
         "can be shipped as savedmodel alone"),
        ({}, "int8", "nothing resizes as the course did"),
    ],
)  # fmt: skip
def test_what_a_run_cannot_have_is_refused_and_left_out_unasked(changes, name, why, monkeypatch):
    monkeypatch.setattr(formats, "find_spec", lambda name: True)
    told = Record.model_construct(**RECORD | {"preprocess": "course"} | changes)
    network = networks.named(told.network)
    with pytest.raises(ValueError, match=why):
        formats.chosen([name], told, network)
    assert name not in formats.chosen(None, told, network)


def test_what_does_not_agree_is_said():
    good = {"same_name": 0.9995, "accuracy": 0.845, "accuracy_of_the_run": 0.85}
    assert comparison.shortfall(good, 0.999) is None
    assert comparison.shortfall(good, None) is None
    assert comparison.shortfall(good | {"same_name": 0.99}, 0.999) == "99.0% named as by the run"
    worse = comparison.shortfall(good | {"accuracy": 0.8}, None)
    assert worse == "accuracy 0.800, the run's 0.850"


def test_representatives_are_not_among_those_compared(tmp_path, run_of):
    for number in range(12):
        folder = tmp_path / "data" / "abc"[number % CLASSES]
        folder.mkdir(parents=True, exist_ok=True)
        grey = np.full((9, 7, 3), 20 * number, np.uint8)
        Image.fromarray(grey).save(folder / f"{number}.png")
    chosen = pictures.chosen(run_of("alexnet", "fc6"), Path(tmp_path, "data"), 1000)
    compared = {int(picture.flat[0]) for picture in chosen.compared}
    apart = {round(float(square.mean())) for square in chosen.representatives}
    assert compared | apart == {20 * number for number in range(12)}
    assert not compared & apart
    assert chosen.representatives.shape == (6, 227, 227, 3)
