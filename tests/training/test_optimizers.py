"""Layer-wise AdamW, its schedule and its clipping: against Keras and against plain formulas."""

import json
import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from conftest import PROJECT

from lab.training.optimizers import LayerwiseAdamW, clipped, update, warmup_cosine

SHAPES = [[3, 3, 4, 6], [6], [20, 30], [30]]  # a convolution, a dense layer, and their biases
KERNELS = [True, False, True, False]


def start():
    random = np.random.default_rng(1)
    return [tf.Variable(random.normal(size=shape), dtype=tf.float32) for shape in SHAPES]


def gradients(step):
    random = np.random.default_rng([2, step])
    return [tf.constant(random.normal(size=shape), tf.float32) for shape in SHAPES]


def compiled(optimizer, gradients):
    update(optimizer, gradients, norm=1e9)


def trained(optimizer, steps=range(8), variables=None, apply=compiled):
    """`variables`, or else those of `start`, after these steps: arrays."""
    variables = variables or start()
    optimizer.build(variables)
    for step in steps:
        apply(optimizer, gradients(step))
    return [variable.numpy() for variable in variables]


def formula(rates, factors, decay):
    """Loshchilov and Hutter, "Decoupled Weight Decay Regularization" (2019), in float64."""
    values = [variable.numpy().astype(np.float64) for variable in start()]
    means, squares = ([np.zeros(shape) for shape in SHAPES] for _ in range(2))
    for step, rate in enumerate(rates):
        for i, gradient in enumerate(gradients(step)):
            gradient, own = gradient.numpy().astype(np.float64), rate * factors[i]
            means[i] = 0.9 * means[i] + 0.1 * gradient
            squares[i] = 0.999 * squares[i] + 0.001 * gradient**2
            mean, square = (
                means[i] / (1 - 0.9 ** (step + 1)),
                squares[i] / (1 - 0.999 ** (step + 1)),
            )
            values[i] = values[i] - own * decay * KERNELS[i] * values[i]
            values[i] = values[i] - own * mean / (np.sqrt(square) + 1e-7)
    return values


def assert_same_bits(found, expected):
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other)


# ---- layer-wise rates ---------------------------------------------------------------------------


@pytest.mark.parametrize("apply", [keras.optimizers.Adam.apply, compiled])
def test_with_factors_of_one_it_is_keras_s_adamw_to_the_bit(apply):
    variables = start()
    keras_s = keras.optimizers.AdamW(1e-2, weight_decay=0.1)
    keras_s.exclude_from_weight_decay(var_list=variables[1::2])  # biases
    expected = trained(keras_s, variables=variables, apply=apply)
    ours = LayerwiseAdamW(1e-2, [1] * 4, weight_decay=0.1)
    assert_same_bits(trained(ours, apply=apply), expected)


def test_factors_decay_and_schedule_follow_the_formula():
    factors, decay, rate = [0.1, 0.3, 1, 10], 0.5, warmup_cosine(1e-2, steps=8, share=0.25)
    found = trained(LayerwiseAdamW(rate, factors, decay))
    rates = [0, 5e-3, *(1e-2 * (1 + np.cos(np.pi * np.arange(6) / 6)) / 2)]
    for one, other in zip(found, formula(rates, factors, decay), strict=True):
        # 1 - 0.999 in float32 is off by 6e-5, half of which is in the size of the first steps.
        np.testing.assert_allclose(one, other, atol=1e-5)


def test_a_layer_of_factor_zero_stays_as_it_was():
    found = trained(LayerwiseAdamW(1e-2, [0, 0, 1, 1], weight_decay=0.5))
    assert_same_bits(found[:2], [variable.numpy() for variable in start()[:2]])
    assert not np.array_equal(found[2], start()[2])


def test_other_numbers_of_variables_and_factors_are_an_error():
    with pytest.raises(ValueError, match="as many variables as factors, 3, found 4"):
        LayerwiseAdamW(1e-2, [1, 1, 1]).build(start())


def test_what_goes_on_from_its_variables_ends_with_the_same_bits():
    def optimizer():
        rate = warmup_cosine(1e-2, steps=10, share=0.2)
        return LayerwiseAdamW(rate, [1, 1, 3, 3])

    at_once, stopped, goes_on = optimizer(), optimizer(), optimizer()
    expected = trained(at_once, range(10))
    variables = [tf.Variable(value) for value in trained(stopped, range(5))]
    goes_on.build(variables)
    for new, old in zip(goes_on.variables, stopped.variables, strict=True):
        new.assign(old.numpy())
    assert_same_bits(trained(goes_on, range(5, 10), variables), expected)


# ---- the learning rate --------------------------------------------------------------------------


def test_the_rate_goes_up_linearly_and_down_along_a_cosine_to_zero_at_the_last_step():
    rate = warmup_cosine(1e-4, steps=200, share=0.05)
    down = 1e-4 * (1 + np.cos(np.pi * np.arange(191) / 190)) / 2
    expected = [*(1e-5 * np.arange(10)), *down]
    np.testing.assert_allclose([rate(step) for step in range(201)], expected, atol=1e-10)


def test_a_short_training_begins_at_the_peak():
    rate = warmup_cosine(1e-4, steps=2)
    np.testing.assert_allclose([rate(step) for step in range(3)], [1e-4, 5e-5, 0], atol=1e-10)


# ---- clipping -----------------------------------------------------------------------------------


def joint_norm(gradients):
    return np.sqrt(sum((np.asarray(gradient, np.float64) ** 2).sum() for gradient in gradients))


def test_gradients_that_are_too_long_together_keep_their_direction():
    before = gradients(0)
    after = clipped(before, 2.0)
    for one, other in zip(after, before, strict=True):
        np.testing.assert_allclose(one, other * (2 / joint_norm(before)), rtol=1e-5)


def test_gradients_that_are_short_enough_are_left_alone():
    assert_same_bits(clipped(gradients(0), 1e3), gradients(0))


def test_the_compiled_step_is_the_plain_one():
    plain, one = LayerwiseAdamW(1e-2, [1, 1, 3, 3]), LayerwiseAdamW(1e-2, [1, 1, 3, 3])
    found = trained(one, apply=lambda o, g: update(o, g, norm=0.5))
    expected = trained(plain, apply=lambda o, g: o.apply(clipped(g, 0.5)))
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


# ---- several devices ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def differences():
    """Between one device and two, by optimiser: see replicas.py."""
    line = [sys.executable, Path(__file__).with_name("replicas.py")]
    quiet = {"PYTHONPATH": str(PROJECT), "TF_CPP_MIN_LOG_LEVEL": "3"}
    ran = subprocess.run(
        line, env=os.environ | quiet, capture_output=True, text=True, timeout=240, check=False
    )
    assert ran.returncode == 0, ran.stderr[-2000:]
    return json.loads(ran.stdout)


@pytest.mark.parametrize(("optimizer", "bound"), [("sgd", 2e-6), ("adamw", 2e-5)])
def test_two_devices_end_as_one_does_with_the_same_batches(differences, optimizer, bound):
    assert differences[optimizer] < bound


def test_keras_s_own_clipping_would_end_elsewhere(differences):
    assert differences["clipped by Keras"] > 0.1
