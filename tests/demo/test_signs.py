"""The signs drawn by code: all there, repeatable, in tracks, learnable but not trivially."""

import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.linear_model import RidgeClassifier

from lab.demo.signs import SIGNS, clean, draw, sign

PROJECT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def dataset():
    return draw(860, seed=1)


def command(*arguments):
    line = [sys.executable, "-m", "lab.demo.signs", *map(str, arguments)]
    return subprocess.run(line, cwd=PROJECT, capture_output=True, text=True, timeout=60)


def test_a_dataset_has_the_shapes_and_types_of_the_real_one(dataset):
    assert dataset.images.shape == (860, 32, 32, 3)
    assert dataset.images.dtype == np.uint8
    assert dataset.labels.shape == dataset.tracks.shape == (860,)
    assert dataset.labels.dtype == dataset.tracks.dtype == np.int64
    assert len(dataset.names) == len(SIGNS) == 43
    assert dataset.names[14] == "Stop"


@pytest.mark.parametrize("count", [43, 100])
def test_classes_are_as_even_as_the_count_allows(count):
    shares = np.bincount(draw(count).labels, minlength=43)
    assert shares.sum() == count
    assert shares.min() == count // 43
    assert shares.max() <= shares.min() + 1


def test_fewer_pictures_than_classes_are_of_different_classes():
    few = draw(5)
    assert len(few.images) == len(set(few.labels)) == len(set(few.tracks)) == 5


def test_the_same_seed_draws_the_same_bytes_and_another_seed_others():
    first, again, other = draw(50, seed=3), draw(50, seed=3), draw(50, seed=4)
    assert first.images.tobytes() == again.images.tobytes()
    assert first.labels.tolist() == again.labels.tolist()
    assert not np.array_equal(first.images, other.images)
    assert sign(7, seed=3).tobytes() == sign(7, seed=3).tobytes() != sign(7, seed=4).tobytes()


def test_a_track_is_of_one_class_and_lies_together(dataset):
    assert np.all(np.diff(dataset.tracks) >= 0)
    for track in np.unique(dataset.tracks):
        labels = dataset.labels[dataset.tracks == track]
        assert len(set(labels)) == 1
        assert 1 <= len(labels) <= 5


def test_two_pictures_of_a_class_are_already_two_tracks():
    assert len(np.unique(draw(2 * 43).tracks)) == 2 * 43


def test_frames_of_a_track_are_alike_and_tracks_of_a_class_are_not(dataset):
    images = dataset.images[dataset.labels == 25].astype(float)
    tracks = dataset.tracks[dataset.labels == 25]
    distances = np.abs(images[:, None] - images[None]).mean(axis=(2, 3, 4))
    same = tracks[:, None] == tracks
    within = distances[same & (distances > 0)]  # a frame and itself do not count; no two are equal
    assert len(within) == same.sum() - len(images)
    assert within.mean() < 0.5 * distances[~same].mean()


def test_a_sign_can_be_drawn_at_any_size():
    assert sign(14, size=227).shape == (227, 227, 3)


def test_no_sign_is_clipped_and_every_sign_covers_the_middle():
    for label in range(43):
        alpha = np.array(clean(label, 256))[..., 3]
        assert not np.any([alpha[0], alpha[-1], alpha[:, 0], alpha[:, -1]])
        assert alpha[64:192, 96:160].min() == 255


def test_no_two_signs_look_the_same():
    signs = np.array([np.array(clean(label, 32).convert("RGB"), int) for label in range(43)])
    differences = np.abs(signs[:, None] - signs[None]).mean(axis=(2, 3, 4))
    assert (differences + 255 * np.eye(43)).min() > 1


@pytest.mark.parametrize(
    ("label", "row", "column"),
    [(33, 0, 1), (34, 0, 0), (36, 1, 1), (37, 1, 0), (38, 1, 1), (39, 1, 0)],
)
def test_mandatory_arrows_point_where_their_names_say(label, row, column):
    pixels = np.array(clean(label, 64), int)[8:56, 8:56]  # within the white rim
    white = pixels[..., :3].min(axis=2) > 180
    quarters = white.reshape(2, 24, 2, 24).sum(axis=(1, 3))
    assert np.unravel_index(quarters.argmax(), (2, 2)) == (row, column)


@pytest.mark.parametrize(("label", "side"), [(19, -1), (20, 1)])
def test_dangerous_curves_bend_to_the_side_they_are_named_for(label, side):
    pixels = np.array(clean(label, 64), int)
    black = (pixels[..., :3].max(axis=2) < 60) & (pixels[..., 3] == 255)
    rows = np.flatnonzero(black.any(axis=1))
    start, end = (black[row].nonzero()[0].mean() for row in (rows[-3], rows[2]))
    assert side * (end - start) > 3


def test_pixels_alone_tell_much_about_an_unseen_track_but_not_all(dataset):
    pixels = dataset.images.reshape(860, -1).astype(float)
    pixels = (pixels - pixels.mean(axis=1, keepdims=True)) / pixels.std(axis=1, keepdims=True)
    unseen = dataset.tracks % 4 == 0  # each class has 4 tracks
    model = RidgeClassifier(alpha=1e3).fit(pixels[~unseen], dataset.labels[~unseen])
    assert 5 / 43 < model.score(pixels[unseen], dataset.labels[unseen]) < 0.95


def test_two_hundred_pictures_take_no_more_than_seconds():
    start = time.process_time()
    draw(200)
    assert time.process_time() - start < 20  # a fifth of a second is usual


@pytest.mark.parametrize("label", [-1, 43])
def test_an_unknown_class_is_an_error_that_names_the_known_ones(label):
    with pytest.raises(ValueError, match=f"from 0 to 42, found {label}"):
        sign(label)


def test_no_pictures_at_all_are_an_error():
    with pytest.raises(ValueError, match="at least 1, found 0"):
        draw(0)


def test_the_sheet_command_writes_a_picture_of_all_signs(tmp_path):
    done = command("--sheet", tmp_path / "signs.png")
    assert (done.returncode, done.stdout) == (0, "")
    with Image.open(tmp_path / "signs.png") as sheet:
        assert (sheet.format, sheet.size) == ("PNG", (1800, 1350))


def test_a_missing_folder_for_the_sheet_is_one_line_and_exit_2(tmp_path):
    done = command("--sheet", tmp_path / "missing" / "signs.png")
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "missing" in done.stderr
