"""Labelled pictures: rows, names, and what no reader is needed for."""

from pathlib import Path

import numpy as np
import pytest

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
