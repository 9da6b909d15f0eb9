"""The head: what fitting it does to the numbers, and that no moment of dying changes them."""

import random
import re
import signal
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from conftest import PROJECT

from lab.training import lbfgs as convex
from lab.training import loop as head
from lab.training.loop import Recipe

pytestmark = pytest.mark.filterwarnings("ignore:Even though:UserWarning")  # of running eagerly

CLASSES = 5


def features_of(labels, seed):
    """float16 [n, 4096] as fc7 gives them: not negative, half of them 0, the classes apart."""
    centres = np.random.default_rng(9).normal(0, 0.12, (CLASSES, 4096))
    noise = np.random.default_rng(seed).normal(0, 1, (len(labels), 4096))
    return np.maximum(centres[labels] + noise, 0).astype(np.float16)


def rows(count, seed):
    """(features [n, 4096], labels [n])."""
    labels = np.random.default_rng(seed).integers(0, CLASSES, count)
    return features_of(labels, seed), labels


TRAINING, VALIDATION = rows(150, seed=1), rows(60, seed=2)
RECIPE = Recipe(epochs=4, batch_size=100)
STILL = Recipe(epochs=1, learning_rate=1e-9)  # the head stays what it was


def fit(folder, recipe=RECIPE, training=TRAINING, validation=VALIDATION, seed=0, callbacks=()):
    folder.mkdir(exist_ok=True)
    new_layer = head.build(CLASSES, seed)
    return head.fit(new_layer, training, validation, recipe, folder, callbacks)


def numbers(fitted):
    """What two equal trainings have in common: the weights and the history but for its seconds."""
    model, history = fitted
    return [*model.get_weights(), history.drop(columns="seconds").to_numpy()]


def assert_equal(one, other):
    for a, b in zip(numbers(one), numbers(other), strict=True):
        np.testing.assert_array_equal(a, b)


def differ(one, other):
    return not np.array_equal(numbers(one)[0], numbers(other)[0])


def judge(weights, features, labels):
    """By NumPy alone: the loss of each row [n], and the accuracy."""
    kernel, bias = (array.astype(np.float64) for array in weights)
    scores = features.astype(np.float64) @ kernel + bias
    highest = scores.max(axis=1, keepdims=True)
    sums = np.log(np.exp(scores - highest).sum(axis=1)) + highest[:, 0]
    return sums - scores[np.arange(len(labels)), labels], (scores.argmax(1) == labels).mean()


# ---- what the numbers mean ----------------------------------------------------------------------


def test_the_head_starts_as_in_the_course():
    kernel, bias = head.build(43, seed=0).get_weights()
    assert kernel.shape == (4096, 43)
    assert kernel.std() == pytest.approx(1e-2, rel=0.01)
    assert not bias.any()


def test_one_step_of_adam_is_its_formula(tmp_path):
    """With all rows in one batch the order does not count; Kingma and Ba (2015), section 2."""
    start = head.build(CLASSES).get_weights()
    features, labels = TRAINING
    scores = features.astype(np.float64) @ start[0]
    chances = np.exp(scores - scores.max(1, keepdims=True))
    chances /= chances.sum(1, keepdims=True)
    slope = features.T.astype(np.float64) @ (chances - np.eye(CLASSES)[labels]) / len(labels)
    fitted, history = fit(tmp_path, replace(RECIPE, epochs=1, batch_size=1000))
    clear = np.abs(slope) > 1e-4  # others are within the rounding of float32, and Adam divides
    expected = start[0] - 1e-3 * slope / (np.abs(slope) + 1e-7 / np.sqrt(1 - 0.999))
    np.testing.assert_allclose(fitted.get_weights()[0][clear], expected[clear], atol=1e-5)
    assert clear.mean() > 0.9
    assert history["loss"][0] == pytest.approx(judge(start, *TRAINING)[0].mean(), rel=1e-4)


def test_the_history_has_one_true_row_an_epoch(tmp_path):
    """More rows than a validation batch, and training batches of unequal size."""
    validation = rows(4300, seed=3)
    start = head.build(CLASSES).get_weights()
    _, history = fit(tmp_path, replace(STILL, epochs=2, batch_size=64), validation=validation)
    assert list(history) == ["epoch", "seconds", "loss", "accuracy", "val_loss", "val_accuracy"]
    assert list(history["epoch"]) == [1, 2]
    assert (history["seconds"] > 0).all()
    for part, of in (("", TRAINING), ("val_", validation)):
        losses, accuracy = judge(start, *of)
        np.testing.assert_allclose(history[f"{part}loss"], losses.mean(), rtol=1e-4)
        np.testing.assert_allclose(history[f"{part}accuracy"], accuracy, rtol=1e-6)


