"""Mistakes known of finetuning.py."""

import keras
import numpy as np
import tensorflow as tf

from alexnet import AlexNet
from exercises.answers import finetuning as answer
from exercises.machinery.checking import instead_of


@instead_of("unfrozen")
def everything(weights, unfreeze):
    """Everything learns, also what lies below the layer that was named.

    Layers before `unfreeze` stay tensors, as they came.
    """
    return answer.unfrozen(weights, "conv1")


@instead_of("unfrozen")
def one_layer_too_few(weights, unfreeze):
    """The layer that was named does not learn itself, only those above it.

    names[names.index(unfreeze):] begins with it.
    """
    names = list(weights)
    return _unfrozen(weights, names[names.index(unfreeze) + 1 : -1])


@instead_of("unfrozen")
def that_layer_alone(weights, unfreeze):
    """Only the layer that was named learns, and none of those above it.

    All above it learn as well, up to fc7.
    """
    return _unfrozen(weights, [unfreeze])


@instead_of("unfrozen")
def below_instead(weights, unfreeze):
    """The layers below learn, and those above are frozen: just the other way round.

    What lies near the pictures suits any picture; what lies near the head should learn.
    """
    names = list(weights)
    return _unfrozen(weights, names[: names.index(unfreeze) + 1])


@instead_of("unfrozen")
def old_last_layer_too(weights, unfreeze):
    """The old last layer, fc8, is among those that learn, but nothing goes through it any more.

    Stop before fc8: the head has taken its place.
    """
    names = list(weights)
    return _unfrozen(weights, names[names.index(unfreeze) :])


@instead_of("unfrozen")
def biases_frozen(weights, unfreeze):
    """Only the kernels learn; each layer's bias is still frozen.

    A layer is a pair: make a variable of both.
    """
    right = answer.unfrozen(weights, unfreeze)
    return {name: (right[name][0], weights[name][1]) for name in weights}


@instead_of("unfrozen")
def variables_of_tensorflow(weights, unfreeze):
    """These are variables of TensorFlow; an optimizer of Keras takes those of Keras.

    keras.Variable in place of tf.Variable.
    """
    return {
        name: tuple(tf.Variable(np.asarray(each)) for each in layer)
        if isinstance(layer[0], keras.Variable)
        else layer
        for name, layer in answer.unfrozen(weights, unfreeze).items()
    }


@instead_of("unfrozen")
def changed_in_place(weights, unfreeze):
    """The weights that came in were changed: whoever else has them gets variables, too.

    Make a new dict.
    """
    weights.update(answer.unfrozen(weights, unfreeze))
    return weights


@instead_of("unfrozen")
def begins_anew(weights, unfreeze):
    """What the network knew is lost: the variables do not begin with its numbers.

    keras.Variable(kernel) begins with the numbers of the kernel.
    """
    return {
        name: tuple(keras.Variable(tf.zeros_like(each)) for each in layer)
        if isinstance(layer[0], keras.Variable)
        else layer
        for name, layer in answer.unfrozen(weights, unfreeze).items()
    }


@instead_of("learning")
def head_forgotten(weights, head):
    """The head is not among what trains.

    Add head.trainable_variables at the end.
    """
    return answer.learning(weights, head)[:-2]


@instead_of("learning")
def head_alone(weights, head):
    """Only the head trains: that is feature extraction.

    The variables among the weights belong before it.
    """
    return head.trainable_variables


@instead_of("learning")
def head_first(weights, head):
    """The head comes first; it was asked for last.

    From below: the layers in their order, then the head. The step sizes go by this order.
    """
    below = answer.learning(weights, head)[:-2]
    return head.trainable_variables + below


@instead_of("learning")
def frozen_ones_too(weights, head):
    """Frozen layers are in the list, too.

    Take only those that are a keras.Variable.
    """
    return [each for layer in weights.values() for each in layer] + head.trainable_variables


@instead_of("factors")
def same_for_all(weights, head):
    """All steps are equally large.

    3 for what is no convolution: fc6, fc7 and the head.
    """
    return [1] * len(answer.learning(weights, head))


@instead_of("factors")
def the_other_way_round(weights, head):
    """Convolutions take the large steps; it should be the other way round.

    1 for them, 3 for fc6, fc7 and the head.
    """
    return [4 - each for each in answer.factors(weights, head)]


