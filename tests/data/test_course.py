"""The course's pickles as one Dataset with its tracks, or as one line that says why not."""

import pickle
import time

import numpy as np
import pytest

from lab.data.course import find_tracks
from lab.data.dataset import sign_names
from lab.data.sources import load

FEATURES = np.zeros((120, 32, 32, 3), np.uint8)


def filmed(tracks_by_class, seed=0):
    """Labels and sizes as in train.p: class by class, 30 frames a track, sizes growing, shaking."""
    random = np.random.default_rng(seed)
    labels = np.repeat(np.arange(len(tracks_by_class)), 30 * np.array(tracks_by_class))
    sides = np.tile(np.geomspace(28, 120, 30), sum(tracks_by_class))
    sizes = sides[:, None] * random.uniform(0.97, 1.03, (len(sides), 2))
    return labels, sizes.astype(np.uint8)


def course_file(path, **changes):
    """A file like the course's at `path`, 4 tracks in 2 classes; None takes a key out."""
    labels, sizes = filmed([1, 3])
    features = np.zeros((len(labels), 32, 32, 3), np.uint8)
    features[..., 0] = np.arange(len(labels))[:, None, None]
    content = {"features": features, "labels": labels.astype(np.uint8), "sizes": sizes} | changes
    content = {key: value for key, value in content.items() if value is not None}
    path.write_bytes(pickle.dumps(content, protocol=4))
    return path


def test_the_course_file_is_read_with_names_and_tracks(tmp_path):
    data = load(course_file(tmp_path / "train.p"))
    assert (data.images.shape, data.images.dtype) == ((120, 32, 32, 3), np.uint8)
    assert data.labels.dtype == np.int64
    assert data.names == sign_names()
    assert data.tracks.tolist() == (np.arange(120) // 30).tolist()


@pytest.mark.parametrize("labels", [list, tuple, lambda rows: [*np.uint8(rows)]])
def test_lists_of_pictures_and_of_numbers_are_as_good_as_arrays(tmp_path, labels):
    changes = {"features": list(FEATURES), "labels": labels([1] * 120), "sizes": None}
    data = load(course_file(tmp_path / "train.p", **changes))
    assert data.images.shape == (120, 32, 32, 3)
    assert data.labels.tolist() == [1] * 120


@pytest.mark.parametrize("sizes", [None, [[40, 40]] * 120, [[0, 0]] * 120, [[40, 40]] * 7])
def test_without_telling_sizes_the_tracks_are_unknown(tmp_path, sizes):
    assert load(course_file(tmp_path / "train.p", sizes=sizes)).tracks is None


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"features": None}, r"expected a dict with features and labels, found keys \['labels'"),
        ({"features": FEATURES / 255}, "features: expected uint8 .*, found float64"),
        ({"features": FEATURES[..., 0]}, r"features: .* found uint8 \[120, 32, 32\]"),
        ({"features": FEATURES[:0], "labels": []}, r"found uint8 \[0, 32, 32, 3\]"),
        ({"features": [[1], [2, 3]]}, "features: expected"),
        ({"labels": [1] * 119}, r"labels: expected whole numbers \[120\], found int64 \[119\]"),
        ({"labels": np.eye(120, dtype=int)}, r"found int64 \[120, 120\]"),
        ({"labels": [np.nan] * 120}, "labels: expected whole numbers .* found float64"),
        ({"labels": ["x" * 9999] + [""] * 119}, "labels: expected .* found other values"),
        ({"features": [*FEATURES[1:], FEATURES[0] / 255]}, "features: expected .* other values"),
        ({"features": [*FEATURES[1:], 7]}, "features: expected .* other values"),
        ({"labels": [43] * 120}, "expected labels 0-42, the rows of signnames.csv, found 43-43"),
        ({"labels": [-1] * 120}, "found -1--1"),
    ],
)
def test_a_course_file_with_other_content_is_one_line(tmp_path, changes, complaint):
    path = course_file(tmp_path / "train.p", **changes)
    with pytest.raises(ValueError, match=complaint) as error:
        load(path)
    assert str(error.value).startswith(f"{path}: ")
    assert "\n" not in str(error.value)


def test_a_pickle_of_something_else_is_one_line(tmp_path):
    (tmp_path / "train.p").write_bytes(pickle.dumps([1, 2]))
    with pytest.raises(ValueError, match=r"expected a dict .*, found list.*download\.py train"):
        load(tmp_path / "train.p")


# ---- tracks -------------------------------------------------------------------------------------


def true_tracks(labels):
    return np.arange(len(labels)) // 30


def test_tracks_are_found_whatever_the_order_of_classes():
    labels, sizes = filmed([2, 5, 3])
    assert find_tracks(40 - labels, sizes).tolist() == true_tracks(labels).tolist()


