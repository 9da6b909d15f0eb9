"""A network that learns above some layer: its scores, its gradients, and what stays as it was."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from alexnet import CONV1_PADDING, AlexNet, preprocess
from feature_extraction import new_layer
from lab.networks import ALEXNET
from lab.training import tuned_layers
from lab.training.tuned import Tuned

CLASSES = 5
KERNELS = ["conv1", "conv2", "conv3", "conv4", "conv5", "fc6", "fc7"]


@pytest.fixture(scope="module")
def pictures():
    return np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3), np.uint8)


@pytest.fixture(scope="module")
def head():
    return new_layer(4096, CLASSES)


@pytest.fixture
def tuned(demo_weights, head):
    """A function: the network with that head, and these options of Tuned."""

    def build(unfreeze, layer="fc7", head=head, **options):
        return Tuned(ALEXNET, demo_weights, head, layer, unfreeze, **options)

    return build


def distance(found, expected):
    found, expected = (np.asarray(tf.cast(value, tf.float32)) for value in (found, expected))
    return np.linalg.norm(found - expected) / np.linalg.norm(expected)


# ---- scores -------------------------------------------------------------------------------------


@pytest.mark.parametrize("unfreeze", ["all", "conv3", "fc6", "fc8"])
@pytest.mark.parametrize("convention", ["caffe", "course"])
def test_at_first_it_says_what_network_and_head_say(
    tuned, demo_weights, head, pictures, unfreeze, convention
):
    images, padding = preprocess(pictures, convention), CONV1_PADDING[convention]
    expected = head(AlexNet(images, True, demo_weights, padding))
    assert distance(tuned(unfreeze, convention=convention)(pictures), expected) < 1e-5


@pytest.mark.parametrize(("unfreeze", "below"), [("fc6", "pool5"), ("fc7", "fc6"), ("fc8", "fc7")])
def test_what_is_frozen_may_have_seen_the_pictures_before(
    tuned, demo_weights, pictures, unfreeze, below
):
    model, features = tuned(unfreeze, kept=True), preprocess(pictures)
    assert model.below == below
    seen = ALEXNET.features(features, demo_weights, below)
    assert distance(model(seen), tuned(unfreeze)(pictures)) < 1e-5


def test_a_head_may_sit_on_a_lower_layer(tuned, demo_weights, pictures):
    on_conv4 = new_layer(ALEXNET.layers["conv4"], CLASSES)
    model = tuned("conv3", layer="conv4", head=on_conv4)
    assert list(model.learning) == ["conv3", "conv4", "head"]
    expected = on_conv4(ALEXNET.features(preprocess(pictures), demo_weights, "conv4"))
    assert distance(model(pictures), expected) < 1e-5


@pytest.mark.parametrize("name", ["conv9", "pool5", "", "fc7 "])
def test_other_layers_cannot_be_unfrozen(tuned, name):
    with pytest.raises(ValueError, match=f"--unfreeze {name}: expected one of all, conv1, "):
        tuned(name)


def test_dropout_is_for_training_and_another_in_each_step(tuned, pictures):
    model = tuned("fc6", dropout=0.5)
    first, second = (model(pictures, training=True) for _ in range(2))
    assert distance(first, second) > 0.1
    np.testing.assert_array_equal(model(pictures), tuned("fc6")(pictures))


# ---- gradients ----------------------------------------------------------------------------------


def whole(kernel, groups):
    """One kernel that looks at all channels, with zeros for those of the other groups."""
    parts = tf.split(kernel, groups, axis=-1)
    rows = [[part if i == j else tf.zeros_like(part) for i in range(groups)]
            for j, part in enumerate(parts)]  # fmt: skip
    return tf.concat([tf.concat(row, axis=2) for row in rows], axis=3)


def plain(images, weights, head):
    """AlexNet by TensorFlow's own operations: no halves, its own normalisation, no shortcut."""
    x = images
    for name, groups in zip(KERNELS[:5], (1, 2, 1, 2, 2), strict=True):
        kernel, bias = weights[name]
        stride, padding = (4, "VALID") if name == "conv1" else (1, "SAME")
        x = tf.nn.relu(tf.nn.conv2d(x, whole(kernel, groups), stride, padding) + bias)
        if name in ("conv1", "conv2"):
            x = tf.nn.local_response_normalization(x, 2, 1, 1e-4 / 5, 0.75)
        if name in ("conv1", "conv2", "conv5"):
            x = tf.nn.max_pool2d(x, 3, 2, "VALID")
    x = tf.reshape(x, [len(x), -1])
    for name in ("fc6", "fc7"):
        kernel, bias = weights[name]
        x = tf.nn.relu(x @ kernel + bias)
    mean, variance = tf.nn.moments(x, [1], keepdims=True)
    kernel, bias = head
    return (x - mean) / tf.sqrt(variance + 1e-3) @ kernel + bias


