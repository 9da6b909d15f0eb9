"""What new_head.py is held to: formulas of the layer, and AlexNet with a few channels."""

import numpy as np
import tensorflow as tf

import alexnet
import feature_extraction
from exercises.checks import new_head_mistakes as mistakes
from exercises.machinery import narrow
from exercises.machinery.checking import Wrong, a_kind_of, check, known, numbers, same

CLASSES = 7
HINTS = {
    "new_layer": (
        "keras.Sequential() is empty at first; head.add(...) puts one thing after the "
        "other: keras.Input([width]), the normalisation, the Dense layer.",
        "keras.layers.Dense(classes, kernel_initializer=...), without an activation; "
        "keras.initializers.RandomNormal(stddev=..., seed=...) is where the kernel "
        "starts.",
    ),
    "name_signs": (
        "Three things one after the other: AlexNet, the head, tf.nn.softmax.",
        "tf.stop_gradient(x) is x, but gradients end there. Put it around what AlexNet says.",
    ),
}


def features(count=5, width=24):
    return np.random.default_rng(1).gamma(0.5, 8, [count, width]).astype(np.float32)


@check("new_layer", "`new_layer` makes scores of the right shape")
def shape(learner):
    head = learner.new_layer(24, CLASSES)
    if head is None or not callable(head):
        raise Wrong(f"`new_layer` returns {a_kind_of(head)}, expected a model of Keras.")
    if getattr(head, "input_shape", (None, 24)) != (None, 24):
        raise known(mistakes.sizes_swapped)
    found = numbers(head(features()), "new_layer").shape
    if found != (5, CLASSES):
        raise Wrong(f"The head's scores have the shape {list(found)}, expected [5, {CLASSES}].")


@check("new_layer", "`new_layer` gives scores, any number, not yet probabilities")
def scores(learner):
    head = learner.new_layer(24, CLASSES)
    found = numbers(head(features()), "new_layer")
    if np.allclose(found.sum(1), 1, atol=1e-4):
        raise known(mistakes.softmax_already)
    if not found.any():
        raise known(mistakes.starts_with_zeros)
    if (found > 0).all() and (found < 1).all():
        raise known(mistakes.sigmoid_on_top)
    if (found >= 0).all():
        raise known(mistakes.relu_on_top)


@check("new_layer", "`new_layer` begins without a preference")
def undecided(learner):
    head = learner.new_layer(24, CLASSES)
    probabilities = tf.nn.softmax(head(np.float32(features() * 50)), axis=1).numpy()
    kernel = head.get_weights()[-2]
    if kernel.std() > 0.02:
        raise known(mistakes.starts_too_large)
    if probabilities.max() >= 2 / CLASSES:
        raise known(mistakes.not_normalised)
    if kernel.std() < 0.005:
        raise Wrong(f"The kernel starts with the spread {kernel.std():.4f}, expected 0.01.")


@check("new_layer", "`new_layer` normalises, then weighs")
def formula(learner):
    head, x = learner.new_layer(24, CLASSES), features()
    if not head.trainable_variables:
        raise known(mistakes.width_unknown)
    trained = [np.shape(each) for each in head.trainable_variables]
    if trained != [(24, CLASSES), (CLASSES,)]:
        raise Wrong(
            f"The head learns variables of the shapes {[list(each) for each in trained]}, expected "
            f"a kernel [24, {CLASSES}] and a bias [{CLASSES}].",
            "The normalisation has nothing to learn: center=False, scale=False.",
        )
    kernel, bias = head.get_weights()[-2:]
    normal = (x - x.mean(1, keepdims=True)) / np.sqrt(x.var(1, keepdims=True) + 1e-3)
    found = head(x)
    if np.allclose(found, x @ kernel + bias, atol=1e-4):
        raise known(mistakes.not_normalised)
    same(found, normal @ kernel + bias, mistakes, "new_layer")


@check("new_layer", "`new_layer` is random, and the same for the same seed")
def seeded(learner):
    one, again, other = (
        learner.new_layer(24, CLASSES, seed).get_weights()[-2] for seed in (1, 1, 2)
    )
    if not np.array_equal(one, again) or np.array_equal(one, other):
        raise known(mistakes.seed_ignored)


@check("name_signs", "`name_signs` gives the probabilities of the head's classes")
def probabilities(learner):
    weights, images = narrow.weights(), narrow.images(3)
    head = _lively_head()
    fc7 = alexnet.AlexNet(images, feature_extract=True, weights=weights)
    found = learner.name_signs(images, weights, head)
    arguments = images, weights, head
    same(found, tf.nn.softmax(head(fc7)), mistakes, "name_signs", *arguments)


@check("name_signs", "no gradient comes from the head into AlexNet")
def frozen(learner):
    weights = {
        name: tuple(tf.Variable(each) for each in layer) for name, layer in narrow.weights().items()
    }
    head = _lively_head()
    with tf.GradientTape() as tape:
        found = learner.name_signs(narrow.images(2), weights, head)
        if isinstance(found, np.ndarray):
            raise Wrong(
                "`name_signs` returns an array of NumPy, through which no gradient finds its way.",
                "Return the tensor: without .numpy().",
            )
        loss = -tf.reduce_mean(tf.math.log(found[:, 0]))
    variables = [weights["conv1"][0], weights["fc7"][0], *head.trainable_variables]
    conv1, fc7, kernel, _ = tape.gradient(loss, variables)
    if conv1 is not None or fc7 is not None:
        raise known(mistakes.gradient_leaks)
    if kernel is None:
        raise known(mistakes.head_frozen_too)


def _lively_head():
    """A head whose probabilities differ."""
    head = feature_extraction.new_layer(narrow.WIDTH, CLASSES)
    kernel, bias = head.get_weights()
    head.set_weights([kernel * 100, bias])
    return head
