"""Labelled pictures: rows, names, and what no reader is needed for."""

import os
from pathlib import Path

import numpy as np
import pytest
from picture_files import picture, write_folder

from lab.data.dataset import Dataset, load, sign_names


def test_rows_are_taken_in_the_order_asked_for():
    images = np.arange(3 * 3072, dtype=np.uint8).reshape(3, 32, 32, 3)
    data = Dataset(images, np.array([5, 6, 7]), ["name"] * 8, np.array([0, 1, 1]))
    taken = data.take(np.array([2, 0]))
    assert (len(taken), taken.labels.tolist(), taken.tracks.tolist()) == (2, [7, 5], [1, 0])
    np.testing.assert_array_equal(taken.images, images[[2, 0]])


def test_paths_are_taken_like_arrays():
    data = Dataset([Path("a"), Path("b")], np.array([0, 1]), ["x", "y"])
    taken = data.take(np.array([1]))
    assert (taken.images, taken.labels.tolist(), taken.tracks) == ([Path("b")], [1], None)


def test_there_are_43_names_of_signs():
    assert len(sign_names()) == 43
    assert sign_names()[14] == "Stop"


def test_a_missing_file_names_download_and_demo(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"train\.p.*download\.py train.*--demo"):
        load(tmp_path / "train.p")


def test_a_pipe_is_refused_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "train.p")
    with pytest.raises(ValueError, match=r"train\.p: expected a file, found a pipe"):
        load(tmp_path / "train.p")


@pytest.mark.parametrize("name", ["gray.png", "photo.JPG"])
def test_a_picture_is_called_a_picture(tmp_path, name):
    (tmp_path / name).write_bytes(picture(format="PNG"))
    with pytest.raises(ValueError, match=f"{name}: is a picture; expected .* a folder"):
        load(tmp_path / name)


def test_a_folder_may_be_named_like_a_picture(tmp_path):
    files = {f"all.png/{name}/a.png": picture(format="PNG") for name in ("rose", "tulip")}
    assert len(load(write_folder(tmp_path, files) / "all.png")) == 2
