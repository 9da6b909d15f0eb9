"""AlexNet against networks that share no line with it, and the code of 2016 against AlexNet.

The oracles: the formulas of the paper and of Caffe in NumPy, the same network in ONNX Runtime,
Pillow's resize. The fake weights have the true shapes, biases that matter, and are drawn so that
no class takes all the probability.
"""

import json
import os
import subprocess
import sys

import numpy as np
import onnxruntime
import pytest
import tensorflow as tf
from comparing import check_walk, distance, error, pictures, pillow_resize, rounded
from conftest import PROJECT
from numpy.lib.stride_tricks import sliding_window_view
from PIL import Image
from scipy.special import softmax

import alexnet
from alexnet import KERNELS, LAYERS, AlexNet, activations, load_weights, preprocess
from deploy.export import onnx_graph
from lab.networks import ALEXNET

pytestmark = pytest.mark.usefixtures("full_float32")
BGR_MEAN = np.array([104.00698793, 116.66876762, 122.67891434])


# ---- what everything below needs ----------------------------------------------------------------


@pytest.fixture(scope="module")
def arrays():
    """Layer -> (kernel, bias), float32 arrays of the true shapes."""
    rng = np.random.default_rng(2012)
    layers = {}
    for name, shape in KERNELS.items():
        kernel = rng.standard_normal(shape, np.float32)
        kernel *= np.sqrt(2 / np.prod(shape[:-1]))
        layers[name] = kernel, 20 * rng.standard_normal(shape[-1], np.float32)
    fc7, fc8 = layers["fc7"], layers["fc8"]
    return layers | {"fc7": (fc7[0] / 50, fc7[1] / 50), "fc8": (fc8[0], fc8[1] / 50)}


@pytest.fixture(scope="module")
def weights(arrays):
    return {
        name: (tf.constant(kernel), tf.constant(bias)) for name, (kernel, bias) in arrays.items()
    }


@pytest.fixture(scope="module")
def images():
    """Two random pictures as `preprocess` would leave them, [2, 227, 227, 3]."""
    return np.random.default_rng(0).normal(0, 60, (2, 227, 227, 3)).astype(np.float32)


@pytest.fixture(scope="module")
def weights_file(arrays, tmp_path_factory):
    """The fake weights as a `bvlc-alexnet.npy`: 244 MB, deleted afterwards."""
    path = tmp_path_factory.mktemp("weights") / "bvlc-alexnet.npy"
    np.save(path, {name: list(layer) for name, layer in arrays.items()}, allow_pickle=True)
    yield path
    path.unlink()


