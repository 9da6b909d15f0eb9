"""Mistakes known of training.py."""

import keras
import numpy as np
import tensorflow as tf

from exercises.answers import training as answer
from exercises.machinery.checking import instead_of


@instead_of("loss")
def softmax_twice(scores, labels):
    """The scores go through a softmax twice: yours, and the one inside the loss.

    tf.nn.sparse_softmax_cross_entropy_with_logits takes scores as they are.
    """
    return answer.loss(tf.nn.softmax(scores), labels)


@instead_of("loss")
def summed(scores, labels):
    """The loss is the sum over the examples, not their mean: larger batches take larger steps.

    tf.reduce_mean in place of tf.reduce_sum.
    """
    return answer.loss(scores, labels) * len(labels)


@instead_of("loss")
def not_averaged(scores, labels):
    """The loss is one number for each example, and has to be one for all.

    Take the mean of them with tf.reduce_mean.
    """
    return tf.nn.sparse_softmax_cross_entropy_with_logits(labels, scores)


@instead_of("loss")
def mean_over_the_classes_too(scores, labels):
    """The loss is the mean over the classes as well: it is smaller by their number.

    Each example has one error, that of its own label; the mean is over the examples alone.
    """
    return answer.loss(scores, labels) / np.shape(scores)[1]


@instead_of("loss")
def wrong_sign(scores, labels):
    """The loss has the wrong sign: it falls as the head gets worse.

    The logarithm of a probability is below zero; the loss is minus that.
    """
    return -answer.loss(scores, labels)


@instead_of("loss")
def softmax_then_log(scores, labels):
    """The loss is infinite where the head is sure and wrong: log(0).

    Softmax and logarithm belong in one go: sparse_softmax_cross_entropy_with_logits, or
    tf.nn.log_softmax.
    """
    probabilities = tf.nn.softmax(scores)
    return -tf.reduce_mean(tf.math.log(tf.gather(probabilities, labels, axis=1, batch_dims=1)))


@instead_of("step")
def uphill(head, optimizer, features, labels):
    """The step goes uphill: the loss is higher after it.

    The optimizer goes against the gradient by itself; give it the gradient of the loss as it is.
    """
    return _step(head, optimizer, features, labels, sign=-1)


@instead_of("step")
def nothing_applied(head, optimizer, features, labels):
    """Nothing has changed: the gradients were computed, and no step was taken.

    optimizer.apply(gradients, head.trainable_variables) takes it.
    """
    return answer.loss(head(features), labels)


@instead_of("step")
def own_step(head, optimizer, features, labels):
    """A step was taken, but not by the optimizer that was given.

    Call optimizer.apply; it knows how far to go, and remembers earlier steps.
    """
    return answer.step(head, keras.optimizers.SGD(1e-2), features, labels)


@instead_of("step")
def two_steps(head, optimizer, features, labels):
    """The optimizer took more than one step on one batch.

    Call optimizer.apply once.
    """
    answer.step(head, optimizer, features, labels)
    return answer.step(head, optimizer, features, labels)


@instead_of("step")
def kernel_alone(head, optimizer, features, labels):
    """The bias does not learn.

    Take the gradient of all of head.trainable_variables.
    """
    return _step(head, optimizer, features, labels, variables=head.trainable_variables[:1])


@instead_of("step")
def loss_after(head, optimizer, features, labels):
    """The loss returned is the one after the step; it was asked for as before it.

    Return the very number whose gradient was taken; to compute it again takes time, too.
    """
    answer.step(head, optimizer, features, labels)
    return answer.loss(head(features), labels)


@instead_of("epoch")
def labels_shuffled_against_features(take_step, features, labels, batch_size, rng):
    """Labels are shuffled against features: examples come with the labels of others.

    Shuffle once, and pick the same rows of both.
    """
    answer.epoch(take_step, features[rng.permutation(len(labels))], labels, batch_size, rng)


@instead_of("epoch")
def never_shuffled(take_step, features, labels, batch_size, rng):
    """The order is the same in every epoch, whatever the generator.

    Signs are stored class by class: a batch in that order knows one class. Use rng.permutation.
    """
    answer.epoch(take_step, features, labels, batch_size, np.random.default_rng(0))


@instead_of("epoch")
def own_dice(take_step, features, labels, batch_size, rng):
    """The order is random, but not by the generator `rng`: nobody could repeat your figures.

    rng.permutation in place of np.random.permutation.
    """
    answer.epoch(take_step, features, labels, batch_size, np.random.default_rng())


@instead_of("epoch")
def empty_batch(take_step, features, labels, batch_size, rng):
    """Where the examples fill all batches, an empty one comes at the end: its loss is no number.

    range(0, len(labels), batch_size) ends before that.
    """
    answer.epoch(take_step, features, labels, batch_size, rng)
    if len(labels) % batch_size == 0:
        take_step(features[:0], labels[:0])


@instead_of("epoch")
def last_batch_lost(take_step, features, labels, batch_size, rng):
    """The last batch is left out because it is smaller: these examples never train.

    A slice that runs over the end is simply shorter; let it be.
    """
    full = len(labels) // batch_size * batch_size
    order = rng.permutation(len(labels))[:full]
    answer.epoch(take_step, features[order], labels[order], batch_size, rng)


@instead_of("epoch")
def drawn_anew(take_step, features, labels, batch_size, rng):
    """Some examples come twice in an epoch, and others never: each batch is drawn anew.

    Put all in random order first, then cut that into batches.
    """
    for start in range(0, len(labels), batch_size):
        rows = rng.integers(0, len(labels), min(batch_size, len(labels) - start))
        take_step(features[rows], labels[rows])


@instead_of("validate")
def accuracy_first(head, features, labels):
    """Loss and accuracy are in the wrong order.

    Return the loss first.
    """
    return answer.validate(head, features, labels)[::-1]


@instead_of("validate")
def counted_not_shared(head, features, labels):
    """The accuracy is the number of examples that are right, not their share.

    Take the mean in place of the sum.
    """
    loss, accuracy = answer.validate(head, features, labels)
    return loss, accuracy * len(labels)


@instead_of("validate")
def learns_from_validation(head, features, labels):
    """The head has learned from the validation examples: its figures say nothing any more.

    Compute scores, loss and accuracy; take no step.
    """
    result = answer.validate(head, features, labels)
    answer.step(head, keras.optimizers.SGD(0.1), features, labels)
    return result


def _step(head, optimizer, features, labels, sign=1, variables=None):
    variables = variables or head.trainable_variables
    with tf.GradientTape() as tape:
        error = answer.loss(head(features), labels)
    gradients = tape.gradient(error, variables)
    optimizer.apply([sign * gradient for gradient in gradients], variables)
    return error
