"""Strangeness: what is like the training pictures, what is not, and the file that says which."""

import os
import tracemalloc

import numpy as np
import pytest
from sklearn.datasets import load_digits, load_sample_images

from lab.runs import strangeness
from lab.runs.strangeness import false_alarms, fit, load

WIDTH, CLASSES, EACH = 300, 8, 90
CENTRES = np.random.default_rng(0).gamma(0.5, 20, (CLASSES, WIDTH))


def pictures_of(labels, seed=1):
    """Features as of a layer after ReLU: a class's own, lit more or less, with noise."""
    rng = np.random.default_rng(seed)
    light = rng.uniform(0.5, 2, (len(labels), 1))
    noise = rng.normal(0, 6, (len(labels), WIDTH))
    return (np.maximum(0, CENTRES[labels] + noise) * light).astype(np.float16)


LABELS = np.arange(CLASSES * EACH) % CLASSES
ROWS = np.arange(480), np.arange(480, 720)


@pytest.fixture(scope="module")
def fitted():
    return fit(pictures_of(LABELS), LABELS, ROWS)[0]


def test_one_in_twenty_validation_pictures_is_called_strange(fitted):
    values = fitted.of(pictures_of(LABELS)[ROWS[1]])
    assert values.dtype == np.float32
    assert values.shape == (240,)
    assert (values > 1).sum() == 12
    assert (values == 0).mean() > 0.1  # usual in both measures


def test_new_pictures_of_the_classes_are_seldom_strange(fitted):
    labels = np.repeat(np.arange(CLASSES), 500)
    assert 0.01 < (fitted.of(pictures_of(labels, seed=2)) > 1).mean() < 0.12


def strangers(kind):
    """What lies between the classes, and what lies aside from them and their mean."""
    rng = np.random.default_rng(3)
    if kind == "between":
        pairs = np.stack([rng.permutation(CLASSES)[:2] for _ in range(100)])
        return np.maximum(0, CENTRES[pairs].mean(1) + rng.normal(0, 2, (100, WIDTH)))
    return rng.gamma(0.5, 20, (100, WIDTH))


def test_neither_measure_alone_finds_both_kinds_of_strangers_and_together_they_do(fitted):
    for kind, measure in (("between", 0), ("aside", 1)):
        features = strangers(kind)
        assert (fitted.of(features) > 1).mean() > 0.95
        usual, found = (fitted.measures(each) for each in (pictures_of(LABELS), features))
        beyond = found > np.quantile(usual, 0.95, axis=0)
        assert beyond[:, measure].mean() > 0.95
    between = fitted.measures(strangers("between"))[:, 1]
    assert (between > np.quantile(usual[:, 1], 0.95)).mean() < 0.5


def test_the_measures_are_those_of_the_papers(fitted):
    """Each class and each picture by itself, in float64, from the directions alone."""
    train, new = pictures_of(LABELS)[ROWS[0]], strangers("between")[:20]
    unit = [each / np.linalg.norm(each, axis=1)[:, None] for each in map(np.float64, (train, new))]
    basis = fitted.directions.astype(np.float64)
    mean = unit[0].mean(0)
    along, places = ((each - mean) @ basis for each in unit)
    centres = [along[LABELS[ROWS[0]] == label].mean(0) for label in range(CLASSES)]
    spreads = np.cov(along.T, bias=True), np.cov((along - np.array(centres)[LABELS[ROWS[0]]]).T)

    def distance(place, centre, spread):
        equal = np.eye(len(spread)) * np.trace(spread) / len(spread)
        inverse = np.linalg.inv(0.9 * spread + 0.1 * equal + 1e-6 * np.eye(len(spread)))
        return (place - centre) @ inverse @ (place - centre)

    expected = [
        min(distance(place, centre, spreads[1]) for centre in centres)
        - distance(place, 0, spreads[0])
        for place in places
    ]
    residuals = [
        each @ each - place @ place for each, place in zip(unit[1] - mean, places, strict=True)
    ]
    found = fitted.measures(new)
    np.testing.assert_allclose(found[:, 0], expected, rtol=0.01)
    np.testing.assert_allclose(found[:, 1], residuals, rtol=0.01)


def test_directions_are_orthonormal_and_as_few_as_pictures_allow(fitted):
    d = fitted.directions.shape[1]
    assert d == 480 // strangeness.ROWS_A_DIRECTION
    np.testing.assert_allclose(fitted.directions.T @ fitted.directions, np.eye(d), atol=2e-3)


