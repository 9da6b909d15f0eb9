"""Which pictures train and which validate."""

import time

import numpy as np
import pytest
from PIL import Image, ImageDraw
from sklearn.model_selection import train_test_split

from lab.data import splits
from lab.data.dataset import Dataset
from lab.data.sources import load
from lab.data.splits import (
    groups_of,
    near_duplicate_groups,
    pattern_groups,
    split,
    stratified_subset,
)


def dataset(labels, tracks=None):
    labels = np.array(labels)
    images = np.zeros((len(labels), 32, 32, 3), np.uint8)
    return Dataset(images, labels, [str(i) for i in range(labels.max() + 1)], tracks)


def scene(seed, size=120):
    """A picture of coloured boxes that no other seed gives."""
    random = np.random.default_rng(seed)
    picture = Image.new("RGB", (size, size), tuple(random.integers(0, 256, 3)))
    for _ in range(25):
        x, y, width, height = random.integers(0, size, 4)
        colour = tuple(random.integers(0, 256, 3))
        ImageDraw.Draw(picture).rectangle([x, y, x + width, y + height], fill=colour)
    return picture


# ---- subsets ------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [1, 5, 10, 37, 500, 1110])
def test_a_subset_has_the_size_asked_for_and_no_row_twice(count):
    rows = stratified_subset(dataset([0] * 1000 + [1] * 100 + [2] * 10), count, seed=0)
    assert len(np.unique(rows)) == len(rows) == count


def test_a_subset_larger_than_the_dataset_is_all_of_it():
    assert stratified_subset(dataset([0, 1, 1]), 10, seed=0).tolist() == [0, 1, 2]


def test_every_class_keeps_its_share_in_a_subset():
    data = dataset([0] * 600 + [1] * 300 + [2] * 100)
    counts = np.bincount(data.labels[stratified_subset(data, 100, seed=3)])
    np.testing.assert_allclose(counts, [60, 30, 10], atol=1)


def test_a_rare_class_keeps_one_picture_in_a_subset():
    data = dataset([0] * 5000 + [1, 2])
    assert set(data.labels[stratified_subset(data, 3, seed=0)]) == {0, 1, 2}


def test_a_subset_smaller_than_the_classes_takes_one_of_some():
    rows = stratified_subset(dataset([0, 1, 2, 3, 4] * 4), 3, seed=0)
    assert len({row % 5 for row in rows}) == 3


