"""The head: what fitting it does to the numbers, and that no moment of dying changes them."""

import random
import re
import signal
import subprocess
import sys
import time
from argparse import Namespace

import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from conftest import PROJECT

from lab import (
    device,  # first: it quiets TensorFlow  # noqa: F401
    files,
)
from lab.training import keeper, loop

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


def recipe(**changes):
    """Of a training: the course's, but for what changes."""
    course = {"epochs": 10, "batch_size": 128, "learning_rate": 1e-3, "seed": 0, "patience": 5}
    course |= {"class_weight": None, "label_smoothing": 0.0}
    return Namespace(**course | changes)


def replaced(args, **changes):
    return Namespace(**vars(args) | changes)


RECIPE = recipe(epochs=4, batch_size=100)
STILL = recipe(epochs=1, learning_rate=1e-9)  # the head stays what it was


def build(seed=0):
    """A head without normalisation, so that formulas of a page hold for it."""
    start = keras.initializers.RandomNormal(stddev=1e-2, seed=seed)
    layer = keras.layers.Dense(CLASSES, kernel_initializer=start)
    return keras.Sequential([keras.Input([4096]), layer])


def fit(folder, args=RECIPE, training=TRAINING, validation=VALIDATION, seed=0, watch=None):
    folder.mkdir(exist_ok=True)
    model = build(seed)
    loss = keras.losses.CategoricalCrossentropy(True, label_smoothing=args.label_smoothing)
    optimizer = keras.optimizers.Adam(args.learning_rate)

    def step(features, targets, weights):
        with tf.GradientTape() as tape:
            scores = model(features)
            error = loss(targets, scores, weights)
        optimizer.apply(tape.gradient(error, model.trainable_variables), model.trainable_variables)
        return error, scores

    sides = np.split(np.arange(len(training[1]) + len(validation[1])), [len(training[1])])
    features, labels = (np.concatenate(pair) for pair in zip(training, validation, strict=True))
    weights = loop.weights_of(labels, sides[0], args.class_weight)
    examples = loop.Examples(features, labels, weights, CLASSES)
    return model, loop.fit(model, loss, optimizer, step, examples, sides, args, folder, watch)


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


def test_one_step_of_adam_is_its_formula(tmp_path):
    """With all rows in one batch the order does not count; Kingma and Ba (2015), section 2."""
    start = build().get_weights()
    features, labels = TRAINING
    scores = features.astype(np.float64) @ start[0]
    chances = np.exp(scores - scores.max(1, keepdims=True))
    chances /= chances.sum(1, keepdims=True)
    slope = features.T.astype(np.float64) @ (chances - np.eye(CLASSES)[labels]) / len(labels)
    fitted, history = fit(tmp_path, replaced(RECIPE, epochs=1, batch_size=1000))
    clear = np.abs(slope) > 1e-4  # others are within the rounding of float32, and Adam divides
    expected = start[0] - 1e-3 * slope / (np.abs(slope) + 1e-7 / np.sqrt(1 - 0.999))
    np.testing.assert_allclose(fitted.get_weights()[0][clear], expected[clear], atol=1e-5)
    assert clear.mean() > 0.9
    assert history["loss"][0] == pytest.approx(judge(start, *TRAINING)[0].mean(), rel=1e-4)


def test_the_history_has_one_true_row_an_epoch(tmp_path):
    """More rows than a validation batch, and training batches of unequal size."""
    validation = rows(4300, seed=3)
    start = build().get_weights()
    _, history = fit(tmp_path, replaced(STILL, epochs=2, batch_size=64), validation=validation)
    assert list(history) == ["epoch", "seconds", "loss", "accuracy", "val_loss", "val_accuracy"]
    assert list(history["epoch"]) == [1, 2]
    assert (history["seconds"] > 0).all()
    for part, of in (("", TRAINING), ("val_", validation)):
        losses, accuracy = judge(start, *of)
        np.testing.assert_allclose(history[f"{part}loss"], losses.mean(), rtol=1e-4)
        np.testing.assert_allclose(history[f"{part}accuracy"], accuracy, rtol=1e-6)


def test_the_head_that_is_kept_is_the_one_of_the_best_epoch(tmp_path):
    """Far too large steps: the loss goes up and down."""
    args = recipe(epochs=5, batch_size=16, learning_rate=0.03)
    fitted, history = fit(tmp_path, args)
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
    assert differ(fit(tmp_path / "order", replaced(RECIPE, seed=seed)), whole_eagerly)
    assert differ(fit(tmp_path / "start", seed=seed), whole_eagerly)