@pytest.fixture
def run_beside_weights(weights_file, tmp_path):
    """A function that runs a program in a folder with `bvlc-alexnet.npy`; returns the folder."""

    def run(program):
        (tmp_path / "bvlc-alexnet.npy").hardlink_to(weights_file)
        (tmp_path / "program.py").write_text(program)
        environment = os.environ | {"PYTHONPATH": str(PROJECT), "NVIDIA_TF32_OVERRIDE": "0"}
        done = subprocess.run(
            [sys.executable, "program.py"],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr[-3000:]
        return tmp_path

    yield run
    (tmp_path / "bvlc-alexnet.npy").unlink(missing_ok=True)


# ---- the oracles --------------------------------------------------------------------------------


def numpy_conv(x, kernel, bias, stride, pad):
    """A convolution as the sum it is; each group of outputs sees its own group of inputs."""
    x = np.pad(x, [(0, 0), (pad, pad), (pad, pad), (0, 0)])
    windows = sliding_window_view(x, kernel.shape[:2], axis=(1, 2))[:, ::stride, ::stride]
    groups = x.shape[-1] // kernel.shape[2]
    parts = zip(np.split(windows, groups, axis=3), np.split(kernel, groups, axis=3), strict=True)
    return np.concatenate([np.tensordot(w, k, ([4, 5, 3], [0, 1, 2])) for w, k in parts], -1) + bias


def numpy_lrn(x):
    """Caffe's formula: x / (1 + 1e-4 / 5 * the sum of squares over 5 channels) ** 0.75."""
    padded = np.pad(np.square(x, dtype=np.float64), [(0, 0), (0, 0), (0, 0), (2, 2)])
    return x / (1 + 1e-4 / 5 * sliding_window_view(padded, 5, axis=3).sum(axis=-1)) ** 0.75


def numpy_max_pool(x):
    return sliding_window_view(x, (3, 3), axis=(1, 2))[:, ::2, ::2].max(axis=(-2, -1))


def numpy_alexnet(images, arrays, padding):
    """Layer -> what it puts out, float64, and "probabilities"."""
    strides_and_pads = {
        "conv1": (4, {"VALID": 0, "SAME": 4}[padding]),  # 57 places: 56 * 4 + 11 = 227 + 2 * 4
        "conv2": (1, 2),
        "conv3": (1, 1),
        "conv4": (1, 1),
        "conv5": (1, 1),
    }
    layers, x = {}, images.astype(np.float64)
    for name, (kernel, bias) in arrays.items():
        if name in strides_and_pads:
            x = numpy_conv(x, kernel, bias, *strides_and_pads[name])
        else:
            x = x.reshape(len(x), -1) @ kernel + bias
        layers[name] = x = x if name == "fc8" else np.maximum(x, 0)
        if name in ("conv1", "conv2"):
            x = numpy_lrn(x)
        if name in ("conv1", "conv2", "conv5"):
            x = numpy_max_pool(x)
    powers = np.exp(x - x.max(axis=1, keepdims=True))
    return layers | {"probabilities": powers / powers.sum(axis=1, keepdims=True)}


def onnx_alexnet(images, arrays, padding):
    """fc7 and probabilities from ONNX Runtime, which has groups and normalisation of its own."""
    convention = {"VALID": "caffe", "SAME": "course"}[padding]
    model = onnx_graph.layers(ALEXNET, arrays, ["fc7", "fc8"], convention)
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    fc7, scores = session.run(None, {"images": images})
    return {"fc7": fc7, "probabilities": softmax(scores, axis=1)}


# ---- the network --------------------------------------------------------------------------------


def test_the_kernels_are_those_of_the_paper():
    assert KERNELS == {
        "conv1": (11, 11, 3, 96),
        "conv2": (5, 5, 48, 256),
        "conv3": (3, 3, 256, 384),
        "conv4": (3, 3, 192, 384),
        "conv5": (3, 3, 192, 256),
        "fc6": (9216, 4096),
        "fc7": (4096, 4096),
        "fc8": (4096, 1000),
    }
    assert sum(np.prod(shape) + shape[-1] for shape in KERNELS.values()) == 60_965_224


@pytest.mark.parametrize("padding", ["VALID", "SAME"])
class TestTheNetwork:
    def test_every_layer_equals_the_formulas(self, images, arrays, weights, padding):
        expected = numpy_alexnet(images, arrays, padding)
        found = activations(images, weights, conv1_padding=padding)
        assert list(found) == list(LAYERS)
        for name in KERNELS:
            assert error(found[name], expected[name]) < 1e-5, name
        probabilities = AlexNet(images, weights=weights, conv1_padding=padding)
        np.testing.assert_allclose(probabilities, expected["probabilities"], rtol=1e-4)

    def test_features_and_probabilities_equal_onnx_runtime(self, images, arrays, weights, padding):
        expected = onnx_alexnet(images, arrays, padding)
        features = AlexNet(images, True, weights, padding)
        assert error(features, expected["fc7"]) < 1e-5
        probabilities = AlexNet(images, False, weights, padding)
        np.testing.assert_allclose(probabilities, expected["probabilities"], rtol=1e-4)

    def test_bfloat16_is_within_a_percent_of_float32(self, images, weights, padding):
        half = rounded(weights)
        features = AlexNet(images, True, half, padding)
        assert features.dtype == tf.bfloat16
        expected = np.asarray(AlexNet(images, True, weights, padding))
        assert distance(features, expected) < 0.01
        assert AlexNet(images, False, half, padding).dtype == tf.float32

    def test_the_layers_have_the_published_shapes(self, images, weights, padding):
        first, second = {"VALID": (55, 27), "SAME": (57, 28)}[padding]
        found = activations(images, weights, conv1_padding=padding)
        assert {name: x.shape for name, x in found.items()} == {
            "conv1": (2, first, first, 96),
            "norm1": (2, first, first, 96),
            "pool1": (2, second, second, 96),
            "conv2": (2, second, second, 256),
            "norm2": (2, second, second, 256),
            "pool2": (2, 13, 13, 256),
            "conv3": (2, 13, 13, 384),
            "conv4": (2, 13, 13, 384),
            "conv5": (2, 13, 13, 256),
            "pool5": (2, 6, 6, 256),
            "fc6": (2, 4096),
            "fc7": (2, 4096),
            "fc8": (2, 1000),
        }


def test_the_fake_weights_can_tell_right_from_wrong(images, weights):
    """Of the test itself: a flat or one-sided answer would agree with many wrong networks."""
    layers = activations(images, weights)
    probabilities = np.asarray(AlexNet(images, weights=weights))
    assert probabilities.max() < 0.5
    assert np.all(probabilities.max(axis=1) > 10 / 1000)
    assert np.abs(probabilities[0] - probabilities[1]).max() > 1e-3
    assert 0.1 < np.mean(layers["fc7"] > 0) < 0.9
    damped = numpy_lrn(layers["conv1"].numpy()).sum() / np.sum(layers["conv1"])
    assert damped < 0.9


@pytest.mark.parametrize("after", ["conv1", "norm1", "pool2", "conv4", "pool5", "fc6", "fc7"])
def test_the_walk_can_begin_after_any_layer_and_end_at_any(images, weights, after):
    check_walk(alexnet, images, weights, after)


@pytest.mark.parametrize("shape", [(1, 224, 224, 3), (1, 227, 227, 1), (227, 227, 3)])
def test_pictures_of_another_shape_are_refused(weights, shape):
    with pytest.raises(ValueError, match=r"expected images \[n, 227, 227, 3\], found .*"):
        AlexNet(np.zeros(shape, np.float32), weights=weights)


def test_a_graph_holds_no_copy_of_the_weights(images, weights):
    features = tf.function(lambda x: AlexNet(x, feature_extract=True, weights=weights))
    graph = features.get_concrete_function(tf.TensorSpec([None, 227, 227, 3])).graph
    assert graph.as_graph_def().ByteSize() < 100_000
    assert error(features(images), AlexNet(images, True, weights)) < 1e-5


def test_gradients_reach_every_layer_that_is_not_cut_off(images, weights):
    variables = {name: tuple(map(tf.Variable, layer)) for name, layer in weights.items()}
    flat = [variable for layer in variables.values() for variable in layer]
    with tf.GradientTape(persistent=True) as tape:
        features = AlexNet(images[:1], feature_extract=True, weights=variables)
        scores = tf.matmul(tf.stop_gradient(features), variables["fc8"][0])
        probabilities = AlexNet(images[:1], weights=variables)
        loss = -tf.math.log(probabilities[0, 7])
    for variable, gradient in zip(flat, tape.gradient(loss, flat), strict=True):
        assert gradient.shape == variable.shape
        assert np.all(np.isfinite(gradient))
        assert np.any(gradient)
    assert tape.gradient(scores, flat[:-2]) == [None] * 14
    assert tape.gradient(scores, variables["fc8"][0]) is not None


# ---- single operations --------------------------------------------------------------------------


@pytest.mark.parametrize("scale", [0, 1, 100, 10_000])
def test_normalisation_is_caffes_and_tensorflows_own_with_alpha_divided(scale):
    x = (scale * np.random.default_rng(1).standard_normal((2, 5, 6, 32))).astype(np.float32)
    found = alexnet.lrn(x)
    np.testing.assert_allclose(found, numpy_lrn(x), rtol=1e-5)
    own = tf.nn.local_response_normalization(x, depth_radius=2, bias=1, alpha=1e-4 / 5, beta=0.75)
    np.testing.assert_allclose(found, own, rtol=1e-4)


def test_the_gradient_of_normalisation_is_tensorflows_own():
    x = tf.constant(np.random.default_rng(1).normal(0, 200, (2, 5, 6, 32)).astype(np.float32))
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(x)
        ours = alexnet.lrn(x) ** 2
        own = tf.nn.local_response_normalization(x, 2, 1, 1e-4 / 5, 0.75) ** 2
    assert error(tape.gradient(ours, x), tape.gradient(own, x)) < 1e-4


@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize(("stride", "padding"), [(1, "SAME"), (4, "VALID"), (4, "SAME")])
def test_a_convolution_with_groups_is_tensorflows_own(groups, stride, padding):
    rng = np.random.default_rng(2)
    x = rng.standard_normal((2, 23, 23, 12), np.float32)
    kernel = rng.standard_normal((5, 5, 12 // groups, 8), np.float32)
    bias = rng.standard_normal(8, np.float32)
    own = tf.nn.relu(tf.nn.conv2d(x, kernel, stride, padding) + bias)
    found = alexnet.conv_relu(tf.constant(x), (kernel, bias), stride, padding)
    assert error(found, own) < 1e-5


def test_pooling_windows_overlap():
    x = np.random.default_rng(3).standard_normal((2, 13, 13, 4), np.float32)
    np.testing.assert_array_equal(alexnet.max_pool(x), numpy_max_pool(x))


# ---- preparing pictures -------------------------------------------------------------------------


def legacy_resize(images):
    """TensorFlow 1: pixel i of 227 looks at i * side / 227, and mixes the two pixels around it."""
    for axis in (1, 2):
        side = images.shape[axis]
        place = np.arange(227) * (side / 227)
        low = np.floor(place).astype(int)
        high = np.minimum(low + 1, side - 1)
        part = np.expand_dims(place - low, tuple(range(1, 4 - axis)))
        images = images.take(low, axis) * (1 - part) + images.take(high, axis) * part
    return images


SIZES = [(32, 32), (40, 30), (227, 227), (300, 500), (600, 100), (1, 1)]


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_caffe_is_bgr_minus_the_mean_pixel_and_half_pixel_resized(height, width):
    images = pictures(height, width)
    found = preprocess(images)
    assert found.shape == (2, 227, 227, 3)
    assert found.dtype == tf.float32
    expected = pillow_resize(images, 227)[..., ::-1] - BGR_MEAN
    np.testing.assert_allclose(found, expected, atol=0.01)


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_course_is_rgb_minus_the_pictures_own_mean_and_resized_as_in_tensorflow_1(height, width):
    images = pictures(height, width)
    found = preprocess(images, "course")
    assert found.shape == (2, 227, 227, 3)
    assert found.dtype == tf.float32
    expected = legacy_resize(images - images.mean(axis=(1, 2, 3), keepdims=True))
    np.testing.assert_allclose(found, expected, atol=0.05)


def test_a_picture_of_the_right_size_keeps_its_pixels():
    images = pictures(227, 227)
    np.testing.assert_allclose(preprocess(images), images[..., ::-1] - BGR_MEAN, atol=1e-4)
    own_means = images.mean(axis=(1, 2, 3), keepdims=True)
    np.testing.assert_allclose(preprocess(images, "course"), images - own_means, atol=1e-4)


def test_red_and_blue_change_places_and_stay_themselves():
    images = np.full((1, 8, 8, 3), (200, 100, 50), np.uint8)
    expected = np.array([50, 100, 200]) - BGR_MEAN
    np.testing.assert_allclose(preprocess(images)[0, 100, 100], expected, atol=1e-3)
    assert images[0, 0, 0].tolist() == [200, 100, 50]


def test_each_picture_of_the_course_has_its_own_mean():
    images = np.stack([np.full((8, 8, 3), 10, np.uint8), np.full((8, 8, 3), 250, np.uint8)])
    np.testing.assert_allclose(preprocess(images, "course"), 0, atol=1e-4)


# ---- the default weights, and TensorFlow 1 ------------------------------------------------------

FIRST_USE = """
import json, os, pathlib, sys
import numpy as np
import tensorflow as tf

opened = []
sys.addaudithook(lambda event, args: event == "open" and opened.append(str(args[0])))
import alexnet
at_import = [name for name in opened if not name.endswith((".py", ".pyc"))]
rooms = [name for name in sys.modules if name.split(".")[0] == "lab"]

# Refused as soon as anything has used a device.
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
assert len(tf.config.list_logical_devices("CPU")) == 2

images = np.load("images.npy")
in_function = tf.function(lambda x: alexnet.AlexNet(x, feature_extract=True))
spec = tf.TensorSpec(images.shape, tf.float32)
graph_bytes = in_function.get_concrete_function(spec).graph.as_graph_def().ByteSize()
first = in_function(images)
pathlib.Path("bvlc-alexnet.npy").unlink()
second = alexnet.AlexNet(images, True)
np.savez("features.npz", first=first, second=second)
reads = sum(name.endswith("bvlc-alexnet.npy") for name in opened)
facts = {"at_import": at_import, "rooms": rooms, "graph_bytes": graph_bytes, "reads": reads}
pathlib.Path("facts.json").write_text(json.dumps(facts))
"""


def test_the_default_file_is_read_once_and_not_at_import(
    run_beside_weights, tmp_path, images, weights
):
    np.save(tmp_path / "images.npy", images)
    folder = run_beside_weights(FIRST_USE)
    facts = json.loads((folder / "facts.json").read_text())
    assert facts.pop("graph_bytes") < 100_000
    assert facts == {"at_import": [], "rooms": [], "reads": 1}
    expected = AlexNet(images, True, weights)
    with np.load(folder / "features.npz") as features:
        assert error(features["first"], expected) < 1e-5
        assert error(features["second"], expected) < 1e-5


def test_missing_default_weights_say_where_to_get_them(tmp_path, monkeypatch, images):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FileNotFoundError, match=r"bvlc-alexnet.npy .*download\.py.*--demo"):
        AlexNet(images)


# The course's train_feature_extraction.py, but for its first two lines and what it saves.
COURSE = """
import tensorflow.compat.v1 as tf
tf.disable_v2_behavior()
import sys
import numpy as np
from alexnet import AlexNet

reads = []
sys.addaudithook(
    lambda event, args: event == "open"
    and str(args[0]).endswith("bvlc-alexnet.npy")
    and reads.append(args)
)
nb_classes = 43
signs = np.load("signs.npy")
sign_labels = np.arange(len(signs))

features = tf.placeholder(tf.float32, (None, 32, 32, 3))
labels = tf.placeholder(tf.int64, None)
resized = tf.image.resize_images(features, (227, 227))

probabilities = AlexNet(resized)
frozen = AlexNet(resized, feature_extract=True)
fc7 = tf.stop_gradient(AlexNet(resized, True))
shape = (fc7.get_shape().as_list()[-1], nb_classes)
fc8W = tf.Variable(tf.truncated_normal(shape, stddev=1e-2, seed=1))
fc8b = tf.Variable(tf.zeros(nb_classes))
logits = tf.nn.xw_plus_b(fc7, fc8W, fc8b)

cross_entropy = tf.nn.sparse_softmax_cross_entropy_with_logits(logits=logits, labels=labels)
loss_op = tf.reduce_mean(cross_entropy)
opt = tf.train.AdamOptimizer()
train_op = opt.minimize(loss_op, var_list=[fc8W, fc8b])
init_op = tf.global_variables_initializer()
assert tf.gradients(loss_op, resized) == [None]
slope = tf.gradients(frozen, resized)[0]

with tf.Session() as sess:
    sess.run(init_op)
    feed = {features: signs, labels: sign_labels}
    losses = [sess.run([train_op, loss_op], feed_dict=feed)[1] for _ in range(8)]
    found = sess.run({"fc7": fc7, "probabilities": probabilities, "slope": slope}, feed_dict=feed)
np.savez("course.npz", losses=losses, reads=len(reads), **found)
"""


def test_the_course_code_of_2016_trains_on_it(run_beside_weights, tmp_path, weights):
    signs = np.random.default_rng(4).integers(0, 256, (6, 4, 4, 3), np.uint8)
    signs = signs.repeat(8, axis=1).repeat(8, axis=2)
    np.save(tmp_path / "signs.npy", signs)
    course = np.load(run_beside_weights(COURSE) / "course.npz")

    resized = tf.compat.v1.image.resize_bilinear(signs.astype(np.float32), (227, 227))
    with tf.GradientTape() as tape:
        tape.watch(resized)
        features = AlexNet(resized, True, weights)
    assert error(course["fc7"], features) < 1e-5
    assert error(course["slope"], tape.gradient(features, resized)) < 1e-3
    probabilities = AlexNet(resized, weights=weights)
    np.testing.assert_allclose(course["probabilities"], probabilities, rtol=1e-4, atol=1e-9)
    assert course["losses"][-1] < course["losses"][0] / 2
    assert course["reads"] == 1


# ---- the weights file ---------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [tf.float32, tf.bfloat16])
def test_weights_load_as_tensors_of_the_type_asked_for(tmp_path, monkeypatch, dtype):
    kernels = {"conv1": (2, 2, 3, 4), "fc6": (5, 4)}
    monkeypatch.setattr(alexnet, "KERNELS", kernels)
    rng = np.random.default_rng(5)
    layers = {
        name: [rng.standard_normal(shape), rng.standard_normal(4)]
        for name, shape in kernels.items()
    }
    np.save(tmp_path / "weights.npy", layers, allow_pickle=True)
    for name, layer in load_weights(tmp_path / "weights.npy", dtype).items():
        for found, array in zip(layer, layers[name], strict=True):
            assert found.dtype == dtype
            np.testing.assert_array_equal(found, tf.cast(np.float32(array), dtype))


# ---- the real files -----------------------------------------------------------------------------


def test_the_real_file_classifies_pictures_as_the_formulas_do(lab_file):
    weights = load_weights(lab_file("bvlc-alexnet.npy"))
    names = ("poodle.png", "stop.jpg")
    files = [Image.open(lab_file("pictures") / name).convert("RGB") for name in names]
    images = tf.concat([preprocess(np.asarray(file)[None]) for file in files], axis=0)
    probabilities = AlexNet(images, weights=weights)
    assert probabilities.shape == (2, 1000)
    np.testing.assert_allclose(np.sum(probabilities, axis=1), 1, rtol=1e-5)
    arrays = {name: tuple(np.asarray(array) for array in weights[name]) for name in weights}
    expected = numpy_alexnet(images.numpy(), arrays, "VALID")
    assert error(probabilities, expected["probabilities"]) < 1e-4
    assert error(AlexNet(images, True, weights), expected["fc7"]) < 1e-5
