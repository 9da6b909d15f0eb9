"""What finetuning.py is held to: the lab's own choice of layers, and how far a step moves them."""

import keras
import numpy as np
import tensorflow as tf

import feature_extraction
from alexnet import AlexNet
from exercises.checks import finetuning_mistakes as mistakes
from exercises.machinery import narrow
from exercises.machinery.checking import Wrong, a_kind_of, check, known, numbers, same
from lab.networks import ALEXNET

CLASSES, RATE = 4, 0.01
HINTS = {
    "unfrozen": (
        "list(weights) are the names from below; names.index(unfreeze) is where "
        'learning begins, names.index("fc8") where it ends.',
        "Make a new dict, name by name: tuple(keras.Variable(each) for each in layer) "
        "for those that learn, the layer itself for the others.",
    ),
    "learning": (
        "isinstance(x, keras.Variable) tells a variable from a tensor.",
        "Two lists, one after the other: the variables among the weights, and "
        "head.trainable_variables.",
    ),
    "factors": (
        "Go the same way as `learning` does, but look at the name of each layer: "
        'name.startswith("conv").',
        "For each variable of a layer the same number; then 3 for each of "
        "head.trainable_variables.",
    ),
    "step": (
        "Network, head and loss all inside `with tf.GradientTape() as tape:`; then the "
        "gradient by all that `learning` lists.",
        "tf.clip_by_global_norm(gradients, 1.0) returns two things, of which the first "
        "is for optimizer.apply.",
    ),
}


def names_of_learning(weights):
    """The layers of which kernel or bias is a variable, and the variables' number."""
    variables = {
        name: sum(isinstance(each, keras.Variable | tf.Variable) for each in layer)
        for name, layer in weights.items()
    }
    return [name for name, count in variables.items() if count], sum(variables.values())


def new_head(sure=0):
    """A head whose probabilities differ; with `sure` it says class 0 whatever it sees."""
    head = feature_extraction.new_layer(narrow.WIDTH, CLASSES)
    kernel, bias = head.get_weights()
    bias[0] = sure
    head.set_weights([kernel if sure else kernel * 100, bias])
    return head


@check("unfrozen", "`unfrozen` lets the right layers learn")
def layers(learner):
    for unfreeze in ("fc6", "fc7", "conv4", "conv1"):
        weights = narrow.weights()
        found = learner.unfrozen(weights, unfreeze)
        if not isinstance(found, dict):
            raise Wrong(f"`unfrozen` returns {a_kind_of(found)}, expected a dict like `weights`.")
        if list(found) != list(weights):
            raise Wrong(
                "`unfrozen` returns other layers, or in another order.",
                "The same names, from conv1 to fc8; those that do not learn are as they were.",
            )
        expected = ALEXNET.learning(unfreeze, "fc7")
        names, count = names_of_learning(found)
        _told(names, expected)
        if count < 2 * len(expected):
            raise known(mistakes.biases_frozen)
        if not isinstance(found[unfreeze][0], keras.Variable):
            raise known(mistakes.variables_of_tensorflow)


def _told(names, expected):
    """`Wrong` unless the names of what learns are those expected."""
    if names == expected:
        return
    if names == [*expected, "fc8"]:
        raise known(mistakes.old_last_layer_too)
    if names == expected[1:]:
        raise known(mistakes.one_layer_too_few)
    if names == expected[:1]:
        raise known(mistakes.that_layer_alone)
    if not set(names) & set(expected[1:]) and names:
        raise known(mistakes.below_instead)
    if set(expected) < set(names):
        raise known(mistakes.everything)
    raise Wrong(f"The layers that learn are {names or 'none'}, expected {expected}.")


@check("unfrozen", "`unfrozen` keeps the numbers, and the weights that came in")
def values(learner):
    weights = narrow.weights()
    found = learner.unfrozen(weights, "fc6")
    if names_of_learning(weights)[0]:
        raise known(mistakes.changed_in_place)
    for name, layer in weights.items():
        for one, other in zip(found[name], layer, strict=True):
            if np.shape(one) != other.shape or not np.array_equal(one, other):
                raise known(mistakes.begins_anew)