def test_the_head_that_is_kept_is_the_one_of_the_best_epoch(tmp_path):
    """Far too large steps: the loss goes up and down."""
    recipe = Recipe(epochs=5, batch_size=16, learning_rate=0.03)
    fitted, history = fit(tmp_path, recipe)
    best = history["val_loss"].idxmin()
    assert 0 < best < 4  # else this shows nothing
    losses, accuracy = judge(fitted.get_weights(), *VALIDATION)
    assert losses.mean() == pytest.approx(history["val_loss"][best], rel=1e-4)
    assert accuracy == pytest.approx(history["val_accuracy"][best])


def test_the_same_seed_gives_the_same_head_to_the_bit(tmp_path):
    assert_equal(fit(tmp_path / "one"), fit(tmp_path / "other"))


@pytest.mark.usefixtures("eagerly")
@pytest.mark.parametrize("seed", [1, 2**32 - 1])
def test_another_seed_gives_another_order_and_another_start(whole_eagerly, tmp_path, seed):
    assert differ(fit(tmp_path / "order", replace(RECIPE, seed=seed)), whole_eagerly)
    assert differ(fit(tmp_path / "start", seed=seed), whole_eagerly)


def test_label_smoothing_moves_targets_towards_all_classes(tmp_path):
    start = head.build(CLASSES).get_weights()
    _, history = fit(tmp_path, replace(STILL, label_smoothing=0.2))
    features, labels = TRAINING
    of_class = [judge(start, features, np.full(len(labels), label))[0] for label in range(CLASSES)]
    expected = 0.8 * judge(start, *TRAINING)[0] + 0.2 * np.mean(of_class, axis=0)
    assert history["loss"][0] == pytest.approx(expected.mean(), rel=1e-4)


@pytest.fixture(scope="module")
def unbalanced():
    """90 of class 0, 10 of class 4, none of class 2 and few of the others."""
    labels = np.repeat([0, 1, 3, 4], [90, 5, 5, 10])
    return features_of(labels, seed=4), labels


def test_balanced_classes_count_alike_though_one_is_absent(unbalanced, tmp_path):
    start = head.build(CLASSES).get_weights()
    recipe = replace(STILL, class_weight="balanced", batch_size=1000)
    _, history = fit(tmp_path, recipe, unbalanced)
    losses, _ = judge(start, *unbalanced)
    by_class = [losses[unbalanced[1] == label].mean() for label in (0, 1, 3, 4)]
    assert history["loss"][0] == pytest.approx(np.mean(by_class), rel=1e-4)


@pytest.mark.usefixtures("eagerly")
def test_balanced_classes_help_the_rare(unbalanced, tmp_path):
    labels = np.repeat([1, 3, 4], 40)
    rare = features_of(labels, seed=5), labels
    recipe = replace(RECIPE, epochs=1)
    plain, _ = fit(tmp_path / "plain", recipe, unbalanced)
    balanced, _ = fit(tmp_path / "balanced", replace(recipe, class_weight="balanced"), unbalanced)
    assert judge(balanced.get_weights(), *rare)[1] > judge(plain.get_weights(), *rare)[1] + 0.05


@pytest.mark.usefixtures("eagerly")
def test_epochs_are_printed_as_in_the_course(tmp_path, capsys):
    fit(tmp_path, replace(RECIPE, epochs=2))
    number = r"\d+\.\d"
    epoch = rf"Epoch {{}}\nTime: {number}{{{{3}}}} seconds\nValidation Loss = {number}{{{{6}}}}\n"
    epoch += rf"Validation Accuracy = {number}{{{{6}}}}\n\n"
    printed = capsys.readouterr().out
    assert re.fullmatch(epoch.format(1) + epoch.format(2), printed), printed


# ---- when to stop -------------------------------------------------------------------------------

