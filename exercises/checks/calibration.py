"""What calibration.py is held to: the lab's own figures, and labels drawn as scores say."""

import numpy as np
from scipy.special import softmax

from exercises.checks import calibration_mistakes as mistakes
from exercises.machinery.checking import Wrong, check, known, numbers, same
from lab.runs import metrics

HINTS = {
    "tempered": (
        "Divide first, then scipy's softmax.",
        "Which axis holds the classes? softmax(..., axis=1).",
    ),
    "log_loss": (
        "log_softmax(scores, axis=1) are the logarithms of all probabilities. One of "
        "each row is wanted.",
        "array[rows, labels] with rows = np.arange(len(labels)) picks one number of each row.",
    ),
    "fit_temperature": (
        "Try many and keep the best: np.geomspace(0.05, 20, 600) is 600 candidates in "
        "steps of one percent.",
        "np.argmin(losses) is the place of the lowest loss in the list.",
    ),
    "calibration_error": (
        "(confidence * bins).astype(int) is the bin of each picture, but a confidence "
        "of exactly 1 belongs to the last bin.",
        "For each bin: members = bin_of == each; members.mean() is its share, "
        "confidence[members].mean() and right[members].mean() are what to compare.",
    ),
}


def drawn(sharper=1.0, count=500, classes=5, seed=0):
    """Scores, and labels drawn by their softmax; then the scores are made `sharper`."""
    rng = np.random.default_rng(seed)
    scores = rng.normal(0, 2, [count, classes])
    chances = softmax(scores, axis=1).cumsum(1)
    labels = (rng.random([count, 1]) > chances).sum(1).clip(0, classes - 1)
    return sharper * scores, labels


@check("tempered", "`tempered` divides the scores, then takes the softmax")
def probabilities(learner):
    scores = drawn()[0][:7]
    for temperature in (2.0, 0.5):
        expected = np.exp(scores / temperature)
        expected /= expected.sum(1, keepdims=True)
        found = learner.tempered(scores, temperature)
        same(found, expected, mistakes, "tempered", scores, temperature)


@check("log_loss", "`log_loss` is the mean surprise")
def surprise(learner):
    scores, labels = (each[:50] for each in drawn())
    expected = np.mean(
        [np.log(np.exp(s - s[label]).sum()) for s, label in zip(scores, labels, strict=True)]
    )
    same(learner.log_loss(scores, labels), expected, mistakes, "log_loss", scores, labels)


@check("log_loss", "`log_loss` stays a number where scores are large")
def large_scores(learner):
    scores, labels = np.array([[2000.0, 0], [0, 2000.0]]), np.array([1, 1])
    if not np.isfinite(numbers(learner.log_loss(scores, labels), "log_loss")).all():
        raise known(mistakes.softmax_then_log)
    same(learner.log_loss(scores, labels), 1000.0, mistakes, "log_loss", scores, labels)


@check("fit_temperature", "`fit_temperature` undoes what made scores too sharp")
def too_sharp(learner):
    scores, labels = drawn(sharper=3)
    _fitted(learner, scores, labels)


@check("fit_temperature", "`fit_temperature` undoes what made scores too dull")
def too_dull(learner):
    scores, labels = drawn(sharper=0.4)
    _fitted(learner, scores, labels)


def _fitted(learner, scores, labels):
    expected = metrics.fit_temperature(scores, labels)
    found = learner.fit_temperature(scores, labels)
    arguments = scores, labels
    same(found, expected, mistakes, "fit_temperature", *arguments, tolerance=0.02)


@check("calibration_error", "`calibration_error` is that of the lab")
def error(learner):
    for sharper, bins in ((1, 15), (2, 15), (2, 10)):
        scores, labels = drawn(sharper)
        arguments = softmax(scores, axis=1), labels, bins
        expected = metrics.expected_calibration_error(labels, arguments[0], bins)
        found = learner.calibration_error(*arguments)
        same(found, expected, mistakes, "calibration_error", *arguments)


@check("calibration_error", "a confidence of exactly 1 has a place")
def certain(learner):
    probabilities = np.array([[1, 0], [1, 0], [0.7, 0.3], [0.7, 0.3]])
    arguments = probabilities, np.array([0, 1, 0, 1])
    expected = (abs(1 - 0.5) + abs(0.7 - 0.5)) / 2
    found = learner.calibration_error(*arguments)
    same(found, expected, mistakes, "calibration_error", *arguments)


@check("fit_temperature", "all together: the temperature makes probabilities honest")
def together(learner):
    scores, labels = drawn(sharper=3)
    before, after = (
        float(learner.calibration_error(learner.tempered(scores, each), labels))
        for each in (1.0, learner.fit_temperature(scores, labels))
    )
    if after > before / 3:
        raise Wrong(f"The calibration error was {before:.3f}, and is {after:.3f} now.")
