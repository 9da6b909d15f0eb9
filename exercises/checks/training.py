"""What training.py is held to: formulas in NumPy, and a small head that has to learn."""

import keras
import numpy as np
from scipy.special import log_softmax

import feature_extraction
from exercises.checks import training_mistakes as mistakes
from exercises.machinery.checking import Wrong, check, known, numbers, pair, same

CLASSES, WIDTH = 5, 12
HINTS = {
    "loss": (
        "tf.nn.sparse_softmax_cross_entropy_with_logits(labels, scores) gives one "
        "number for each example. Logits is another word for scores: no softmax before.",
        "tf.reduce_mean makes one number of them.",
    ),
    "step": (
        "Everything from the features to the loss happens inside `with "
        "tf.GradientTape() as tape:`.",
        "tape.gradient(error, head.trainable_variables) is a list of gradients, for "
        "optimizer.apply.",
    ),
    "epoch": (
        "rng.permutation(n) is the numbers 0 to n - 1 in random order: draw it once.",
        "order[start : start + batch_size] are the rows of one batch; features[rows] "
        "and labels[rows] belong together.",
    ),
    "validate": (
        "The class with the highest score is tf.argmax(scores, axis=1).",
        "A mean of zeros and ones is a share: tf.cast what is right to float32, then "
        "tf.reduce_mean.",
    ),
}


def examples(count=40, seed=0):
    """Features and labels that a head can learn."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, CLASSES, count)
    middles = np.random.default_rng(7).normal(0, 1, [CLASSES, WIDTH])
    return (middles[labels] + rng.normal(0, 0.5, [count, WIDTH])).astype(np.float32), labels


def new_head():
    head = feature_extraction.new_layer(WIDTH, CLASSES)
    head.set_weights([np.random.default_rng(3).normal(0, 1, s) for s in _shapes(head)])
    return head


def _shapes(head):
    return [each.shape for each in head.get_weights()]


def true_loss(scores, labels):
    return -log_softmax(np.asarray(scores, float), 1)[np.arange(len(labels)), labels].mean()


@check("loss", "`loss` is the mean cross entropy of scores")
def cross_entropy(learner):
    scores = np.random.default_rng(1).normal(0, 4, [6, CLASSES]).astype(np.float32)
    labels = np.array([0, 3, 4, 1, 1, 2])
    found = learner.loss(scores, labels)
    same(found, true_loss(scores, labels), mistakes, "loss", scores, labels)


@check("loss", "`loss` stays a number where scores are large")
def large_scores(learner):
    scores, labels = np.float32([[300, 0, 0], [0, 300, 0]]), np.array([0, 2])
    if not np.isfinite(numbers(learner.loss(scores, labels), "loss")).all():
        raise known(mistakes.softmax_then_log)
    same(learner.loss(scores, labels), 150.0, mistakes, "loss", scores, labels)


@check("step", "`step` goes downhill, as far as the optimizer says")
def downhill(learner):
    (features, labels), head = examples(), new_head()
    before, kernel = true_loss(head(features), labels), head.get_weights()[0]
    optimizer = keras.optimizers.SGD(0.1)
    found = learner.step(head, optimizer, features, labels)
    moved = head.get_weights()[0] - kernel
    if not moved.any():
        raise known(mistakes.nothing_applied)
    if true_loss(head(features), labels) > before:
        raise known(mistakes.uphill)
    right = np.allclose(moved, -0.1 * _gradient(features, labels), atol=1e-4)
    steps = int(optimizer.iterations.numpy())
    if not right or steps != 1:
        raise _other_step(steps)
    if np.isclose(numbers(found, "step"), true_loss(head(features), labels)).all():
        raise known(mistakes.loss_after)
    same(found, before, mistakes, "step")


def _gradient(features, labels):
    """Of the head's kernel, by formula."""
    head = new_head()
    normal = head.layers[0](features).numpy()
    wrong = np.exp(log_softmax(head(features).numpy(), 1)) - np.eye(CLASSES)[labels]
    return normal.T @ wrong / len(labels)


def _other_step(steps):
    if steps == 1:
        return Wrong("`step` takes a step, but not along the gradient of `loss`.")
    return known(mistakes.own_step if steps == 0 else mistakes.two_steps)


