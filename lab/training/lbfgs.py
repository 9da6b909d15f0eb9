"""The best the new layer can be: its loss is convex, so L-BFGS finds the one optimum there is.

Softmax regression with an L2 penalty on the kernel; the penalty is chosen on the validation set.
"""

import time

import keras
import numpy as np
import pandas as pd
import tensorflow as tf
from scipy.optimize import minimize
from threadpoolctl import threadpool_limits

from lab.console import print_validation, say
from lab.files import replace
from lab.training import heads

# From a penalty that allows little to one that allows nearly all; each search starts where the one
# before ended.
PENALTIES = (1e-2, 3e-3, 1e-3, 3e-4)
STEPS = 60  # after which the loss of 26,000 signs falls by less than 1 % in twenty more


def solve(model, examples, rows, folder):
    """Leave the last layer of `model` at the optimum with the lowest validation loss; the history.

    What is below that layer must not be trainable.
    examples: with inputs [n, width]. rows: those that train and those that validate. The history
    has a row for each penalty, with the columns of `loop.fit` and `l2`; `folder` gets it as
    `history.csv`.
    """
    seen, unseen = ((examples.inputs(side), tf.gather(examples.labels, side)) for side in rows)
    weights = tf.gather(examples.weights, rows[0])
    problem = Problem(_below(model, seen[0]), seen[1], weights, examples.classes)
    parameters, history = problem.start, pd.DataFrame()
    for number, penalty in enumerate(PENALTIES, 1):
        begin = time.perf_counter()
        # More threads of SciPy's would spin between its steps, and TensorFlow take twice as long.
        with threadpool_limits(1):
            found = minimize(
                problem.loss_and_gradient, parameters, penalty, "L-BFGS-B", jac=True,
                options={"maxiter": STEPS, "maxcor": 20},
            )  # fmt: skip
        parameters = found.x
        model.set_weights(problem.layer(parameters))
        row = {"epoch": number, "seconds": time.perf_counter() - begin, "l2": penalty}
        row |= dict(zip(("loss", "accuracy"), _judge(model, *seen), strict=True))
        row |= dict(zip(("val_loss", "val_accuracy"), _judge(model, *unseen), strict=True))
        say(f"L2 {penalty:g}: {found.nit} steps, {row['seconds']:.3f} seconds")
        print_validation(row["val_loss"], row["val_accuracy"])
        history = pd.concat([history, pd.DataFrame([row])], ignore_index=True)
        if history["val_loss"].idxmin() == number - 1:
            best = model.get_weights()
    model.set_weights(best)
    replace(folder / "history.csv", lambda path: history.to_csv(path, index=False))
    return history


def _below(model, inputs):
    """What comes to the last layer of `model`: float32 [n, width]."""
    lower = keras.Sequential(model.layers[:-1])
    return heads.scores(lower, inputs) if model.layers[:-1] else inputs.numpy()


class Problem:
    """Softmax regression on features moved to mean 0 and scaled to spread 1, which L-BFGS likes.

    weights: float32 [n], how much the loss of each picture counts.
    """

    def __init__(self, features, labels, weights, classes):
        features = np.asarray(features, np.float32)
        self.mean = features.mean(axis=0)
        features = features - self.mean
        self.spread = np.linalg.norm(features) / np.sqrt(features.size) or 1.0
        features /= self.spread
        self.features = tf.constant(features)
        self.labels, self.weights = tf.constant(labels), tf.constant(weights)
        self.shape = (features.shape[1] + 1, classes)  # the last row is the bias
        self.start = np.zeros(np.prod(self.shape))

    def loss_and_gradient(self, parameters, penalty):
        """For SciPy: the loss, a float, and its gradient at the flat `parameters`, both float64."""
        parameters = tf.constant(parameters.reshape(self.shape), tf.float32)
        loss, gradient = self._loss_and_gradient(parameters, tf.constant(penalty, tf.float32))
        return float(loss), gradient.numpy().astype(np.float64).ravel()

    @tf.function(autograph=False)
    def _loss_and_gradient(self, parameters, penalty):
        with tf.GradientTape() as tape:
            tape.watch(parameters)
            kernel, bias = parameters[:-1], parameters[-1]
            losses = tf.nn.sparse_softmax_cross_entropy_with_logits(
                self.labels, tf.matmul(self.features, kernel) + bias
            )
            loss = tf.reduce_mean(self.weights * losses) + penalty / 2 * tf.reduce_sum(kernel**2)
        return loss, tape.gradient(loss, parameters)

    def layer(self, parameters):
        """Kernel [4096, classes] and bias [classes] that do the same to features as they come."""
        parameters = parameters.reshape(self.shape).astype(np.float32)
        kernel = parameters[:-1] / self.spread
        return kernel, parameters[-1] - self.mean @ kernel


def _judge(model, features, labels):
    """Loss and accuracy."""
    scores = heads.scores(model, features)
    losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, scores)
    return float(tf.reduce_mean(losses)), float((scores.argmax(1) == labels.numpy()).mean())