def test_label_smoothing_moves_targets_towards_all_classes(tmp_path):
    start = build().get_weights()
    _, history = fit(tmp_path, replaced(STILL, label_smoothing=0.2))
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
    start = build().get_weights()
    args = replaced(STILL, class_weight="balanced", batch_size=1000)
    _, history = fit(tmp_path, args, unbalanced)
    losses, _ = judge(start, *unbalanced)
    by_class = [losses[unbalanced[1] == label].mean() for label in (0, 1, 3, 4)]
    assert history["loss"][0] == pytest.approx(np.mean(by_class), rel=1e-4)


@pytest.mark.usefixtures("eagerly")
def test_balanced_classes_help_the_rare(unbalanced, tmp_path):
    labels = np.repeat([1, 3, 4], 40)
    rare = features_of(labels, seed=5), labels
    args = replaced(RECIPE, epochs=1)
    plain, _ = fit(tmp_path / "plain", args, unbalanced)
    balanced, _ = fit(tmp_path / "balanced", replaced(args, class_weight="balanced"), unbalanced)
    assert judge(balanced.get_weights(), *rare)[1] > judge(plain.get_weights(), *rare)[1] + 0.05


@pytest.mark.usefixtures("eagerly")
def test_epochs_are_printed_as_in_the_course(tmp_path, capsys):
    fit(tmp_path, replaced(RECIPE, epochs=2))
    number = r"\d+\.\d"
    epoch = rf"Epoch {{}}\nTime: {number}{{{{3}}}} seconds\nValidation Loss = {number}{{{{6}}}}\n"
    epoch += rf"Validation Accuracy = {number}{{{{6}}}}\n\n"
    printed = capsys.readouterr().out
    assert re.fullmatch(epoch.format(1) + epoch.format(2), printed), printed


# ---- when to stop -------------------------------------------------------------------------------

UNTEACHABLE = VALIDATION[0], (VALIDATION[1] + 1) % CLASSES  # what is learnt makes it worse
IMPATIENT = recipe(epochs=30, patience=3, batch_size=64)


@pytest.mark.usefixtures("eagerly")
def test_patience_stops_at_the_same_epoch_when_the_training_was_stopped_before(tmp_path):
    whole = fit(tmp_path / "whole", IMPATIENT, validation=UNTEACHABLE)
    best = whole[1]["val_loss"].idxmin()
    assert len(whole[1]) == best + 1 + 3
    with pytest.raises(Killed):
        fit(tmp_path, IMPATIENT, validation=UNTEACHABLE, watch=kill_after(best + 2))
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
    def watch(history):
        if len(history) == epoch:
            raise Killed

    return watch


@pytest.mark.usefixtures("eagerly")
@pytest.mark.parametrize("epoch", [1, 3, 4])
def test_a_training_that_died_between_epochs_ends_as_if_it_had_not(
    whole_eagerly, tmp_path, epoch, capsys
):
    with pytest.raises(Killed):
        fit(tmp_path, watch=kill_after(epoch))
    assert_equal(fit(tmp_path), whole_eagerly)
    assert f"Going on after epoch {epoch}" in capsys.readouterr().err


@pytest.mark.usefixtures("eagerly")
@pytest.mark.parametrize("moment", ["before", "amid"])
@pytest.mark.parametrize("file", ["best.npz", "history.csv", "000002.npz"])
def test_a_training_that_died_while_it_wrote_ends_as_if_it_had_not(
    whole_eagerly, tmp_path, monkeypatch, file, moment
):
    """In the second epoch, before or amid one of its files."""
    move, begun = files.replace, []

    def dying(path, write):
        begun.append(path.name)
        if path.name != file or "000001.npz" not in begun:
            return move(path, write)
        if moment == "amid":
            path.with_name(f"unfinished-{path.name}").write_bytes(b"PK")
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(keeper, "replace", dying)
        with pytest.raises(Killed):
            fit(tmp_path)
    assert_equal(fit(tmp_path), whole_eagerly)
    assert len(list(tmp_path.glob("checkpoints/0*"))) == 2


@pytest.fixture
def stopped(eagerly, tmp_path):
    """The folder of a training that died after its third of four epochs."""
    with pytest.raises(Killed):
        fit(tmp_path, watch=kill_after(3))
    kept = sorted(path.name for path in tmp_path.glob("checkpoints/0*"))
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


@pytest.mark.parametrize("pattern", ["checkpoints/*", "checkpoints/best.npz"])
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
    (stopped / "checkpoints/best.npz").unlink()
    assert_equal(fit(stopped), whole_eagerly)


def test_a_damaged_history_is_written_anew(stopped, whole_eagerly):
    (stopped / "history.csv").write_text("epoch,seco")
    fitted = fit(stopped)
    assert_equal(fitted, whole_eagerly)
    assert pd.read_csv(stopped / "history.csv").equals(fitted[1])


PROGRAM = """
import sys
from pathlib import Path
sys.path[:0] = ["tests", "tests/training"]
import test_loop
test_loop.fit(Path(sys.argv[1]), test_loop.LONG)
"""
LONG = recipe(epochs=15, patience=15, batch_size=16)


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
