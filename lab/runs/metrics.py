"""How good a classifier is, and how far its figures can be believed.

`labels` are int64 [n], positions in the names; `probabilities` are [n, classes].
"""

import hashlib

import numpy as np
import pandas as pd
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax
from sklearn.metrics import (
    f1_score,
    log_loss,
    precision_recall_fscore_support,
    top_k_accuracy_score,
)

BINS = 15  # of confidence, as in the paper; the error depends a little on their number
RESAMPLES = 10_000
LOWEST, HIGHEST = 0.05, 20  # temperatures; a head without errors would ask for 0


def summary(labels, probabilities, tracks=None, seed=0):
    """The figures of a classifier on pictures it was not trained on, ready for JSON.

    tracks: [n], equal for pictures of one physical sign. The interval then resamples tracks: frames
        of one film are right or wrong together, so there are fewer witnesses than pictures.
    """
    predictions, classes = probabilities.argmax(1), range(probabilities.shape[1])
    right = predictions == labels
    figures = {
        "count": len(labels),
        "accuracy": float(right.mean()),
        "interval": accuracy_interval(right, tracks, seed),  # 95 %
        "resampled": "pictures" if tracks is None else "tracks",
        # The mean over the classes that occur; the others have nothing to be found.
        "macro_f1": f1_score(labels, predictions, labels=np.unique(labels), average="macro"),
        "loss": log_loss(labels, probabilities, labels=classes),
        "ece": expected_calibration_error(labels, probabilities),
    }
    if len(classes) > 5:
        figures["top5"] = float(top_k_accuracy_score(labels, probabilities, k=5, labels=classes))
    return figures


def accuracy_interval(right, groups=None, seed=0):
    """[low, high]: 95 % of the accuracies of resampled `right`, bool [n], lie between them.

    The percentile bootstrap of Efron, "Bootstrap Methods: Another Look at the Jackknife" (1979),
    over whole groups. Groups of one size with equally many right are interchangeable, so drawing
    how often each such kind comes is the same as drawing groups, and takes milliseconds.
    """
    groups = np.arange(len(right)) if groups is None else groups
    _, group = np.unique(groups, return_inverse=True)
    members = np.stack([np.bincount(group), np.bincount(group, right)], axis=1)  # all, right
    kinds, times = np.unique(members, axis=0, return_counts=True)
    accuracies = kinds[:, 1] / kinds[:, 0]
    if np.ptp(accuracies) == 0:
        return _interval_of_equals(accuracies[0], len(members))
    rng = np.random.default_rng(seed)
    drawn = rng.multinomial(len(members), times / len(members), RESAMPLES)  # [resamples, kinds]
    pictures, rights = (drawn @ kinds).T
    return np.percentile(rights / pictures, [2.5, 97.5]).tolist()


def _interval_of_equals(accuracy, groups):
    """Resampling groups that are all alike shows no spread, but others may still differ.

    With 97.5 % confidence at least this share of all groups is like those seen (Clopper and
    Pearson 1934, all of `groups` trials); the rest may be right or wrong.
    """
    share = 0.025 ** (1 / groups)
    return [float(share * accuracy), float(share * accuracy + 1 - share)]


def per_class(labels, probabilities, names):
    """Class by class: DataFrame by label of name, precision, recall, f1, support (pictures).

    NaN where there is nothing to count: the precision of a class never named, the recall of one
    that does not occur.
    """
    columns = precision_recall_fscore_support(
        labels, probabilities.argmax(1), labels=range(len(names)), zero_division=np.nan
    )
    columns = dict(zip(["precision", "recall", "f1", "support"], columns, strict=True))
    return pd.DataFrame({"name": names, **columns}).rename_axis("label")


def confused_pairs(labels, probabilities, names, count=10):
    """The most frequent mistakes: DataFrame of true, predicted (names), times, share of the true.

    At most `count` rows, the most frequent first.
    """
    predictions = probabilities.argmax(1)
    wrong = pd.DataFrame({"true": labels, "predicted": predictions})[predictions != labels]
    pairs = wrong.value_counts(sort=False).rename("times").reset_index()
    pairs["share"] = pairs["times"] / np.bincount(labels)[pairs["true"]]
    pairs = pairs.sort_values(["times", "share"], ascending=False, kind="stable").head(count)
    named = {side: np.array(names, object)[pairs[side]] for side in ("true", "predicted")}
    return pairs.assign(**named).reset_index(drop=True)


def expected_calibration_error(labels, probabilities, bins=BINS):
    """How far confidence is from accuracy, 0 to 1, averaged over pictures; 0 is honest.

    Guo et al., "On Calibration of Modern Neural Networks" (2017), equation 3.
    """
    confidence, accuracy, count = calibration(labels, probabilities, bins)
    return float(np.abs(accuracy - confidence) @ count / count.sum())


def calibration(labels, probabilities, bins=BINS):
    """Mean confidence, accuracy and count of each bin: [bins] each, 0 where it is empty.

    Pictures are binned by confidence, the probability of the class they were given.
    """
    confidence = probabilities.max(1)
    place = np.minimum((confidence * bins).astype(int), bins - 1)
    count = np.bincount(place, minlength=bins)
    right = probabilities.argmax(1) == labels
    sums = (np.bincount(place, what, minlength=bins) for what in (confidence, right))
    mean_confidence, accuracy = (of_bin / np.maximum(count, 1) for of_bin in sums)
    return mean_confidence, accuracy, count


def fit_temperature(scores, labels):
    """What to divide scores [n, classes] by for the lowest log loss; above 1 tempers confidence.

    The one parameter of Guo et al., section 4.2. It changes no prediction, only how sure it is.
    """
    rows = np.arange(len(labels))

    def loss(logarithm):
        return -log_softmax(scores / np.exp(logarithm), axis=1)[rows, labels].mean()

    found = minimize_scalar(loss, bounds=np.log([LOWEST, HIGHEST]), method="bounded")
    return float(np.exp(found.x))


def picture_hashes(pictures):
    """64 bits that name each picture's content: uint64 [n].

    pictures: uint8 [n, height, width, 3], named by their pixels, or a list of paths, named by the
        bytes of their files; the two are not comparable.
    """
    arrays = isinstance(pictures, np.ndarray)
    contents = map(np.ascontiguousarray, pictures) if arrays else (p.read_bytes() for p in pictures)
    digests = b"".join(hashlib.blake2b(content, digest_size=8).digest() for content in contents)
    return np.frombuffer(digests, "<u8").astype(np.uint64)


def duplicates(training_hashes, hashes):
    """Rows of `hashes` whose pictures were also trained on: int64, ascending."""
    return np.flatnonzero(np.isin(hashes, training_hashes))
