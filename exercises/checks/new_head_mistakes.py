"""Mistakes known of new_head.py."""

import keras
import tensorflow as tf

from alexnet import AlexNet
from exercises.machinery.checking import instead_of


@instead_of("new_layer")
def sizes_swapped(width, classes, seed=0):
    """The sizes are swapped: the head takes as many numbers as there are classes.

    keras.Input takes the width of the features, Dense the number of classes.
    """
    return _head(classes, width, seed)


@instead_of("new_layer")
def softmax_already(width, classes, seed=0):
    """The head ends in a softmax, and a second one follows: softmax twice makes all alike.

    Leave the activation of Dense out: the layer gives scores.
    """
    return _head(width, classes, seed, activation="softmax")


@instead_of("new_layer")
def relu_on_top(width, classes, seed=0):
    """The scores are never below zero: there is a ReLU on top of the last layer.

    Leave the activation of Dense out: a class may well get a score below zero.
    """
    return _head(width, classes, seed, activation="relu")


@instead_of("new_layer")
def sigmoid_on_top(width, classes, seed=0):
    """All scores lie between 0 and 1: there is a sigmoid on top of the last layer.

    Leave the activation of Dense out: a score may be any number.
    """
    return _head(width, classes, seed, activation="sigmoid")


@instead_of("new_layer")
def starts_with_zeros(width, classes, seed=0):
    """All scores are zero: the kernel starts with zeros.

    Start it with random numbers of spread 0.01, drawn with the seed.
    """
    return _head(width, classes, seed, spread=0.0)


@instead_of("new_layer")
def width_unknown(width, classes, seed=0):
    """The head does not know its width yet: it has no variables before it first sees features.

    keras.Input([width]) comes first.
    """
    return keras.Sequential(_layers(classes, seed))


@instead_of("new_layer")
def starts_too_large(width, classes, seed=0):
    """The untrained layer is already sure of itself: its first numbers are too large.

    Start the kernel with random numbers of spread 0.01.
    """
    return _head(width, classes, seed, spread=1.0)


@instead_of("new_layer")
def not_normalised(width, classes, seed=0):
    """The features are not normalised: larger features make larger scores.

    LayerNormalization(center=False, scale=False) goes before Dense.
    """
    start = keras.initializers.RandomNormal(stddev=0.01, seed=seed)
    return keras.Sequential(
        [keras.Input([width]), keras.layers.Dense(classes, kernel_initializer=start)]
    )


@instead_of("new_layer")
def seed_ignored(width, classes, seed=0):
    """The seed does not decide where the layer begins.

    Give it to RandomNormal: the same seed makes the same layer, another seed another.
    """
    return _head(width, classes, seed=3)


@instead_of("name_signs")
def softmax_forgotten(images, weights, head):
    """These are scores, not probabilities: they do not add up to 1.

    tf.nn.softmax turns the scores of each picture into probabilities.
    """
    return head(tf.stop_gradient(_fc7(images, weights)))


@instead_of("name_signs")
def softmax_over_pictures(images, weights, head):
    """The softmax runs over the pictures: each class adds up to 1, instead of each picture.

    It belongs to the last axis, which is where tf.nn.softmax looks by itself.
    """
    return tf.nn.softmax(head(tf.stop_gradient(_fc7(images, weights))), axis=0)


@instead_of("name_signs")
def normalised_by_hand(images, weights, head):
    """The scores were divided by their sum; that makes no probabilities, some are below zero.

    tf.nn.softmax takes the exponential first.
    """
    scores = head(tf.stop_gradient(_fc7(images, weights)))
    return scores / tf.reduce_sum(scores, 1, keepdims=True)


@instead_of("name_signs")
def gradient_leaks(images, weights, head):
    """The gradient leaks into AlexNet: training the head would change the network below.

    Put tf.stop_gradient around what fc7 says, before the head.
    """
    return tf.nn.softmax(head(_fc7(images, weights)))


@instead_of("name_signs")
def head_frozen_too(images, weights, head):
    """No gradient comes into the head either: it could never learn.

    tf.stop_gradient goes around what fc7 says, not around what the head says; and it is head(...),
    not head.predict(...).
    """
    return tf.stop_gradient(tf.nn.softmax(head(_fc7(images, weights))))


def _fc7(images, weights):
    return AlexNet(images, feature_extract=True, weights=weights)


def _head(width, classes, seed, activation=None, spread=0.01):
    return keras.Sequential([keras.Input([width]), *_layers(classes, seed, activation, spread)])


def _layers(classes, seed, activation=None, spread=0.01):
    start = keras.initializers.RandomNormal(stddev=spread, seed=seed)
    normal = keras.layers.LayerNormalization(center=False, scale=False)
    return [normal, keras.layers.Dense(classes, activation, kernel_initializer=start)]
