"""Mistakes known of calibration.py."""

import numpy as np
from scipy.special import log_softmax, softmax

from exercises.answers import calibration as answer
from exercises.machinery.checking import instead_of


@instead_of("tempered")
def multiplied(scores, temperature):
    """The scores are multiplied by the temperature: a high one makes more sure, not less.

    Divide by it.
    """
    return softmax(scores * temperature, axis=1)


@instead_of("tempered")
def divided_after_the_softmax(scores, temperature):
    """The probabilities were divided, not the scores: they do not add up to 1.

    Divide first, then the softmax.
    """
    return softmax(scores, axis=1) / temperature


@instead_of("tempered")
def over_the_pictures(scores, temperature):
    """The softmax runs over the pictures: each class adds up to 1, instead of each picture.

    axis=1: the classes.
    """
    return softmax(scores / temperature, axis=0)


@instead_of("tempered")
def over_everything(scores, temperature):
    """All pictures together add up to 1: the softmax runs over everything.

    scipy's softmax needs to be told the axis: axis=1.
    """
    return softmax(scores / temperature)


@instead_of("log_loss")
def of_the_guess(scores, labels):
    """That is the surprise at the class that was guessed; it never looks at the labels.

    Take the probability of the label: [rows, labels].
    """
    return -log_softmax(scores, axis=1).max(1).mean()


@instead_of("log_loss")
def of_all_classes(scores, labels):
    """That is the mean over all classes; only the label's own counts.

    [:, labels] picks columns for every row; [rows, labels] picks one number of each row.
    """
    return -log_softmax(scores, axis=1)[:, labels].mean()


@instead_of("log_loss")
def sum_not_mean(scores, labels):
    """That is the sum over the pictures, not the mean.

    .mean() in place of .sum().
    """
    return len(labels) * answer.log_loss(scores, labels)


@instead_of("log_loss")
def wrong_sign(scores, labels):
    """The sign is wrong: a loss is above zero.

    The logarithm of a probability is below zero; take minus that.
    """
    return -answer.log_loss(scores, labels)


@instead_of("log_loss")
def no_softmax(scores, labels):
    """Scores were taken for logarithms of probabilities: the softmax is missing.

    log_softmax(scores, axis=1) makes them so.
    """
    return -scores[np.arange(len(labels)), labels].mean()


@instead_of("log_loss")
def softmax_then_log(scores, labels):
    """The loss is infinite where scores are large: the softmax gives 0, which has no logarithm.

    log_softmax does both in one go.
    """
    with np.errstate(divide="ignore"):
        return -np.log(softmax(scores, axis=1)[np.arange(len(labels)), labels]).mean()


@instead_of("fit_temperature")
def never_above_one(scores, labels):
    """No temperature above 1 was tried, and most networks need one.

    From 0.05 to 20.
    """
    return min(1.0, answer.fit_temperature(scores, labels))


@instead_of("fit_temperature")
def never_below_one(scores, labels):
    """No temperature below 1 was tried; a network that is too modest needs one.

    From 0.05 to 20.
    """
    return max(1.0, answer.fit_temperature(scores, labels))


@instead_of("fit_temperature")
def upside_down(scores, labels):
    """That is 1 / temperature: what scores are multiplied by.

    Divide the scores by each candidate.
    """
    return 1 / answer.fit_temperature(scores, labels)


@instead_of("fit_temperature")
def worst(scores, labels):
    """That is the temperature with the highest loss.

    np.argmin, not np.argmax.
    """
    return 0.05


@instead_of("fit_temperature")
def place_of_it(scores, labels):
    """That is the place of the best candidate in the list, not the candidate.

    candidates[np.argmin(losses)].
    """
    candidates = np.geomspace(0.05, 20, 600)
    return np.argmin([answer.log_loss(scores / each, labels) for each in candidates])


@instead_of("calibration_error")
def bins_all_alike(probabilities, labels, bins=15):
    """Every bin counts alike, also those with few pictures in them.

    Weight each by its share of the pictures.
    """
    gaps = [gap for _, gap in _bins(probabilities, labels, bins)]
    return np.mean(np.abs(gaps))


@instead_of("calibration_error")
def signs_cancel(probabilities, labels, bins=15):
    """Too sure in one bin and too modest in another cancel out: the distances have a sign.

    abs() of each, before they are added up.
    """
    return abs(sum(share * gap for share, gap in _bins(probabilities, labels, bins)))


@instead_of("calibration_error")
def of_the_true_class(probabilities, labels, bins=15):
    """Confidence was taken for the probability of the label; it is the highest probability.

    The network does not know the label: probabilities.max(1).
    """
    confidence = probabilities[np.arange(len(labels)), labels]
    return _error(confidence, probabilities.argmax(1) == labels, bins)


@instead_of("calibration_error")
def squared(probabilities, labels, bins=15):
    """The distances are squared.

    abs() of each.
    """
    return sum(share * gap**2 for share, gap in _bins(probabilities, labels, bins))


@instead_of("calibration_error")
def certain_ones_lost(probabilities, labels, bins=15):
    """Pictures of confidence 1 are lost: 1 * bins is one more than the last bin.

    np.minimum(..., bins - 1) puts them there.
    """
    below = probabilities.max(1) < 1
    return below.mean() * answer.calibration_error(probabilities[below], labels[below], bins)


def _bins(probabilities, labels, bins):
    """The share of the pictures in each bin, and by how much confidence is above accuracy."""
    return _gaps(probabilities.max(1), probabilities.argmax(1) == labels, bins)


def _gaps(confidence, right, bins):
    place = np.minimum((confidence * bins).astype(int), bins - 1)
    members = [place == each for each in np.unique(place)]
    return [(m.mean(), confidence[m].mean() - right[m].mean()) for m in members]


def _error(confidence, right, bins):
    return sum(share * abs(gap) for share, gap in _gaps(confidence, right, bins))
