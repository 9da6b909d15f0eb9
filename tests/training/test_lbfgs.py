"""L-BFGS on the new layer: its gradient, its optimum, and that layers below are respected."""

import keras
import numpy as np
import pytest
from test_loop import CLASSES, RECIPE, TRAINING, VALIDATION, build, fit, judge, replaced

from feature_extraction import new_layer
from lab.training import lbfgs, loop


def solve(training, validation, folder, model=None):
    model = model or build()
    features, labels = (np.concatenate(pair) for pair in zip(training, validation, strict=True))
    sides = np.split(np.arange(len(labels)), [len(training[1])])
    examples = loop.Examples(features, labels, np.ones(len(labels), np.float32), CLASSES)
    return model, lbfgs.solve(model, examples, sides, folder)


def test_the_gradient_is_the_one_of_finite_differences():
    problem = lbfgs.Problem(*TRAINING, np.ones(len(TRAINING[1]), np.float32), CLASSES)
    random = np.random.default_rng(0)
    place = random.normal(0, 0.01, problem.start.shape)
    _, gradient = problem.loss_and_gradient(place, 0.1)
    for _ in range(5):
        direction = random.normal(0, 1, place.shape) + np.sign(gradient)  # so that it counts
        above, below = (
            problem.loss_and_gradient(place + step * direction, 0.1)[0] for step in (1e-3, -1e-3)
        )
        assert (above - below) / 2e-3 == pytest.approx(gradient @ direction, rel=0.01)


def test_the_loss_is_that_of_the_layer_it_becomes():
    problem = lbfgs.Problem(*TRAINING, np.ones(len(TRAINING[1]), np.float32), CLASSES)
    place = np.random.default_rng(0).normal(0, 0.01, problem.start.shape)
    loss, _ = problem.loss_and_gradient(place, 0.1)
    penalty = 0.1 / 2 * np.sum(place.reshape(4097, CLASSES)[:-1] ** 2)
    losses, _ = judge(problem.layer(place), *TRAINING)
    assert loss == pytest.approx(losses.mean() + penalty, rel=1e-4)


def test_a_weight_multiplies_the_loss_of_its_picture():
    features, labels = TRAINING
    weights = np.random.default_rng(1).uniform(0, 2, len(labels)).astype(np.float32)
    problem = lbfgs.Problem(features, labels, weights, CLASSES)
    place = np.random.default_rng(0).normal(0, 0.01, problem.start.shape)
    losses, _ = judge(problem.layer(place), *TRAINING)
    found, _ = problem.loss_and_gradient(place, 0)
    assert found == pytest.approx((weights * losses).mean(), rel=1e-4)


@pytest.fixture(scope="module")
def optimum(tmp_path_factory):
    folder = tmp_path_factory.mktemp("optimum")
    return *solve(TRAINING, VALIDATION, folder), folder


def test_lbfgs_is_at_least_as_good_as_adam(optimum, tmp_path):
    _, adam = fit(tmp_path, replaced(RECIPE, epochs=10))
    assert optimum[1]["val_accuracy"].max() >= adam["val_accuracy"].max()
    assert optimum[1]["val_loss"].min() <= adam["val_loss"].min()


def test_lbfgs_keeps_the_head_of_its_best_penalty(optimum):
    fitted, history, _ = optimum
    losses, accuracy = judge(fitted.get_weights(), *VALIDATION)
    best = history.loc[history["val_loss"].idxmin()]
    assert losses.mean() == pytest.approx(best["val_loss"], rel=1e-4)
    assert accuracy == pytest.approx(best["val_accuracy"])


def test_features_that_tell_nothing_apart_give_lbfgs_no_nan(tmp_path):
    nothing = np.zeros((60, 4096), np.float16), VALIDATION[1]
    fitted, history = solve(nothing, nothing, tmp_path)
    assert np.isfinite(history["val_loss"]).all()
    assert np.isfinite(fitted.get_weights()[0]).all()


def test_what_lies_below_the_layer_is_part_of_the_problem(tmp_path):
    """The lesson's layer normalises first: the optimum for it is the optimum behind that."""
    whole, history = solve(TRAINING, VALIDATION, tmp_path, new_layer(4096, CLASSES))
    normalise = keras.Sequential([keras.Input([4096]), whole.layers[0]])
    sides = [(normalise.predict(x, verbose=0), y) for x, y in (TRAINING, VALIDATION)]
    alone, expected = solve(*sides, tmp_path)
    np.testing.assert_allclose(history["val_loss"], expected["val_loss"], rtol=1e-3)
    losses, _ = judge(alone.get_weights(), *sides[1])
    assert losses.mean() == pytest.approx(history["val_loss"].min(), rel=1e-3)