@check("learning", "`learning` lists what trains, from below, with the head last")
def variables(learner):
    weights, head = learner.unfrozen(narrow.weights(), "conv5"), new_head()
    found = learner.learning(weights, head)
    if not isinstance(found, list | tuple):
        raise Wrong(f"`learning` returns {a_kind_of(found)}, expected a list of variables.")
    below = [each for name in ("conv5", "fc6", "fc7") for each in weights[name]]
    ids = [id(each) for each in found]
    own, heads = [id(each) for each in below], [id(each) for each in head.trainable_variables]
    if ids == own:
        raise known(mistakes.head_forgotten)
    if ids == heads:
        raise known(mistakes.head_alone)
    if ids == heads + own:
        raise known(mistakes.head_first)
    if len(ids) == 18:
        raise known(mistakes.frozen_ones_too)
    if ids != own + heads:
        raise Wrong(
            f"`learning` lists {len(ids)} things, expected these {len(own + heads)}: kernel and "
            "bias of conv5, fc6, fc7 and of the head."
        )


@check("factors", "`factors` gives convolutions small steps")
def step_sizes(learner):
    head = new_head()
    for unfreeze, expected in [("conv4", [1] * 4 + [3] * 6), ("fc7", [3] * 4)]:
        weights = learner.unfrozen(narrow.weights(), unfreeze)
        arguments = weights, head
        same(learner.factors(*arguments), expected, mistakes, "factors", *arguments)


class Moved:
    """What a step of SGD returns, and by what it moves each variable, beside what it should.

    sure: how sure the head is of class 0, which then is right: the gradient is small.
    """

    def __init__(self, learner, sure=0):
        weights = learner.unfrozen(narrow.weights(), "conv5")
        head, optimizer = new_head(sure), keras.optimizers.SGD(RATE)
        variables, images = learner.learning(weights, head), narrow.images(3)

        def scores():
            return head(AlexNet(images, feature_extract=True, weights=weights))

        labels = np.array([0, 0, 0] if sure else [0, 1, 3])
        with tf.GradientTape() as tape:
            error = _loss(scores(), labels)
        self.before = float(error)
        gradients = [each.numpy() for each in tape.gradient(error, variables)]
        self.norm = _norm(gradients)
        self.expected = [RATE / max(1, self.norm) * gradient for gradient in gradients]
        places = [each.numpy() for each in variables]
        self.returned = learner.step(weights, head, optimizer, images, labels)
        self.moves = [old - new.numpy() for old, new in zip(places, variables, strict=True)]
        self.after, self.steps = float(_loss(scores(), labels)), int(optimizer.iterations.numpy())

    def is_right(self):
        return all(
            np.allclose(move, right, atol=1e-3 * _norm(self.expected))
            for move, right in zip(self.moves, self.expected, strict=True)
        )


def _loss(scores, labels):
    return tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels, scores))


@check("step", "`step` moves the layers as well as the head")
def moves_all(learner):
    moves = Moved(learner).moves
    below, head = moves[:-2], moves[-2:]
    if not any(move.any() for move in moves):
        raise known(mistakes.nothing_applied)
    if not any(move.any() for move in below):
        raise known(mistakes.gradient_stopped)
    if not any(move.any() for move in head):
        raise known(mistakes.head_stands_still)


@check("step", "`step` goes along the gradient, its joint norm 1 at most")
def along(learner):
    moved = Moved(learner)
    length, right = _norm(moved.moves), _norm(moved.expected)
    if np.isclose(length, RATE * moved.norm, rtol=1e-3):
        raise known(mistakes.not_clipped)
    if all(_norm([move]) <= RATE * 1.001 for move in moved.moves) and length > right * 1.01:
        raise known(mistakes.clipped_one_by_one)
    if not moved.is_right():
        by_factors = [
            factor * move
            for factor, move in zip(_factors(moved.expected), moved.expected, strict=True)
        ]
        if np.isclose(length, _norm(by_factors), rtol=1e-3):
            raise known(mistakes.factors_applied)
        raise Wrong("`step` moves the variables, but not along the gradient of the loss.")
    if moved.steps != 1:
        raise known(mistakes.own_step)
    if np.isclose(numbers(moved.returned, "step"), moved.after, rtol=1e-4).all():
        raise known(mistakes.loss_after)
    same(moved.returned, moved.before, mistakes, "step", tolerance=1e-3)


def _factors(variables):
    """Of conv5's two variables 1, of all others 3."""
    return [1, 1] + [3] * (len(variables) - 2)


@check("step", "`step` leaves a gradient alone whose joint norm is below 1")
def below_one(learner):
    moved = Moved(learner, sure=4)
    if not moved.is_right():
        raise known(mistakes.always_scaled)


def _norm(arrays):
    return float(np.sqrt(sum((array**2).sum() for array in arrays)))