def test_lighter_and_darker_pictures_are_equally_strange(fitted):
    features = pictures_of(LABELS[:50])
    np.testing.assert_array_equal(fitted.of(features), fitted.of(features * np.float16(4)))


def test_pictures_judged_one_by_one_or_all_at_once_are_equally_strange(fitted):
    features = np.concatenate([strangers("aside"), pictures_of(np.tile(LABELS, 2))])
    assert len(features) > strangeness.BATCH
    alone = np.concatenate([fitted.of(each[None]) for each in features])
    np.testing.assert_allclose(fitted.of(features), alone, atol=1e-3)


# ---- few pictures --------------------------------------------------------------------------------

FEW = {
    "two pictures": ([0, 1], [0]),
    "one picture": ([0], [0, 0]),
    "two classes": ([0, 1] * 50, [0, 1] * 10),
    "a class with one picture": ([0] * 40 + [1] * 40 + [2], [0, 1, 2] * 5),
    "a picture of each": (range(CLASSES), range(CLASSES)),
    "a class that only validates": ([0, 1] * 20, [0, 1, 2] * 5),
}


@pytest.mark.parametrize(("training", "validation"), FEW.values(), ids=FEW)
def test_few_pictures_suffice(training, validation):
    labels = np.array([*training, *validation])
    features = pictures_of(labels)
    rows = np.split(np.arange(len(labels)), [len(training)])
    fitted, of_validation = fit(features, labels, rows)
    for array in vars(fitted).values():
        assert np.isfinite(array).all()
    values = fitted.of(np.concatenate([features, strangers("aside")]))
    assert np.isfinite(values).all()
    np.testing.assert_allclose(values[rows[1]], of_validation, atol=1e-3)
    assert (values[rows[1]] > 1).sum() <= max(1, len(validation) // 10)


ODD = {
    "equal pictures": np.ones((40, 16), np.float16),
    "nothing at all": np.zeros((40, 16), np.float16),
    "the largest float16": np.full((40, 16), 65504, np.float16) * np.eye(16, dtype=bool)[[3] * 40],
    "the smallest float16": np.full((40, 16), 6e-8, np.float16),
    "one feature": np.arange(40, dtype=np.float16)[:, None],
    "fewer features than directions": np.random.default_rng(0).random((40, 3)),
}


@pytest.mark.parametrize("features", ODD.values(), ids=ODD)
def test_odd_features_give_numbers(features):
    fitted, _ = fit(features, np.arange(40) % 2, (np.arange(30), np.arange(30, 40)))
    assert np.isfinite(fitted.of(features)).all()
    assert (fitted.of(features)[30:] <= 1).mean() >= 0.9


def test_memory_does_not_grow_with_pictures_times_features():
    features = np.random.default_rng(0).random((4000, 6000), np.float32).astype(np.float16)
    rows = np.arange(3000), np.arange(3000, 4000)
    tracemalloc.start()
    try:
        fit(features, np.arange(4000) % 10, rows)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 400_000_000


# ---- false alarms --------------------------------------------------------------------------------


def test_false_alarms_among_pictures_alike_are_those_that_were_asked_for():
    values = np.random.default_rng(0).random(5000)
    assert false_alarms(values) == pytest.approx(0.05, abs=0.01)


def test_pictures_of_one_thing_set_the_threshold_or_are_judged_but_not_both():
    values = np.repeat([0.0, 5.0], 100)  # of two things one is strange from end to end
    assert false_alarms(values, np.repeat([7, 9], 100)) == 0.5
    assert false_alarms(values) < 0.1


def test_of_a_single_thing_nothing_is_known():
    assert false_alarms(np.ones(9), np.zeros(9, int)) is None
    assert false_alarms(np.ones(1)) is None


# ---- the file ------------------------------------------------------------------------------------


@pytest.fixture
def path(tmp_path, fitted):
    fitted.save(tmp_path / "strangeness.npz")
    return tmp_path / "strangeness.npz"


def test_what_was_saved_comes_back_to_the_last_bit(path, fitted):
    features = np.concatenate([strangers("aside"), pictures_of(LABELS)])
    np.testing.assert_array_equal(load(path, WIDTH).of(features), fitted.of(features))


def test_the_file_is_small_and_three_products_of_matrices_make_all_of_it(path, fitted):
    with np.load(path, allow_pickle=False) as file:
        arrays = dict(file)
    assert arrays["directions"].dtype == np.float16
    assert path.stat().st_size < 2 * WIDTH * 96 + 100_000
    mean, directions, axes, variances, centres, usual, unit = map(np.float64, arrays.values())
    features = strangers("between")
    x = features / np.linalg.norm(features, axis=1, keepdims=True) - mean
    z = x @ directions
    q = z @ axes
    distance = ((q[:, None] - centres) ** 2).sum(2).min(1) - (q**2 / variances).sum(1)
    residual = (x**2).sum(1) - (z**2).sum(1)
    beyond = (np.stack([distance, residual], 1) - usual) / unit
    expected = np.linalg.norm(np.maximum(0, beyond), axis=1)
    np.testing.assert_allclose(fitted.of(features), expected, rtol=1e-3)


def test_a_run_without_the_file_has_none(tmp_path):
    assert load(tmp_path / "strangeness.npz", WIDTH) is None


def rewritten(path, **changes):
    with np.load(path) as file:
        arrays = dict(file) | changes
    np.savez(path, **{name: array for name, array in arrays.items() if array is not None})


DAMAGE = {
    "no centres": {"centres": None},
    "no variances": {"variances": None},
    "no class": {"centres": np.zeros((0, 96), np.float32)},
    "a number for centres": {"centres": np.float32(1)},
    "axes of another shape": {"axes": np.eye(95, dtype=np.float32)},
    "one unit": {"unit": np.ones(1, np.float32)},
    "NaN": {"mean": np.full(WIDTH, np.nan, np.float32)},
    "too large for float32": {"mean": np.full(WIDTH, 1e300)},
    "no spread": {"variances": np.zeros(96, np.float32)},
    "a unit below 0": {"unit": np.array([-1, 1], np.float32)},
    "objects": {"mean": np.array([None] * WIDTH)},
    "text": {"mean": np.array(["a"] * WIDTH)},
}


def refused(path, width=WIDTH):
    with pytest.raises(ValueError, match=r"strangeness\.npz: .*train again") as error:
        load(path, width)
    assert str(error.value).isprintable()
    return str(error.value)


@pytest.mark.parametrize("changes", DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_file_is_one_line(path, changes):
    rewritten(path, **changes)
    refused(path)


def test_a_file_of_another_layer_says_both_widths(path):
    assert "mean of shape (4096,), found (300,)" in refused(path, 4096)


def test_a_cut_file_no_file_and_a_pipe_are_one_line(path):
    path.write_bytes(path.read_bytes()[:-100])
    refused(path)
    path.write_bytes(b"hello")
    refused(path)
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(ValueError, match=r"strangeness\.npz: expected a file, found a pipe"):
        load(path, WIDTH)


# ---- the real thing ------------------------------------------------------------------------------


def test_photographs_and_digits_are_unlike_signs_and_signs_never_seen_are_not(lab_file):
    from lab.data import sources, splits
    from lab.features.extraction import extract
    from lab.networks import ALEXNET

    signs = sources.load(lab_file("train.p"))
    signs = signs.take(splits.stratified_subset(signs, 3000, 0))
    weights = ALEXNET.module.load_weights(lab_file("bvlc-alexnet.npy"))
    rng = np.random.default_rng(0)
    photographs = []
    for photograph in load_sample_images().images:
        for top, left in rng.integers(0, 200, (30, 2)):
            photographs.append(photograph[top : top + 200, left : left + 200])
    digits = load_digits().images[:60] * 255 / 16
    digits = np.repeat(np.kron(digits, np.ones((4, 4)))[..., None], 3, axis=3).astype(np.uint8)
    known, photographs, digits = (
        extract(each, weights, cache=False) for each in (signs.images, photographs, digits)
    )
    tracks = rng.permutation(np.unique(signs.tracks))
    later = np.isin(signs.tracks, tracks[::5])
    training, validation = splits.split(signs.labels[~later], signs.tracks[~later], 1 / 3, 0)
    fitted, _ = fit(known[~later], signs.labels[~later], (training, validation))
    shares = [(fitted.of(each) > 1).mean() for each in (photographs, digits, known[later])]
    assert shares[0] > 0.95
    assert shares[1] > 0.5
    assert shares[2] < 0.12