UNTEACHABLE = VALIDATION[0], (VALIDATION[1] + 1) % CLASSES  # what is learnt makes it worse
IMPATIENT = Recipe(epochs=30, patience=3, batch_size=64)


@pytest.mark.usefixtures("eagerly")
def test_patience_stops_at_the_same_epoch_when_the_training_was_stopped_before(tmp_path):
    whole = fit(tmp_path / "whole", IMPATIENT, validation=UNTEACHABLE)
    best = whole[1]["val_loss"].idxmin()
    assert len(whole[1]) == best + 1 + 3
    with pytest.raises(Killed):
        fit(tmp_path, IMPATIENT, validation=UNTEACHABLE, callbacks=[kill_after(best + 2)])
    assert_equal(fit(tmp_path, IMPATIENT, validation=UNTEACHABLE), whole)
    assert_equal(fit(tmp_path, IMPATIENT, validation=UNTEACHABLE), whole)  # nothing left to do


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_loss_that_is_no_number_stops_with_advice(tmp_path, value):
    features = TRAINING[0].copy()
    features[7, 7] = value
    with pytest.raises(ValueError, match=r"no longer a number in epoch 1: .*--learning-rate"):
        fit(tmp_path, training=(features, TRAINING[1]))
    assert not list(tmp_path.iterdir())


# ---- dying and going on -------------------------------------------------------------------------


@pytest.fixture
def eagerly():
    """Without graphs, which take longer to build than these few steps do."""
    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


@pytest.fixture(scope="module")
def whole_eagerly(tmp_path_factory):
    tf.config.run_functions_eagerly(True)
    fitted = fit(tmp_path_factory.mktemp("whole"))
    tf.config.run_functions_eagerly(False)
    return fitted


class Killed(BaseException):
    """Nothing catches it."""


def kill_after(epoch):
    def on_epoch_end(number, logs):
        if number + 1 == epoch:
            raise Killed

    return head.keras.callbacks.LambdaCallback(on_epoch_end=on_epoch_end)


@pytest.mark.usefixtures("eagerly")
@pytest.mark.parametrize("epoch", [1, 3, 4])
def test_a_training_that_died_between_epochs_ends_as_if_it_had_not(
    whole_eagerly, tmp_path, epoch, capsys
):
    with pytest.raises(Killed):
        fit(tmp_path, callbacks=[kill_after(epoch)])
    assert_equal(fit(tmp_path), whole_eagerly)
    assert f"Going on after epoch {epoch}" in capsys.readouterr().err


@pytest.mark.usefixtures("eagerly")
@pytest.mark.parametrize("moment", ["before", "amid"])
@pytest.mark.parametrize("file", ["head.keras", "history.csv", "000002.npz"])
def test_a_training_that_died_while_it_wrote_ends_as_if_it_had_not(
    whole_eagerly, tmp_path, monkeypatch, file, moment
):
    """In the second epoch, before or amid one of its files."""
    move, begun = head._replace, []

    def dying(path, write):
        begun.append(path.name)
        if path.name != file or "000001.npz" not in begun:
            return move(path, write)
        if moment == "amid":
            path.with_name(f"unfinished-{path.name}").write_bytes(b"PK")
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(head, "_replace", dying)
        with pytest.raises(Killed):
            fit(tmp_path)
    assert_equal(fit(tmp_path), whole_eagerly)
    assert len(list(tmp_path.glob("checkpoints/0*"))) == 2


@pytest.fixture
def stopped(eagerly, tmp_path):
    """The folder of a training that died after its third of four epochs."""
    with pytest.raises(Killed):
        fit(tmp_path, callbacks=[kill_after(3)])
    kept = sorted(path.name for path in tmp_path.glob("checkpoints/*"))
    assert kept == ["000002.npz", "000003.npz"]
    return tmp_path


def cut(data):
    return data[: len(data) // 2]


def flip(data):
    middle = len(data) // 2
    return data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :]


DAMAGES = [cut, flip, lambda data: b"", lambda data: b"nothing known"]


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_checkpoint_is_passed_over_for_the_one_before(
    stopped, whole_eagerly, damage, capsys
):
    path = stopped / "checkpoints/000003.npz"
    path.write_bytes(damage(path.read_bytes()))
    assert_equal(fit(stopped), whole_eagerly)
    said = capsys.readouterr().err
    assert f"{path} is of no use: " in said
    assert "Going on after epoch 2" in said