def test_a_subset_takes_a_frame_of_every_track_before_a_second_of_any():
    data = dataset([0] * 300 + [1] * 90, tracks=np.arange(390) // 30)
    frames = np.bincount(data.tracks[stratified_subset(data, 26, seed=1)])
    assert frames.tolist() == [2] * 13


def test_the_seed_decides_the_subset():
    data = dataset([0] * 100)
    first, again, other = (stratified_subset(data, 20, seed) for seed in (1, 1, 2))
    assert first.tolist() == again.tolist() != other.tolist()


# ---- splits -------------------------------------------------------------------------------------


def test_without_groups_the_split_is_the_one_of_the_course():
    labels = np.arange(500) % 10
    _, _, course_training, course_validation = train_test_split(
        np.zeros(500), np.arange(500), test_size=0.33, random_state=0
    )
    training, validation = split(labels, None, 0.33, seed=0)
    assert training.tolist() == course_training.tolist()
    assert validation.tolist() == course_validation.tolist()


def test_a_group_is_never_on_both_sides_and_no_row_is_lost():
    groups = np.random.default_rng(0).permutation(np.arange(1000) // 10)
    training, validation = split(groups % 5, groups, 0.3, seed=0)
    assert not set(groups[training]) & set(groups[validation])
    assert sorted([*training, *validation]) == list(range(1000))


def test_every_class_validates_with_its_share_of_groups():
    labels = np.array([0] * 300 + [1] * 60)
    _, validation = split(labels, np.arange(360) // 10, 0.33, seed=0)
    assert np.bincount(labels[validation]).tolist() == [100, 20]


def test_a_class_of_two_groups_has_one_on_each_side_whatever_the_fraction():
    for fraction in (0.01, 0.99):
        training, validation = split(np.zeros(10, int), np.arange(10) // 5, fraction, seed=0)
        assert len(training) == len(validation) == 5


def test_a_class_with_a_single_group_only_trains():
    labels, groups = np.array([0, 0, 0, 0, 7, 7]), np.array([0, 0, 1, 1, 2, 2])
    training, validation = split(labels, groups, 0.33, seed=0)
    assert {4, 5} <= set(training)
    assert not {4, 5} & set(validation)


def test_a_group_with_several_labels_stays_whole():
    labels, groups = np.arange(60) % 2, np.arange(60) // 6
    training, validation = split(labels, groups, 0.3, seed=0)
    assert np.bincount(groups[validation]).max() == 6
    assert not set(groups[training]) & set(groups[validation])


def test_the_seed_decides_the_split_by_groups():
    labels, groups = np.zeros(300, int), np.arange(300) // 3
    first, again, other = (split(labels, groups, 0.3, seed)[1].tolist() for seed in (1, 1, 2))
    assert first == again != other


@pytest.mark.parametrize(("count", "fraction"), [(1, 0.5), (20, 0.99), (100, 0.995)])
def test_a_random_split_that_leaves_a_side_empty_is_an_error(count, fraction):
    with pytest.raises(ValueError, match="leaves one side empty"):
        split(np.zeros(count, int), None, fraction, seed=0)


def test_one_group_a_class_cannot_be_split():
    with pytest.raises(ValueError, match="no class has two"):
        split(np.array([0, 0, 1, 1]), np.array([0, 0, 1, 1]), 0.33, seed=0)


# ---- groups -------------------------------------------------------------------------------------


def test_a_pattern_groups_by_its_first_parenthesis(tmp_path):
    paths = [tmp_path / name for name in ("p1_a.png", "p2_a.png", "p1_b.png")]
    assert pattern_groups(paths, r"p(\d)_").tolist() == [0, 1, 0]


def test_a_pattern_without_parentheses_groups_by_its_match(tmp_path):
    paths = [tmp_path / name for name in ("ann1.png", "bob1.png", "ann2.png")]
    assert pattern_groups(paths, "[a-z]+").tolist() == [0, 1, 0]


def test_a_file_the_pattern_does_not_fit_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"odd\.png.*--group-pattern"):
        pattern_groups([tmp_path / "p1.png", tmp_path / "odd.png"], r"p(\d)")


def test_a_broken_pattern_is_an_error_that_shows_it(tmp_path):
    with pytest.raises(ValueError, match=r"--group-pattern \(: no regular expression"):
        pattern_groups([tmp_path / "p1.png"], "(")


def test_copies_that_were_resized_compressed_or_darkened_form_one_group(tmp_path):
    picture = scene(0)
    picture.save(tmp_path / "picture.png")
    picture.resize((60, 60)).save(tmp_path / "smaller.png")
    picture.save(tmp_path / "poor.jpg", quality=30)
    picture.point(lambda value: value * 0.8).save(tmp_path / "darker.png")
    assert len(set(near_duplicate_groups(sorted(tmp_path.iterdir())))) == 1


def test_different_pictures_form_groups_of_their_own(tmp_path):
    paths = [tmp_path / f"{seed}.png" for seed in range(40)]
    for seed, path in enumerate(paths):
        scene(seed).save(path)
    assert len(set(near_duplicate_groups(paths))) == 40


def test_copies_are_found_among_more_pictures_than_are_compared_at_once(tmp_path, monkeypatch):
    monkeypatch.setattr(splits, "PAIRS", 300 * 70)
    paths = [tmp_path / f"{row}.png" for row in range(300)]
    for row, path in enumerate(paths):
        scene(row % 290).save(path)  # the last ten are the first ten again
    groups = near_duplicate_groups(paths)
    assert groups[290:].tolist() == groups[:10].tolist()
    assert len(set(groups)) == 290


def test_groups_are_tracks_where_tracks_are_known():
    tracks = np.array([4, 4, 5])
    assert groups_of(dataset([0, 0, 1], tracks)) is tracks


def test_nothing_is_known_of_arrays_without_tracks():
    assert groups_of(dataset([0, 1])) is None


def test_groups_of_a_folder_are_its_copies(tmp_path):
    paths = [tmp_path / name for name in ("a.png", "b.png", "c.png")]
    for seed, path in zip((1, 2, 1), paths, strict=True):
        scene(seed).save(path)
    groups = groups_of(Dataset(paths, np.zeros(3, int), ["boxes"]))
    assert groups[0] == groups[2] != groups[1]


def test_a_group_pattern_needs_file_names():
    with pytest.raises(ValueError, match="these pictures have none"):
        groups_of(dataset([0, 1]), "p(.)")


# ---- the real file ------------------------------------------------------------------------------


def test_the_real_file_splits_by_track_with_a_third_of_every_class(lab_file):
    data = load(lab_file("train.p"))
    training, validation = split(data.labels, groups_of(data), 0.33, seed=0)
    assert not set(data.tracks[training]) & set(data.tracks[validation])
    shares = np.bincount(data.labels[validation]) / np.bincount(data.labels)
    assert 0.25 < shares.min() <= shares.max() < 0.45
    assert len(validation) / len(data) == pytest.approx(0.33, abs=0.01)


def test_a_subset_of_the_real_file_shows_every_sign_and_takes_no_time(lab_file):
    data = load(lab_file("train.p"))
    start = time.perf_counter()
    rows = stratified_subset(data, 2000, seed=0)
    assert time.perf_counter() - start < 30  # milliseconds alone
    assert len(set(data.tracks[rows])) == 1307