def error_of(scores):
    return tf.nn.sparse_softmax_cross_entropy_with_logits([1, 4, 0], scores)


@pytest.fixture(scope="module")
def gradients(demo_weights, pictures, head):
    """Of the plain network: layer -> of kernel and bias."""
    weights = {name: demo_weights[name] for name in KERNELS}
    weights["head"] = [tf.constant(value) for value in head.get_weights()]
    with tf.GradientTape() as tape:
        tape.watch(weights)
        error = error_of(plain(preprocess(pictures), weights, weights["head"]))
    return tape.gradient(error, weights)


def gradients_of(model, inputs):
    with tf.GradientTape() as tape:
        error = error_of(model(inputs, training=True))
    return tape.gradient(error, model.learning)


@pytest.mark.parametrize("unfreeze", ["all", "conv5"])
def test_every_layer_that_learns_gets_the_gradient_of_the_plain_network(
    tuned, gradients, pictures, unfreeze
):
    found = gradients_of(tuned(unfreeze), pictures)
    assert list(found) == [*KERNELS[KERNELS.index("conv5" if unfreeze == "conv5" else "conv1") :],
                           "head"]  # fmt: skip
    for name, layer in found.items():
        for value, expected in zip(layer, gradients[name], strict=True):
            assert distance(value, expected) < 1e-3, name


def test_in_bfloat16_gradients_point_the_same_way_and_are_kept_in_float32(
    tuned, gradients, pictures
):
    found = gradients_of(tuned("all", dtype=tf.bfloat16), pictures)
    for name, layer in found.items():
        for value, expected in zip(layer, gradients[name], strict=True):
            assert value.dtype == tf.float32
            cosine = tf.reduce_sum(value * expected) / tf.norm(value) / tf.norm(expected)
            assert cosine > 0.95, name


# ---- what changes -------------------------------------------------------------------------------


def test_only_what_is_unfrozen_learns(tuned, demo_weights, pictures):
    model = tuned("fc7", head=new_layer(4096, CLASSES))
    variables = [each for layer in model.learning.values() for each in layer]
    assert [id(each) for each in variables] == [id(each) for each in model.trainable_variables]
    assert [each.path for each in variables[:2]] == ["fc7", "fc7"]
    keras.optimizers.SGD(0.1).apply(
        [value for layer in gradients_of(model, pictures).values() for value in layer], variables
    )
    for name, (kernel, bias) in model.weights_now().items():
        same = np.array_equal(kernel, demo_weights[name][0]) and np.array_equal(
            bias, demo_weights[name][1]
        )
        assert same == (name != "fc7"), name
        assert kernel.dtype == bias.dtype == np.float32


# ---- the file of trained layers -----------------------------------------------------------------

SHAPES = {"one": (3, 2), "two": (2, 4)}


def layer(shape, value=1.0):
    return np.full(shape, value, np.float32), np.full(shape[-1], value, np.float32)


def test_layers_come_back_as_they_were(tmp_path):
    tuned_layers.write(tmp_path, {"two": layer((2, 4), 7)})
    found = tuned_layers.read(tmp_path, SHAPES)
    assert list(found) == ["two"]
    for array, expected in zip(found["two"], layer((2, 4), 7), strict=True):
        np.testing.assert_array_equal(array, expected)


@pytest.mark.parametrize(
    ("arrays", "found"),
    [
        ({"one.kernel": np.ones((3, 2), np.float32)}, "expected a kernel and a bias of layers"),
        ({"six.kernel": np.ones(3), "six.bias": np.ones(3)}, "found 'six.kernel, six.bias'"),
        (dict(zip(("one.kernel", "one.bias"), layer((2, 3)), strict=True)), r"found float32 \(2"),
        (dict(zip(("one.kernel", "one.bias"), layer((3, 2), np.nan), strict=True)), "found NaN"),
    ],
)
def test_damaged_layers_are_one_line(tmp_path, arrays, found):
    np.savez(tmp_path / "layers.npz", **arrays)
    with pytest.raises(ValueError, match=found) as error:
        tuned_layers.read(tmp_path, SHAPES)
    assert "layers.npz: " in str(error.value)
    assert str(error.value).isprintable()


def test_missing_layers_are_one_line(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"layers.npz is not there; train again"):
        tuned_layers.read(tmp_path, SHAPES)


def test_half_a_file_is_one_line(tmp_path):
    tuned_layers.write(tmp_path, {"two": layer((2, 4))})
    path = tmp_path / "layers.npz"
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(ValueError, match=r"layers.npz: .*; train again"):
        tuned_layers.read(tmp_path, SHAPES)