@check("step", "`step` changes the bias, too")
def bias_too(learner):
    (features, labels), head = examples(), new_head()
    bias = head.get_weights()[1]
    learner.step(head, keras.optimizers.SGD(0.1), features, labels)
    if np.array_equal(bias, head.get_weights()[1]):
        raise known(mistakes.kernel_alone)


def batches_of(learner, count=11, seed=0):
    """The batches that `epoch` makes of examples whose features tell their labels."""
    batches = []
    labels = np.arange(count)
    features = np.repeat(labels[:, np.newaxis] * 1.0, 3, axis=1)
    rng = np.random.default_rng(seed)
    learner.epoch(lambda *batch: batches.append(batch), features, labels, 4, rng)
    if not batches:
        raise Wrong("`epoch` never calls `take_step`.", "Call it once for each batch.")
    return [(np.asarray(x), np.asarray(y)) for x, y in batches]


@check("epoch", "`epoch` shows each example with its own label")
def together(learner):
    for features, labels in batches_of(learner):
        if features.shape != (len(labels), 3):
            raise Wrong(f"`take_step` got {len(labels)} labels for features {features.shape}.")
        if not np.array_equal(features[:, 0], labels):
            raise known(mistakes.labels_shuffled_against_features)


@check("epoch", "`epoch` shows every example once, in batches of the size asked for")
def once(learner):
    batches = batches_of(learner)
    sizes = [len(labels) for _, labels in batches]
    seen = np.concatenate([labels for _, labels in batches])
    if len(np.unique(seen)) < len(seen):
        raise known(mistakes.drawn_anew)
    if sum(sizes) == 8 and max(sizes) == 4:
        raise known(mistakes.last_batch_lost)
    if sizes != [4, 4, 3]:
        raise Wrong(f"The batches of 11 examples have the sizes {sizes}, expected [4, 4, 3].")
    sizes = [len(labels) for _, labels in batches_of(learner, 12)]
    if sizes == [4, 4, 4, 0]:
        raise known(mistakes.empty_batch)
    if sizes != [4, 4, 4]:
        raise Wrong(f"The batches of 12 examples have the sizes {sizes}, expected [4, 4, 4].")


@check("epoch", "`epoch` goes in another order every time, by the generator")
def shuffled(learner):
    orders = [
        tuple(np.concatenate([y for _, y in batches_of(learner, 40, seed)])) for seed in (0, 1, 0)
    ]
    if orders[0] == orders[1]:
        raise known(mistakes.never_shuffled)
    if orders[0] != orders[2]:
        raise known(mistakes.own_dice)


@check("validate", "`validate` gives loss and accuracy")
def judged(learner):
    (features, labels), head = examples(30, seed=5), new_head()
    scores = head(features).numpy()
    found = pair(learner.validate(head, features, labels), "validate", "loss and accuracy")
    loss, accuracy = (numbers(each, "validate") for each in found)
    expected = np.mean(scores.argmax(1) == labels)
    if loss.shape or accuracy.shape:
        raise Wrong("`validate` gives arrays, expected two numbers.", "Take the mean of each.")
    if np.isclose(accuracy, true_loss(scores, labels)) and np.isclose(loss, expected):
        raise known(mistakes.accuracy_first)
    same(loss, true_loss(scores, labels), mistakes, "validate")
    if np.isclose(accuracy, expected * len(labels)):
        raise known(mistakes.counted_not_shared)
    if not np.isclose(accuracy, expected):
        raise Wrong(f"The accuracy is {accuracy:.3f}, expected {expected:.3f}.")


@check("validate", "nothing learns from validation")
def untouched(learner):
    (features, labels), head = examples(), new_head()
    before = head.get_weights()
    learner.validate(head, features, labels)
    if any((one != other).any() for one, other in zip(before, head.get_weights(), strict=True)):
        raise known(mistakes.learns_from_validation)


@check("epoch", "all together learn: ten epochs name nine in ten examples")
def learns(learner):
    (features, labels), head = examples(200), new_head()
    optimizer, rng = keras.optimizers.Adam(0.1), np.random.default_rng(0)
    for _ in range(10):
        learner.epoch(lambda x, y: learner.step(head, optimizer, x, y), features, labels, 50, rng)
    _, accuracy = learner.validate(head, *examples(100, seed=9))
    if accuracy < 0.9:
        raise Wrong(f"After ten epochs only {float(accuracy):.0%} of new examples are named right.")
