"""Exercise 7: probabilities that can be believed.

40 minutes, medium, 12 lines to write. Belongs to chapter 6 of the guide.

A network that says "stop sign, 0.9" ten times should be right nine times. Most say 0.99 and are
right less often. One number mends much of it: scores divided by a *temperature* above 1 make less
sure of themselves, and name the same class as before. In NumPy:

`tempered`           probabilities at a temperature,
`log_loss`           how much the labels surprise,
`fit_temperature`    the temperature at which they surprise least,
`calibration_error`  how far from honest probabilities are.

After Guo et al., "On Calibration of Modern Neural Networks" (2017).

How yours stands:          make exercises ONLY=calibration
A hint, and a larger one:  make exercises ONLY=calibration HINT=1, then HINT=2
"""

import numpy as np
from scipy.special import log_softmax, softmax


def tempered(scores, temperature):
    """Probabilities [n, classes] of scores [n, classes]: the softmax of scores / temperature."""
    ### BEGIN SOLUTION
    return softmax(scores / temperature, axis=1)
    ### END SOLUTION


def log_loss(scores, labels):
    """The mean over the pictures of -log(probability of the label), of scores [n, classes].

    labels: whole numbers [n]. `log_softmax` stays a number where log(softmax(...)) is infinite.
    """
    ### BEGIN SOLUTION
    rows = np.arange(len(labels))
    return -log_softmax(scores, axis=1)[rows, labels].mean()
    ### END SOLUTION


def fit_temperature(scores, labels):
    """The temperature, 0.05 to 20, at which the log loss of scores / temperature is lowest.

    Within 2 %: a list of 600 candidates will do.
    """
    ### BEGIN SOLUTION
    candidates = np.geomspace(0.05, 20, 600)
    losses = [log_loss(scores / each, labels) for each in candidates]
    return candidates[np.argmin(losses)]
    ### END SOLUTION


def calibration_error(probabilities, labels, bins=15):
    """How far confidence is from accuracy, 0 to 1, averaged over the pictures.

    A picture's confidence is its highest probability. Bins of equal width from 0 to 1 collect
    pictures of like confidence; in each the mean confidence should be the share that is right. The
    error is the distance of the two, without sign, each bin weighted by its share of the pictures.
    """
    ### BEGIN SOLUTION
    confidence, right = probabilities.max(1), probabilities.argmax(1) == labels
    bin_of = np.minimum((confidence * bins).astype(int), bins - 1)
    error = 0
    for members in (bin_of == each for each in np.unique(bin_of)):
        error += members.mean() * abs(confidence[members].mean() - right[members].mean())
    return error
    ### END SOLUTION