@pytest.mark.parametrize("pattern", ["checkpoints/*", "head.keras"])
@pytest.mark.parametrize("damage", DAMAGES[:2])
def test_without_anything_whole_it_starts_over_and_says_so(
    stopped, whole_eagerly, pattern, damage, capsys
):
    for path in stopped.glob(pattern):
        path.write_bytes(damage(path.read_bytes()))
    assert_equal(fit(stopped), whole_eagerly)
    said = capsys.readouterr().err
    assert "Going on" not in said
    assert "starting with the first epoch" in said


def test_a_lost_head_is_trained_again(stopped, whole_eagerly):
    (stopped / "head.keras").unlink()
    assert_equal(fit(stopped), whole_eagerly)


def test_a_damaged_history_is_written_anew(stopped, whole_eagerly):
    (stopped / "history.csv").write_text("epoch,seco")
    fitted = fit(stopped)
    assert_equal(fitted, whole_eagerly)
    assert pd.read_csv(stopped / "history.csv").equals(fitted[1])


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_head_is_one_line_that_names_it(tmp_path, damage):
    path = tmp_path / "head.keras"
    head.build(CLASSES).save(path)
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(ValueError, match=r"found damage.*train again") as error:
        head.load(path, CLASSES)
    assert str(error.value).startswith(str(path))
    assert "\n" not in str(error.value)


PROGRAM = """
import sys
from pathlib import Path
sys.path[:0] = ["tests", "tests/training"]
import test_loop
test_loop.fit(Path(sys.argv[1]), test_loop.LONG)
"""
LONG = Recipe(epochs=15, patience=15, batch_size=16)


def test_killing_the_program_changes_nothing(tmp_path):
    """Not at a moment of our choosing: somewhere in epochs 2 to 15."""
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(tmp_path / "killed")],
        cwd=PROJECT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    next(line for line in process.stdout if line.startswith("Validation Accuracy"))
    time.sleep(random.uniform(0, 0.5))
    process.kill()
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    assert_equal(fit(tmp_path / "killed", LONG), fit(tmp_path / "whole", LONG))


# ---- the best there is --------------------------------------------------------------------------


def test_the_gradient_is_the_one_of_finite_differences():
    problem = convex.Problem(*TRAINING, classes=CLASSES)
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
    problem = convex.Problem(*TRAINING, classes=CLASSES)
    place = np.random.default_rng(0).normal(0, 0.01, problem.start.shape)
    loss, _ = problem.loss_and_gradient(place, 0.1)
    penalty = 0.1 / 2 * np.sum(place.reshape(4097, CLASSES)[:-1] ** 2)
    losses, _ = judge(problem.layer(place), *TRAINING)
    assert loss == pytest.approx(losses.mean() + penalty, rel=1e-4)


@pytest.fixture(scope="module")
def optimum(tmp_path_factory):
    folder = tmp_path_factory.mktemp("optimum")
    return *convex.fit(head.build(CLASSES), TRAINING, VALIDATION, folder), folder


def test_lbfgs_is_at_least_as_good_as_adam(optimum, tmp_path):
    _, adam = fit(tmp_path, replace(RECIPE, epochs=10))
    assert optimum[1]["val_accuracy"].max() >= adam["val_accuracy"].max()
    assert optimum[1]["val_loss"].min() <= adam["val_loss"].min()


def test_lbfgs_keeps_the_head_of_its_best_penalty(optimum):
    fitted, history, folder = optimum
    losses, accuracy = judge(fitted.get_weights(), *VALIDATION)
    best = history.loc[history["val_loss"].idxmin()]
    assert losses.mean() == pytest.approx(best["val_loss"], rel=1e-4)
    assert accuracy == pytest.approx(best["val_accuracy"])
    kept = head.load(folder / "head.keras", CLASSES)
    np.testing.assert_array_equal(kept.get_weights()[0], fitted.get_weights()[0])


def test_features_that_tell_nothing_apart_give_lbfgs_no_nan(tmp_path):
    nothing = np.zeros((60, 4096), np.float16), VALIDATION[1]
    fitted, history = convex.fit(head.build(CLASSES), nothing, nothing, tmp_path)
    assert np.isfinite(history["val_loss"]).all()
    assert np.isfinite(fitted.get_weights()[0]).all()