@pytest.mark.parametrize("lost", [31, 89, 60, 149])
def test_the_one_track_of_29_frames_is_found(lost):
    labels, sizes = filmed([1, 4, 3])
    labels, sizes, truth = (
        np.delete(rows, lost, 0) for rows in (labels, sizes, true_tracks(labels))
    )
    assert find_tracks(labels, sizes).tolist() == truth.tolist()


def shuffled(labels, tracks, random):
    return random.permutation(len(labels))


def shuffled_inside_classes(labels, tracks, random):
    return np.lexsort([random.random(len(labels)), labels])


def shuffled_inside_tracks(labels, tracks, random):
    return np.lexsort([random.random(len(labels)), tracks])


def half_the_rows(labels, tracks, random):
    return np.sort(random.choice(len(labels), len(labels) // 2, replace=False))


def thirty_a_class(labels, tracks, random):
    chosen = [random.choice(np.flatnonzero(labels == i), 30, replace=False) for i in set(labels)]
    return np.sort(np.concatenate(chosen))


def every_row_twice(labels, tracks, random):
    return np.repeat(np.arange(len(labels)), 2)


def a_second_copy_at_the_end(labels, tracks, random):
    return np.tile(np.arange(len(labels)), 2)


def two_rows_lost(labels, tracks, random):
    return np.delete(np.arange(len(labels)), [5, 100])


def begun_inside_a_track(labels, tracks, random):
    return np.roll(np.arange(90), 15)


CHANGES = [
    shuffled,
    shuffled_inside_classes,
    shuffled_inside_tracks,
    half_the_rows,
    thirty_a_class,
    every_row_twice,
    a_second_copy_at_the_end,
    two_rows_lost,
]


@pytest.mark.parametrize("change", [*CHANGES, begun_inside_a_track], ids=lambda f: f.__name__)
def test_tracks_of_a_file_that_lost_its_order_are_unknown(change):
    labels, sizes = filmed([3, 5, 4])
    rows = change(labels, true_tracks(labels), np.random.default_rng(0))
    assert find_tracks(labels, sizes) is not None
    assert find_tracks(labels[rows], sizes[rows]) is None


def test_the_real_file_has_1307_tracks_of_one_class_each_found_at_once(lab_file):
    with lab_file("train.p").open("rb") as file:
        content = pickle.load(file)
    labels, sizes = content["labels"].astype(np.int64), content["sizes"]
    start = time.perf_counter()
    tracks = find_tracks(labels, sizes)
    assert time.perf_counter() - start < 30  # milliseconds alone
    assert np.bincount(np.bincount(tracks)).tolist() == [0] * 29 + [1, 1306]
    assert all(len(np.unique(labels[tracks == track])) == 1 for track in range(0, 1307, 50))


def test_pictures_change_where_tracks_of_the_real_file_change(lab_file):
    data = load(lab_file("train.p"))
    thumbnails = data.images.reshape(-1, 8, 4, 8, 4, 3).mean((2, 4)).reshape(len(data), -1)
    thumbnails -= thumbnails.mean(1, keepdims=True)
    thumbnails /= thumbnails.std(1, keepdims=True) + 1e-3
    likeness = (thumbnails[1:] * thumbnails[:-1]).mean(1)  # correlation of neighbouring rows
    starts = np.diff(data.tracks) > 0
    assert np.quantile(likeness[~starts], 0.1) > np.quantile(likeness[starts], 0.75)


@pytest.mark.parametrize("change", CHANGES, ids=lambda f: f.__name__)
def test_the_real_file_without_its_order_says_unknown(lab_file, change):
    with lab_file("train.p").open("rb") as file:
        content = pickle.load(file)
    labels, sizes = content["labels"].astype(np.int64), content["sizes"]
    rows = change(labels, find_tracks(labels, sizes), np.random.default_rng(0))
    assert find_tracks(labels[rows], sizes[rows]) is None


def test_the_real_file_keeps_its_tracks_when_whole_tracks_leave_and_classes_move(lab_file):
    data = load(lab_file("train.p"))
    with lab_file("train.p").open("rb") as file:
        sizes = pickle.load(file)["sizes"]
    random = np.random.default_rng(0)
    left = [random.choice(data.tracks[data.labels == label]) for label in range(43)]
    rows = np.argsort(random.permutation(43)[data.labels], kind="stable")
    rows = rows[~np.isin(data.tracks[rows], left)]
    found = find_tracks(data.labels[rows], sizes[rows])
    assert found.max() == 1307 - 43 - 1
    np.testing.assert_array_equal(np.diff(found) != 0, np.diff(data.tracks[rows]) != 0)
