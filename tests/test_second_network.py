"""The second lab, flowers on another network than AlexNet, from the training to the drawings.

VGG16 has a sixteenth of its channels here; all else is the real program.
"""

import functools
import re
from argparse import Namespace
from functools import partial

import narrow_vgg16
import numpy as np
import pytest
from PIL import Image

import evaluate
import feature_extraction
import train_feature_extraction
import train_finetuning
import visualize
from lab import networks
from lab.demo import stand_ins
from lab.demo.flowers import KINDS
from lab.runs import drawings, record

FEW = ["--epochs", "3", "--precision", "float32", "--no-cache"]
FLOWER = rf"({'|'.join(KINDS)}): [01]\.\d{{3}}\n"


@pytest.fixture(scope="module", autouse=True)
def small(tmp_path_factory):
    """Ten flowers a kind, and narrow networks with random weights."""
    weights = narrow_vgg16.as_tensors(narrow_vgg16.random_arrays(narrow_vgg16.NARROW))
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(networks.NETWORKS, "vgg16", narrow_vgg16.VGG16)
        patch.setattr(narrow_vgg16.VGG16.module, "KERNELS", narrow_vgg16.NARROW)
        patch.setattr(stand_ins, "weights", lambda network: weights)
        patch.setattr(stand_ins, "FLOWERS", 50)
        patch.setattr(stand_ins, "_drawn", functools.cache(stand_ins._drawn))
        patch.setenv("ALEXNET_LAB_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """A training's folder of runs, its output there."""
    place = tmp_path_factory.mktemp("lab")
    options = ["--network", "vgg16", "--demo", "--out", str(place / "runs"), *FEW]
    train_feature_extraction.main(options)
    return Namespace(run=str(place / "runs/latest"), place=place)


def test_a_run_of_drawn_flowers_says_so(lab):
    found = record.read(lab.run)
    assert (found.network, found.layer, found.names) == ("vgg16", "fc6", list(KINDS))
    assert (found.demo, found.drawn) == (True, True)
    assert found.data.path == "drawn flowers (--demo)"
    page = (lab.place / "runs/latest/report.html").read_text()
    assert "vgg16 on drawn flowers" in page
    assert not re.search(r"\bsigns?\b", page)


def test_the_run_names_two_flowers_it_has_not_seen(lab, capsys):
    figure = lab.place / "rose.png"
    feature_extraction.main(["--run", lab.run, "--figure", str(figure)])
    said = capsys.readouterr()
    block = rf"Image \d\n({FLOWER}){{5}}\n"
    assert re.fullmatch(rf"({block}){{2}}Time: .*\n", said.out), said.out
    assert "sign" not in said.err
    assert np.ptp(np.asarray(Image.open(figure).convert("L"))) > 100


def test_the_run_is_tested_with_other_flowers(lab, capsys):
    evaluate.main(["--run", lab.run, "--no-cache"])
    said = capsys.readouterr()
    assert "100 pictures of 5 classes" in said.out
    assert "100 newly drawn flowers" in said.err
    assert record.read_evaluation(lab.place / "runs/latest").data == "drawn flowers (--demo)"


def test_flowers_are_what_it_draws(lab, capsys, monkeypatch):
    monkeypatch.setattr(stand_ins, "photographs", dict)
    monkeypatch.setattr(drawings, "activations", partial(drawings.activations, tiles=4))
    out = lab.place / "seen"
    visualize.main(["--run", lab.run, "--demo", "--limit", "10", "--out", str(out)])
    names = ["conv1_1", "activations-rose", "activations-sunflower", "gradcam-rose",
             "gradcam-sunflower", "map"]  # fmt: skip
    assert capsys.readouterr().out.split() == [str(out / f"{name}.png") for name in names]


def test_the_upper_layers_can_learn_too_and_are_judged_by(lab, capsys):
    out = str(lab.place / "tuned")
    few = ["--epochs", "1", "--unfreeze", "conv5_1", "--out", out]
    train_finetuning.main(["--run", lab.run, *few])
    found = record.read(f"{out}/latest")
    assert (found.network, found.layer, found.method) == ("vgg16", "fc6", "fine-tuning")
    with np.load(f"{out}/latest/layers.npz") as arrays:
        learned = {name.split(".")[0] for name in arrays}
    assert learned == {"conv5_1", "conv5_2", "conv5_3", "fc6"}
    evaluate.main(["--run", f"{out}/latest", "--no-cache"])
    assert "100 pictures of 5 classes" in capsys.readouterr().out
