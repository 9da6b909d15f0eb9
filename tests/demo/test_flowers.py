"""The flowers drawn by code: five kinds, repeatable, learnable but not trivially."""

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from conftest import PROJECT
from PIL import Image
from sklearn.linear_model import RidgeClassifier

from lab.demo import stand_ins
from lab.demo.drawing import Pen, disc, group, polygon
from lab.demo.flowers import KINDS, draw, flower, write_folder

NAMES = ["daisy", "dandelion", "roses", "sunflowers", "tulips"]


@pytest.fixture(scope="module")
def dataset():
    return draw(200, seed=1)


def command(*arguments):
    line = [sys.executable, "-m", "lab.demo.flowers", *map(str, arguments)]
    return subprocess.run(line, cwd=PROJECT, capture_output=True, text=True)


def test_a_dataset_is_like_the_photographs_in_folders(dataset):
    assert dataset.images.shape == (200, 96, 96, 3)
    assert dataset.images.dtype == np.uint8
    assert dataset.labels.dtype == np.int64
    assert dataset.names == NAMES == sorted(NAMES)
    assert dataset.tracks is None
    assert np.all(np.diff(dataset.labels) >= 0)


@pytest.mark.parametrize("count", [1, 5, 13])
def test_kinds_are_as_even_as_the_count_allows(count):
    shares = np.bincount(draw(count).labels, minlength=5)
    assert shares.sum() == count
    assert shares.max() - shares.min() <= 1


def test_the_same_seed_draws_the_same_bytes_and_another_seed_others():
    first, again, other = draw(10, seed=3), draw(10, seed=3), draw(10, seed=4)
    assert first.images.tobytes() == again.images.tobytes()
    assert not np.array_equal(first.images, other.images)
    assert flower(2, seed=3).tobytes() == flower(2, seed=3).tobytes() != flower(2, 4).tobytes()


def test_no_two_pictures_are_alike(dataset):
    small = dataset.images[:, ::8, ::8].reshape(200, -1).astype(float)
    distances = np.abs(small[:, None] - small[None]).mean(axis=2) + 255 * np.eye(200)
    assert distances.min() > 4


def test_a_flower_can_be_drawn_at_any_size():
    assert flower(3, size=224).shape == (224, 224, 3)


@pytest.mark.parametrize("kind", KINDS)
def test_every_head_covers_the_middle_of_its_plant(kind):
    draw_kind, colours, _ = KINDS[kind]
    path = 1j * np.linspace(0, 300, 20)
    for seed in range(4):
        pen = Pen(Image.new("RGB", (200, 200), (0, 0, 255)), 100 + 100j, 0.9)
        draw_kind(np.random.default_rng(seed), colours[0], (60, 110, 40), path)(pen)
        blue = np.all(np.array(pen.image) == (0, 0, 255), axis=2)
        assert not blue[90:110, 90:110].any()
        assert blue[:, :8].any()
        assert 0.15 < 1 - blue.mean() < 0.9


def test_pixels_alone_tell_something_but_far_from_all(dataset):
    pixels = dataset.images.reshape(200, -1).astype(float)
    pixels = (pixels - pixels.mean(axis=1, keepdims=True)) / pixels.std(axis=1, keepdims=True)
    unseen = np.arange(200) % 4 == 0
    model = RidgeClassifier(alpha=1e3).fit(pixels[~unseen], dataset.labels[~unseen])
    assert 0.25 < model.score(pixels[unseen], dataset.labels[unseen]) < 0.8


@pytest.mark.parametrize("label", [-1, 5])
def test_an_unknown_kind_is_an_error_that_names_the_known_ones(label):
    with pytest.raises(ValueError, match=f"from 0 to 4, found {label}"):
        flower(label)


def test_no_pictures_at_all_are_an_error():
    with pytest.raises(ValueError, match="at least 1, found 0"):
        draw(0)


def test_what_stands_in_says_so_and_tests_on_other_flowers(monkeypatch, capsys):
    monkeypatch.setattr(stand_ins, "FLOWERS", 5)
    dataset, unseen, two = (
        stand_ins.dataset("flowers"), stand_ins.test_set("flowers"), stand_ins.pictures("flowers")
    )  # fmt: skip
    assert capsys.readouterr().err.count("DEMO: ") == 3
    assert len(dataset) == 5
    assert dataset.names == unseen.names
    seen = {image.tobytes() for image in dataset.images}
    assert not seen & {image.tobytes() for image in unseen.images}
    assert two.keys() == {"rose", "sunflower"}


def test_the_sheet_command_writes_a_picture_of_all_kinds(tmp_path):
    done = command("--sheet", tmp_path / "flowers.png")
    assert (done.returncode, done.stdout) == (0, "")
    with Image.open(tmp_path / "flowers.png") as sheet:
        assert (sheet.format, sheet.size) == ("PNG", (1500, 830))


def test_a_missing_folder_for_the_sheet_is_one_line_and_exit_2(tmp_path):
    done = command("--sheet", tmp_path / "missing" / "flowers.png")
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "missing" in done.stderr


def test_the_folder_command_writes_a_subfolder_a_kind_and_takes_no_other_place(tmp_path):
    write_folder(tmp_path / "mine", count=2)
    found = sorted(path.relative_to(tmp_path / "mine") for path in tmp_path.rglob("*.png"))
    assert len(found) == 10
    assert {path.parent.name for path in found} == {*KINDS}
    again = command("--folder", tmp_path / "mine")
    assert (again.returncode, again.stderr.count("\n")) == (2, 1)
    assert "mine is there already: name another" in again.stderr


# ---- what flowers asked of the drawing kit ------------------------------------------------------


@pytest.fixture
def pen():
    return Pen(Image.new("RGB", (200, 200), "white"), 100 + 100j, 1)


def extent(pen):
    """How wide and how high what was drawn is, in pixels."""
    drawn = np.argwhere(np.array(pen.image).min(axis=2) < 128)
    return tuple(np.ptp(drawn, axis=0)[::-1])


def test_a_squashed_disc_keeps_its_width_and_loses_height(pen):
    group(disc(0, 0, 80), squash=0.5)(pen)
    assert extent(pen) == pytest.approx((160, 80), abs=2)


def test_squashing_comes_before_turning(pen):
    group(disc(0, 0, 80), squash=0.5, turn=90)(pen)
    assert extent(pen) == pytest.approx((80, 160), abs=2)


def test_groups_in_squashed_groups_are_squashed_with_them(pen):
    square = polygon("-20,-20 20,-20 20,20 -20,20")
    group(group(square, y=60, turn=90), group(square, y=-60), squash=0.5)(pen)
    assert extent(pen) == pytest.approx((40, 80), abs=2)


def test_a_colour_of_four_lets_the_ground_shine_through(pen):
    disc(0, 0, 50, (0, 0, 0, 51))(pen)
    assert pen.image.getpixel((100, 100)) == (204, 204, 204)
    transparent = replace(pen, image=Image.new("RGBA", (200, 200)))
    disc(0, 0, 50)(transparent)
    assert transparent.image.getpixel((100, 100))[3] == 255
