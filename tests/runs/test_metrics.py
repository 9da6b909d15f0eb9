"""Figures checked against cases worked by hand and against slower ways to the same number."""

import json
import time

import numpy as np
import pytest
from scipy.special import softmax

from lab.runs import metrics, plots

NAMES = ["stop", "yield", "keep right", "bumpy road"]


def guesses(count, classes=43, spread=2.0, seed=0):
    """Scores float32 [count, classes] that lean towards their labels, and the labels."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes, count)
    scores = spread * rng.standard_normal((count, classes), np.float32)
    scores[np.arange(count), labels] += 5
    return scores, labels


def sure(predictions):
    """Probabilities of someone who has no doubt."""
    return np.eye(len(NAMES))[predictions]


# ---- the summary -------------------------------------------------------------------------------


def test_a_summary_worked_by_hand():
    labels = np.array([0, 0, 0, 1, 1, 2])
    probabilities = np.array(
        [
            [0.8, 0.1, 0.1],
            [0.8, 0.1, 0.1],
            [0.1, 0.8, 0.1],
            [0.1, 0.8, 0.1],
            [0.1, 0.8, 0.1],
            [0.8, 0.1, 0.1],
        ]
    )
    figures = metrics.summary(labels, probabilities)
    assert figures["count"] == 6
    assert figures["accuracy"] == pytest.approx(4 / 6)
    assert figures["macro_f1"] == pytest.approx((2 / 3 + 4 / 5 + 0) / 3)
    assert figures["loss"] == pytest.approx(-(4 * np.log(0.8) + 2 * np.log(0.1)) / 6)
    assert figures["ece"] == pytest.approx(0.8 - 4 / 6)
    assert figures["resampled"] == "pictures"
    assert "top5" not in figures  # of three classes


def test_a_summary_is_plain_json_within_a_second_for_all_of_train_p():
    scores, labels = guesses(39_209)
    probabilities = softmax(scores, axis=1)
    begin = time.process_time()
    figures = metrics.summary(labels, probabilities, tracks=np.arange(len(labels)) // 30)
    assert time.process_time() - begin < 3  # measured 0.7 s; a loop over resamples takes minutes
    assert json.loads(json.dumps(figures)) == figures
    assert figures["resampled"] == "tracks"
    best = np.argsort(-probabilities, axis=1)[:, :5]
    assert figures["top5"] == pytest.approx((best == labels[:, None]).any(1).mean())


def test_classes_that_do_not_occur_do_not_lower_the_f1():
    labels = np.array([0, 0, 1, 1])
    assert metrics.summary(labels, sure(labels))["macro_f1"] == 1


# ---- the interval ------------------------------------------------------------------------------


def test_the_interval_of_independent_pictures_is_the_binomial_one():
    right = np.arange(1000) < 800
    low, high = metrics.accuracy_interval(right)
    spread = 1.96 * np.sqrt(0.8 * 0.2 / 1000)
    assert low == pytest.approx(0.8 - spread, abs=0.003)
    assert high == pytest.approx(0.8 + spread, abs=0.003)


def test_the_interval_by_tracks_is_that_of_drawing_tracks_one_by_one():
    rng = np.random.default_rng(3)
    tracks = np.repeat(np.arange(60), rng.integers(5, 31, 60))
    right = rng.random(len(tracks)) < rng.beta(4, 1, 60)[tracks]  # tracks differ in difficulty
    found = metrics.accuracy_interval(right, tracks)

    rows = [np.flatnonzero(tracks == track) for track in range(60)]
    accuracies = []
    for _ in range(4000):
        drawn = np.concatenate([rows[track] for track in rng.integers(0, 60, 60)])
        accuracies.append(right[drawn].mean())
    assert found == pytest.approx(np.percentile(accuracies, [2.5, 97.5]), abs=0.006)


def test_whole_tracks_wrong_make_the_interval_as_wide_as_tracks_are_few():
    tracks = np.repeat(np.arange(100), 30)
    right = tracks < 80
    narrow, wide = metrics.accuracy_interval(right), metrics.accuracy_interval(right, tracks)
    ratio = np.ptp(wide) / np.ptp(narrow)
    assert ratio == pytest.approx(np.sqrt(30), rel=0.1)


def test_the_interval_is_the_same_for_the_same_seed():
    right = np.random.default_rng(0).random(500) < 0.7
    assert metrics.accuracy_interval(right, seed=5) == metrics.accuracy_interval(right, seed=5)
    assert metrics.accuracy_interval(right, seed=5) != metrics.accuracy_interval(right, seed=6)


def test_without_a_mistake_the_interval_is_still_not_a_point():
    low, high = metrics.accuracy_interval(np.ones(10, bool))
    assert (low, high) == (pytest.approx(0.6915, abs=1e-4), 1)  # Clopper-Pearson, 10 of 10
    low, high = metrics.accuracy_interval(np.zeros(10, bool))
    assert (low, high) == (0, pytest.approx(0.3085, abs=1e-4))


def test_one_track_says_next_to_nothing():
    right = np.arange(30) < 24
    low, high = metrics.accuracy_interval(right, np.zeros(30, int))
    assert low < 0.05
    assert high > 0.95


# ---- classes -----------------------------------------------------------------------------------


def test_per_class_figures_worked_by_hand():
    labels, predictions = np.array([0, 0, 0, 1, 2]), np.array([0, 0, 1, 1, 0])
    table = metrics.per_class(labels, sure(predictions), NAMES)
    assert table["name"].tolist() == NAMES
    assert table["support"].tolist() == [3, 1, 1, 0]
    np.testing.assert_allclose(table["precision"], [2 / 3, 1 / 2, np.nan, np.nan])
    np.testing.assert_allclose(table["recall"], [2 / 3, 1, 0, np.nan])
    np.testing.assert_allclose(table["f1"], [2 / 3, 2 / 3, 0, np.nan])


def test_confused_pairs_come_most_frequent_first_with_their_share_of_the_true_class():
    labels = np.array([0] * 4 + [1] * 10 + [2] * 2)
    predictions = np.array([3, 3, 0, 0] + [2] * 3 + [1] * 7 + [2, 0])
    pairs = metrics.confused_pairs(labels, sure(predictions), NAMES, count=2)
    assert pairs.to_dict("records") == [
        {"true": "yield", "predicted": "keep right", "times": 3, "share": 0.3},
        {"true": "stop", "predicted": "bumpy road", "times": 2, "share": 0.5},
    ]


def test_without_mistakes_there_are_no_confused_pairs():
    labels = np.array([0, 1, 2, 3])
    pairs = metrics.confused_pairs(labels, sure(labels), NAMES)
    assert pairs.columns.tolist() == ["true", "predicted", "times", "share"]
    assert pairs.empty


# ---- calibration -------------------------------------------------------------------------------


def test_the_calibration_error_is_the_mean_gap_between_saying_and_being_right():
    probabilities = np.array([[0.9, 0.1]] * 10 + [[0.4, 0.6]] * 10)
    labels = np.array([0] * 6 + [1] * 4 + [1] * 6 + [0] * 4)  # right 6 of 10 times, both
    error = metrics.expected_calibration_error(labels, probabilities)
    assert error == pytest.approx((0.3 * 10 + 0.0 * 10) / 20)


def test_certainty_that_is_right_is_calibrated():
    labels = np.array([0, 1, 2, 3])
    assert metrics.expected_calibration_error(labels, sure(labels)) == 0


def test_the_reliability_diagram_shows_the_same_calibration(tmp_path):
    scores, labels = guesses(2000)
    probabilities = softmax(3 * scores, axis=1)
    drawn = plots.reliability(labels, probabilities, tmp_path / "a.png")
    error = metrics.expected_calibration_error(labels, probabilities)
    assert f"ECE {error:.3f}" in drawn.get_suptitle().replace("\n", " ")


@pytest.mark.parametrize("sharper", [0.5, 1.0, 4.0])
def test_the_temperature_undoes_what_made_scores_too_sharp(sharper):
    rng = np.random.default_rng(0)
    scores = 2 * rng.standard_normal((20_000, 5))
    labels = np.array([rng.choice(5, p=row) for row in softmax(scores, axis=1)])
    temperature = metrics.fit_temperature(sharper * scores, labels)
    assert temperature == pytest.approx(sharper, rel=0.05)


def test_the_temperature_lowers_the_calibration_error_of_an_overconfident_head():
    scores, labels = guesses(5000)
    scores *= 4
    before = metrics.expected_calibration_error(labels, softmax(scores, axis=1))
    temperature = metrics.fit_temperature(scores, labels)
    after = metrics.expected_calibration_error(labels, softmax(scores / temperature, axis=1))
    assert before > 0.2
    assert after < 0.03


def test_a_head_without_mistakes_gets_a_low_temperature_but_not_zero():
    labels = np.arange(4)
    temperature = metrics.fit_temperature(10 * sure(labels), labels)
    assert metrics.LOWEST <= temperature < 0.5


# ---- duplicates --------------------------------------------------------------------------------


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
