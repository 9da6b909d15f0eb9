"""Figures checked against hand-worked cases and against slower ways to the same number."""

import numpy as np

from lab import metrics


def test_a_hash_names_content_whatever_the_memory_layout():
    pictures = np.random.default_rng(0).integers(0, 256, (50, 32, 32, 3), np.uint8)
    hashes = metrics.picture_hashes(pictures)
    assert hashes.dtype == np.uint64
    assert len(np.unique(hashes)) == 50
    assert np.array_equal(metrics.picture_hashes(np.asfortranarray(pictures)[::-1]), hashes[::-1])
    changed = pictures.copy()
    changed[7, 31, 31, 2] ^= 1
    assert np.flatnonzero(metrics.picture_hashes(changed) != hashes).tolist() == [7]


def test_files_are_named_by_their_bytes(tmp_path):
    paths = [tmp_path / name for name in ("a.png", "b.png", "c.png")]
    for path, content in zip(paths, (b"one", b"two", b"one"), strict=True):
        path.write_bytes(content)
    one, two, three = metrics.picture_hashes(paths)
    assert one == three != two


def test_duplicates_are_the_rows_that_were_trained_on():
    training = np.array([3, 5, 9], np.uint64)
    assert metrics.duplicates(training, np.array([1, 9, 5, 2, 9], np.uint64)).tolist() == [1, 2, 4]
    assert metrics.duplicates(training, np.array([], np.uint64)).tolist() == []
