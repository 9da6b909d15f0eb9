"""Labelled pictures: rows, names, and what no reader is needed for."""

import os
from pathlib import Path

import numpy as np
import pytest
from picture_files import picture, write_folder

from lab.data.dataset import Dataset, matched, sign_names
from lab.data.sources import load


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


# ---- the classes of one Dataset among those of another -------------------------------------------


def named(*names, labels=None):
    """A Dataset of one picture a class, or of `labels`."""
    labels = np.arange(len(names)) if labels is None else np.array(labels)
    return Dataset([Path(f"{label}.png") for label in labels], labels, list(names))


def test_classes_are_matched_by_name_whatever_their_order():
    data = named("tulip", "rose", "daisy", labels=[2, 0, 1, 1])
    found = matched(data, ["daisy", "rose", "tulip"])
    assert found.names == ["daisy", "rose", "tulip"]
    assert found.labels.tolist() == [0, 2, 1, 1]
    assert found.labels.dtype == np.int64
    assert found.images == data.images


def test_tracks_stay_with_their_pictures():
    data = Dataset(
        np.zeros((2, 32, 32, 3), np.uint8), np.array([1, 0]), ["a", "b"], np.array([7, 9])
    )
    assert matched(data, ["b", "a"]).tracks.tolist() == [7, 9]


def test_some_of_the_classes_suffice():
    found = matched(named("tulip", "daisy"), ["daisy", "rose", "tulip"])
    assert found.labels.tolist() == [2, 0]


def test_a_class_without_pictures_need_not_be_known():
    assert matched(named("rose", "cat", labels=[0, 0]), ["rose"]).labels.tolist() == [0, 0]


@pytest.mark.parametrize("sign", ["-", "_", " ", ""])
def test_names_that_no_folder_can_have_are_known_by_what_stands_for_their_slash(sign):
    folders = [f"Beware of ice{sign}snow", f"Speed limit (20km{sign}h)"]
    assert matched(named(*folders), sign_names()).labels.tolist() == [30, 0]
    folders = [f"what{sign} why{sign}"]
    assert matched(named(*folders), ["how?", "what? why?"]).labels.tolist() == [1]


def test_a_spelling_that_could_mean_two_classes_means_neither():
    with pytest.raises(ValueError, match="found 1 other classes: a-b"):
        matched(named("a-b"), ["a/b", "a:b"])
    assert matched(named("a-b"), ["a/b", "a-b"]).labels.tolist() == [1]


def test_accents_may_be_written_in_either_way():
    assert matched(named("Caf\u00e9"), ["The", "Cafe\u0301"]).labels.tolist() == [1]
    assert matched(named("Cafe\u0301"), ["The", "Caf\u00e9"]).labels.tolist() == [1]


def test_signs_are_known_by_their_class_id_too():
    data = named("00014", "Yield", "00000", "42", "7")
    assert matched(data, sign_names()).labels.tolist() == [14, 13, 0, 42, 7]
    assert matched(named("00014", "00013"), ["Stop", "Yield"]).labels.tolist() == [0, 1]


def test_a_head_trained_on_folders_of_class_ids_knows_signs_by_name():
    data = named(*sign_names(), labels=[14, 1, 14])
    assert matched(data, ["00001", "00014"]).labels.tolist() == [1, 0, 1]


def test_numbers_are_no_class_ids_where_classes_are_no_signs():
    for names in ["zero", "Stop"], [str(digit) for digit in range(10)]:
        with pytest.raises(ValueError, match="found 1 other classes: 00014"):
            matched(named("00014"), names)
    with pytest.raises(ValueError, match="other classes: Speed limit"):
        matched(named(*sign_names()), [str(digit) for digit in range(10)])


def test_classes_that_are_unknown_and_those_without_pictures_are_named():
    with pytest.raises(ValueError, match="expected pictures of the 3 classes") as error:
        matched(named("rose", "cat\x1b[2J", "00099"), ["daisy", "rose", "tulip"])
    assert str(error.value) == (
        "expected pictures of the 3 classes daisy, rose, tulip; found 2 other classes: "
        r"cat\x1b[2J, 00099; without pictures: daisy, tulip"
    )


def test_of_many_unknown_classes_a_few_are_named():
    with pytest.raises(ValueError, match=r"43 classes Speed .*, \.\.\.; found 300 other") as error:
        matched(named(*[f"class {number}" for number in range(300)]), sign_names())
    assert len(str(error.value)) < 600


@pytest.mark.parametrize("name", [b"a\nb.p", b"\xff.p", b"\x1b[2J.p", "\u202eabc.p".encode()])
def test_a_name_that_cannot_be_printed_is_refused_first(tmp_path, name):
    path = tmp_path / os.fsdecode(name)
    with pytest.raises(ValueError, match="found control characters or bytes that are no text"):
        load(path)
    path.write_bytes(b"")
    with pytest.raises(ValueError, match="found control characters") as error:
        load(path)
    assert str(error.value).isprintable()