@instead_of("factors")
def one_for_each_layer(weights, head):
    """There is one factor for each layer, but a layer has two variables.

    One for the kernel and one for the bias.
    """
    return answer.factors(weights, head)[::2]


@instead_of("factors")
def heads_forgotten(weights, head):
    """The factors of the head's variables are missing.

    Two more at the end: 3 and 3.
    """
    return answer.factors(weights, head)[:-2]


@instead_of("step")
def gradient_stopped(weights, head, optimizer, images, labels):
    """Only the head has moved: the gradient does not come down into the network.

    No tf.stop_gradient here, AlexNet inside the tape, the gradient of all that `learning` lists.
    """
    fc7 = AlexNet(images, feature_extract=True, weights=weights)
    return _step(lambda: head(tf.stop_gradient(fc7)), head.trainable_variables, optimizer, labels)


@instead_of("step")
def head_stands_still(weights, head, optimizer, images, labels):
    """The head has not moved, only the layers below it.

    The gradient of all that `learning` lists.
    """
    variables = answer.learning(weights, head)[:-2]
    return _step(_scores(weights, head, images), variables, optimizer, labels)


@instead_of("step")
def nothing_applied(weights, head, optimizer, images, labels):
    """Nothing has moved: no step was taken.

    optimizer.apply(gradients, variables) takes it.
    """
    scores = _scores(weights, head, images)()
    return tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels, scores))


@instead_of("step")
def not_clipped(weights, head, optimizer, images, labels):
    """The gradients are as long as they came: one odd batch could undo what was learned.

    tf.clip_by_global_norm(gradients, 1.0) scales them down together.
    """
    variables = answer.learning(weights, head)
    return _step(_scores(weights, head, images), variables, optimizer, labels)


@instead_of("step")
def clipped_one_by_one(weights, head, optimizer, images, labels):
    """Each gradient was scaled down by itself, which changes the direction of the step.

    tf.clip_by_global_norm takes the whole list.
    """
    variables = answer.learning(weights, head)
    scores = _scores(weights, head, images)

    def clipped(gradients):
        return [tf.clip_by_norm(each, 1.0) for each in gradients]

    return _step(scores, variables, optimizer, labels, clipped)


@instead_of("step")
def always_scaled(weights, head, optimizer, images, labels):
    """A small gradient was made longer: it was scaled to a joint norm of 1 whatever it was.

    Only where the norm is above 1: tf.clip_by_global_norm looks.
    """

    def scaled(gradients):
        return [each / tf.linalg.global_norm(gradients) for each in gradients]

    variables = answer.learning(weights, head)
    return _step(_scores(weights, head, images), variables, optimizer, labels, scaled)


@instead_of("step")
def factors_applied(weights, head, optimizer, images, labels):
    """The gradients were multiplied by `factors`; here all of them count alike.

    In the lab the optimizer is given the factors. Leave them out of `step`.
    """

    def multiplied(gradients):
        clipped, _ = tf.clip_by_global_norm(gradients, 1.0)
        return [
            factor * each
            for factor, each in zip(answer.factors(weights, head), clipped, strict=True)
        ]

    variables = answer.learning(weights, head)
    return _step(_scores(weights, head, images), variables, optimizer, labels, multiplied)


@instead_of("step")
def own_step(weights, head, optimizer, images, labels):
    """A step was taken, but not by the optimizer that was given, or not by it alone.

    Call optimizer.apply once; it knows how far to go, and remembers earlier steps.
    """
    rate = float(optimizer.learning_rate.numpy())
    return answer.step(weights, head, keras.optimizers.SGD(rate), images, labels)


@instead_of("step")
def loss_after(weights, head, optimizer, images, labels):
    """The loss returned is the one after the step; it was asked for as before it.

    Return the very number whose gradient was taken; to compute it again takes time, too.
    """
    answer.step(weights, head, optimizer, images, labels)
    scores = _scores(weights, head, images)()
    return tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels, scores))


def _unfrozen(weights, names):
    return {
        name: tuple(map(keras.Variable, layer)) if name in names else layer
        for name, layer in weights.items()
    }


def _scores(weights, head, images):
    return lambda: head(AlexNet(images, feature_extract=True, weights=weights))


def _step(scores, variables, optimizer, labels, change=list):
    with tf.GradientTape() as tape:
        errors = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, scores())
        error = tf.reduce_mean(errors)
    optimizer.apply(change(tape.gradient(error, variables)), variables)
    return error
