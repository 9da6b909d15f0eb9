"""What the arguments name is found here, else beside the scripts, else the line says where it was
looked for and what else would do."""

import subprocess
import sys
from argparse import Namespace
from pathlib import Path

import numpy as np
import pytest
from conftest import PROJECT
from PIL import Image

from lab import inputs
from lab.data.dataset import Dataset
from lab.demo import stand_ins
from lab.networks import ALEXNET


@pytest.fixture(autouse=True)
def places(tmp_path, monkeypatch):
    """The current folder `here`, and the scripts' own, `lab`."""
    for name in ("here", "lab"):
        (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setattr(inputs, "LAB", tmp_path / "lab")
    return tmp_path


def missing(find, *arguments):
    with pytest.raises(FileNotFoundError) as error:
        find(*arguments)
    return str(error.value)


# ---- where --------------------------------------------------------------------------------------


def test_a_file_here_comes_before_one_beside_the_scripts(places):
    for name in ("lab", "here"):
        (places / name / "train.p").touch()
    assert inputs.found("train.p", "x").resolve() == places / "here/train.p"
    (places / "here/train.p").unlink()
    assert inputs.found("train.p", "x") == places / "lab/train.p"


def test_an_absolute_path_is_looked_for_where_it_says(places):
    (places / "lab/train.p").touch()
    line = missing(inputs.found, places / "here/train.p", "x")
    assert (
        line == f"{places}/here/train.p is not there: get it with `python download.py train` or x"
    )


def test_both_places_are_named_with_all_remedies(places):
    line = missing(inputs.weights_file, ALEXNET)
    assert line == (
        f"bvlc-alexnet.npy is not there, neither in {places}/here nor beside the scripts in "
        f"{places}/lab: get it with `python download.py weights`, say where it is with --weights "
        "or try --demo"
    )


def test_one_place_is_enough_beside_the_scripts(places, monkeypatch):
    monkeypatch.chdir(places / "lab")
    assert missing(inputs.found, "mine.p", "x") == "mine.p is not there: x"


@pytest.mark.parametrize(
    ("name", "asset"),
    [
        ("train.p", "train"),
        ("GTSRB_Final_Test_Images.zip", "gtsrb"),
        ("bvlc_alexnet.caffemodel", "weights"),
        ("weasel.png", "pictures"),
        ("elsewhere/stop.jpg", "pictures"),
        ("flower_photos", "flowers"),
    ],
)
def test_what_download_has_is_said_to_be_there(name, asset):
    assert f"get it with `python download.py {asset}` or x" in missing(inputs.found, name, "x")


def test_what_it_has_not_is_not():
    assert "download" not in missing(inputs.data_file, "my_pictures", "train.p")


def test_each_thing_names_its_own_option():
    assert "name other pictures with --data or try --demo" in missing(
        inputs.data_file, None, "train.p"
    )
    assert "name another or try --demo" in missing(inputs.picture_files, ["dog.jpg"], ["a.png"])


# ---- what ---------------------------------------------------------------------------------------


def test_demo_makes_up_what_is_not_named_and_nothing_else(monkeypatch):
    assert inputs.weights_file(ALEXNET, None, demo=True) is None
    assert inputs.data_file(None, "train.p", demo=True) is None
    assert inputs.picture_files([], ["a.png"], demo=True) is None
    monkeypatch.setattr(stand_ins, "weights", lambda network: network.name)
    assert inputs.weights(ALEXNET, demo=True) == "alexnet"
    for find in (
        lambda: inputs.weights_file(ALEXNET, "w.npy", demo=True),
        lambda: inputs.data_file("x.p", "train.p", demo=True),
        lambda: inputs.picture_files(["x.png"], ["a.png"], demo=True),
    ):
        assert "is not there" in missing(find)


def test_pictures_keep_their_order_and_a_folder_stands_for_those_below(places):
    for name in ("lab/a.png", "here/b.png", "here/more/d.png", "here/more/c/e.png"):
        (places / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (4, 3)).save(places / name)
    beside = places / "lab/a.png"
    pictures = inputs.named(["b.png", "more", "a.png"], [], False, None)
    expected = [Path("b.png"), Path("more/c/e.png"), Path("more/d.png"), beside]
    assert pictures == {str(path): path for path in expected}
    assert list(pictures.values()) == expected


def test_hidden_files_and_folders_called_like_pictures_are_passed_over(places):
    for name in ("here/a.png", "here/._a.png", "here/.kept/b.png"):
        (places / name).parent.mkdir(exist_ok=True)
        Image.new("RGB", (4, 3)).save(places / name)
    (places / "here/folder.png").mkdir()
    assert inputs.picture_files(["."], []) == {"a.png": Path("a.png")}


def test_a_name_that_cannot_be_written_is_refused(places):
    Image.new("RGB", (4, 3)).save(places / "here/a\n.png")
    with pytest.raises(ValueError, match="rename it"):
        inputs.picture_files(["."], [])


def test_what_is_no_picture_is_said_of_the_first(places):
    (places / "here/a.png").write_bytes(b"no picture")
    with pytest.raises(ValueError, match=r"a\.png: expected a picture"):
        inputs.picture_files(["a.png"], [])


def test_broken_pictures_are_left_out_when_that_is_asked_for(places, capsys):
    for name in "abc":
        path = places / f"here/{name}.png"
        Image.effect_noise((64, 64), 50).save(path)
        if name != "b":
            path.write_bytes(path.read_bytes()[:1000])  # the head is whole
    assert len(inputs.named(["."], [], False, None)) == 3
    assert inputs.named(["."], [], False, None, skip_broken=True) == {"b.png": Path("b.png")}
    said = "pictures: 2 of 3 pictures cannot be read: a.png, c.png; left out"
    assert said in capsys.readouterr().err
    (places / "here/b.png").unlink()
    with pytest.raises(ValueError, match=r"2 of 2 .* name others"):
        inputs.named(["."], [], False, None, skip_broken=True)


def test_weights_are_read_from_where_they_were_found(places, monkeypatch):
    (places / "lab/bvlc-alexnet.npy").touch()
    monkeypatch.setattr("alexnet.load_weights", lambda path: path)
    assert inputs.weights(ALEXNET) == places / "lab/bvlc-alexnet.npy"


@pytest.mark.parametrize("limit", [None, 4, 100])
def test_a_limit_is_of_drawn_pictures_too(limit):
    drawn = Dataset(np.zeros((8, 2, 2, 3), np.uint8), np.arange(8) % 2, ["a", "b"])
    args = Namespace(data=None, demo=True, limit=limit, seed=0, skip_broken=False)
    assert len(inputs.labelled(args, "train.p", lambda: drawn)) == min(limit or 8, 8)


def test_finding_files_loads_nothing_heavy():
    code = "from lab import inputs; import sys; "
    code += "print({'tensorflow', 'keras', 'sklearn', 'scipy'} & set(sys.modules))"
    loaded = subprocess.run(
        [sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True, check=True
    )
    assert loaded.stdout == "set()\n"
