"""VGG16 against networks that share no line with it, and its weights from every old format.

The oracles: the formulas in NumPy and ONNX Runtime for a network of the same layers with a
sixteenth of the channels, Keras's own VGG16 for the whole one, Pillow's and SciPy's resizes.
"""

import json
import os
import pickle
import subprocess
import sys

import h5py
import keras
import numpy as np
import onnxruntime
import pytest
import tensorflow as tf
from comparing import check_walk, distance, error, pictures, pillow_resize, rounded
from conftest import PROJECT
from formats.test_caffemodel import caffemodel_bytes
from formats.test_keras_weights import KERAS_NAMES, write_h5
from formats.test_weights import python_2_pickle
from narrow_vgg16 import CLASSES, NARROW, as_tensors, random_arrays
from numpy.lib.stride_tricks import sliding_window_view
from PIL import Image
from scipy import ndimage
from scipy.special import softmax

import alexnet
import vgg16
from deploy.export import onnx_graph
from lab import networks
from lab.demo.flowers import flower
from vgg16 import KERNELS, LAYERS, VGG16, activations, load_weights, preprocess

pytestmark = pytest.mark.usefixtures("full_float32")
BGR_MEAN = np.array([103.939, 116.779, 123.68])
POOLED = ("conv1_2", "conv2_2", "conv3_3", "conv4_3", "conv5_3")


# ---- what everything below needs ----------------------------------------------------------------


@pytest.fixture(scope="module")
def arrays():
    return random_arrays(NARROW)


@pytest.fixture(scope="module")
def weights(arrays):
    return as_tensors(arrays)


@pytest.fixture(scope="module")
def images():
    """Two random pictures as `preprocess` would leave them, [2, 224, 224, 3]."""
    return np.random.default_rng(0).normal(0, 60, (2, 224, 224, 3)).astype(np.float32)


# ---- the oracles --------------------------------------------------------------------------------


def numpy_conv(x, kernel):
    """A convolution as the sum it is; beyond the edge are zeros."""
    windows = sliding_window_view(np.pad(x, [(0, 0), (1, 1), (1, 1), (0, 0)]), (3, 3), axis=(1, 2))
    return np.tensordot(windows, kernel, ([4, 5, 3], [0, 1, 2]))


def numpy_max_pool(x):
    n, height, width, channels = x.shape
    return x.reshape(n, height // 2, 2, width // 2, 2, channels).max(axis=(2, 4))


def numpy_vgg16(images, arrays):
    """Layer -> what it puts out, float64, and "probabilities"."""
    layers, x = {}, images.astype(np.float64)
    for name, (kernel, bias) in arrays.items():
        products = numpy_conv(x, kernel) if kernel.ndim == 4 else x.reshape(len(x), -1) @ kernel
        x = products + bias
        layers[name] = x = x if name == "fc8" else np.maximum(x, 0)
        if name in POOLED:
            layers[f"pool{name[4]}"] = x = numpy_max_pool(x)
    powers = np.exp(x - x.max(axis=1, keepdims=True))
    return layers | {"probabilities": powers / powers.sum(axis=1, keepdims=True)}


def onnx_vgg16(images, arrays):
    """Codes and probabilities from ONNX Runtime."""
    model = onnx_graph.layers(networks.VGG16, arrays, ["fc6", "fc8"])
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    codes, scores = session.run(None, {"images": images})
    return {"fc6": codes, "probabilities": softmax(scores, axis=1)}


# ---- the network --------------------------------------------------------------------------------


def test_the_kernels_are_those_of_the_paper():
    widths = [64, 64, 128, 128, 256, 256, 256, 512, 512, 512, 512, 512, 512]
    convolutions = [(3, 3, *pair) for pair in zip([3, *widths], widths, strict=False)]
    assert [*KERNELS.values()] == [*convolutions, (25088, 4096), (4096, 4096), (4096, 1000)]
    assert sum(np.prod(shape) + shape[-1] for shape in KERNELS.values()) == 138_357_544


def test_every_layer_equals_the_formulas(images, arrays, weights):
    expected = numpy_vgg16(images, arrays)
    found = activations(images, weights)
    assert list(found) == list(LAYERS) == [name for name in expected if name != "probabilities"]
    for name, x in found.items():
        assert error(x, expected[name]) < 1e-5, name
    np.testing.assert_allclose(VGG16(images, weights=weights), expected["probabilities"], rtol=1e-4)


def test_codes_and_probabilities_equal_onnx_runtime(images, arrays, weights):
    expected = onnx_vgg16(images, arrays)
    assert error(VGG16(images, True, weights), expected["fc6"]) < 1e-5
    np.testing.assert_allclose(VGG16(images, weights=weights), expected["probabilities"], rtol=1e-4)


def test_the_whole_network_equals_kerass_own(images):
    arrays = random_arrays(KERNELS)
    model = keras.applications.VGG16(weights=None)
    model.set_weights([array for layer in arrays.values() for array in layer])
    own = keras.Model(model.inputs, [layer.output for layer in model.layers])
    expected = dict(zip([layer.name for layer in model.layers], own([images]), strict=True))
    weights = as_tensors(arrays)
    found = activations(images, weights)
    for name, x in found.items():
        if name.startswith("pool"):
            assert x.shape == expected[f"block{name[4]}_pool"].shape
        elif name != "fc8":
            assert error(x, expected[KERAS_NAMES[name]]) < 1e-5, name
    np.testing.assert_array_equal(VGG16(images, True, weights), found["fc6"])
    probabilities = VGG16(images, weights=weights)
    np.testing.assert_allclose(probabilities, expected["predictions"], rtol=1e-4)


def test_bfloat16_is_within_a_few_percent_of_float32(images, arrays, weights):
    half = rounded(weights)
    codes = VGG16(images, True, half)
    assert codes.dtype == tf.bfloat16
    expected = np.asarray(VGG16(images, True, weights))
    assert distance(codes, expected) < 0.03
    assert VGG16(images, False, half).dtype == tf.float32


def test_the_fake_weights_can_tell_right_from_wrong(images, weights):
    """Of the test itself: a flat or one-sided answer would agree with many wrong networks."""
    probabilities = np.asarray(VGG16(images, weights=weights))
    assert np.all(probabilities.max(axis=1) < 0.9)
    assert np.all(probabilities.max(axis=1) > 1.5 / CLASSES)
    assert np.abs(probabilities[0] - probabilities[1]).max() > 1e-3
    assert 0.1 < np.mean(VGG16(images, True, weights) > 0) < 0.9


@pytest.mark.parametrize("after", ["conv1_1", "pool2", "conv4_3", "pool5", "fc6"])
def test_the_walk_can_begin_after_any_layer_and_end_at_any(images, weights, after):
    check_walk(vgg16, images, weights, after)


@pytest.mark.parametrize("shape", [(1, 227, 227, 3), (1, 224, 224, 1), (224, 224, 3)])
def test_pictures_of_another_shape_are_refused(weights, shape):
    with pytest.raises(ValueError, match=r"expected images \[n, 224, 224, 3\], found .*"):
        VGG16(np.zeros(shape, np.float32), weights=weights)


def test_a_graph_holds_no_copy_of_the_weights(images, weights):
    codes = tf.function(lambda x: VGG16(x, feature_extract=True, weights=weights))
    graph = codes.get_concrete_function(tf.TensorSpec([None, 224, 224, 3])).graph
    assert graph.as_graph_def().ByteSize() < 100_000
    assert error(codes(images), VGG16(images, True, weights)) < 1e-5


def test_gradients_reach_every_layer(images, weights):
    variables = {name: tuple(map(tf.Variable, layer)) for name, layer in weights.items()}
    flat = [variable for layer in variables.values() for variable in layer]
    with tf.GradientTape() as tape:
        loss = -tf.math.log(VGG16(images[:1], weights=variables)[0, 7])
    for variable, gradient in zip(flat, tape.gradient(loss, flat), strict=True):
        assert gradient.shape == variable.shape
        assert np.all(np.isfinite(gradient))
        assert np.any(gradient)


# ---- preparing pictures -------------------------------------------------------------------------


def course_square(images, side):
    """What the course on codes did to a picture before the network's own subtraction."""
    height, width = images.shape[1:3]
    short_edge = min(height, width)
    top, left = int((height - short_edge) / 2), int((width - short_edge) / 2)
    square = images[:, top : top + short_edge, left : left + short_edge].astype(np.float64)
    zoom = side / short_edge  # grid_mode: half-pixel centres
    return ndimage.zoom(square, (1, zoom, zoom, 1), order=1, mode="nearest", grid_mode=True)


SIZES = [(32, 32), (40, 31), (224, 224), (300, 501), (600, 100), (1, 1)]


@pytest.mark.parametrize(("height", "width"), SIZES)
@pytest.mark.parametrize(
    ("convention", "resize"), [("caffe", pillow_resize), ("course", course_square)]
)
def test_pictures_are_bgr_minus_the_mean_pixel_and_half_pixel_resized(
    convention, resize, height, width
):
    images = pictures(height, width)
    found = preprocess(images, convention)
    assert found.shape == (2, 224, 224, 3)
    assert found.dtype == tf.float32
    np.testing.assert_allclose(found, resize(images, 224)[..., ::-1] - BGR_MEAN, atol=0.01)


@pytest.mark.parametrize("convention", ["caffe", "course"])
def test_a_picture_of_the_right_size_is_what_keras_makes_of_it(convention):
    images = pictures(224, 224)
    expected = keras.applications.vgg16.preprocess_input(images.astype(np.float32))
    np.testing.assert_allclose(preprocess(images, convention), expected, atol=1e-4)


def test_the_course_sees_the_middle_of_a_picture_alone():
    images = np.zeros((1, 300, 500, 3), np.uint8)
    images[:, :, 100:400] = (200, 100, 50)
    found = preprocess(images, "course")
    np.testing.assert_allclose(found, np.broadcast_to([50, 100, 200] - BGR_MEAN, found.shape), 1e-4)
    assert np.ptp(preprocess(images)) > 100


@pytest.mark.parametrize(
    ("convention", "resize"), [("caffe", pillow_resize), ("course", course_square)]
)
def test_from_the_picture_to_codes_and_probabilities_all_is_as_others_do_it(
    convention, resize, arrays, weights
):
    drawn = np.stack([flower(kind, size=300)[:, :260] for kind in (1, 2)])
    prepared = (resize(drawn, 224)[..., ::-1] - BGR_MEAN).astype(np.float32)
    expected, found = onnx_vgg16(prepared, arrays), preprocess(drawn, convention)
    assert error(VGG16(found, True, weights), expected["fc6"]) < 1e-4
    np.testing.assert_allclose(VGG16(found, weights=weights), expected["probabilities"], rtol=1e-4)


# ---- the weights file ---------------------------------------------------------------------------


def write_npy(path, arrays):
    np.save(path, {name: list(layer) for name, layer in arrays.items()}, allow_pickle=True)


def write_npy_of_python_2(path, arrays):
    """As `numpy.save` of Python 2 wrote it: a header, then a pickle of protocol 2."""
    with path.open("wb") as file:
        header = {"descr": "|O", "fortran_order": False, "shape": ()}
        np.lib.format.write_array_header_1_0(file, header)
        wrapped = np.empty((), object)
        wrapped[()] = {name: list(layer) for name, layer in arrays.items()}
        file.write(python_2_pickle(wrapped))


def write_npy_with_bytes_for_names(path, arrays):
    path.write_bytes(pickle.dumps({name.encode(): list(x) for name, x in arrays.items()}))


def write_caffemodel(version):
    form = version, "4-D" if version == "V1" else "shape", "packed", "<f4"
    return lambda path, arrays: path.write_bytes(caffemodel_bytes(arrays, form))


FORMATS = {
    "npy": ("vgg16.npy", write_npy),
    "npy of Python 2": ("vgg16.npy", write_npy_of_python_2),
    "npy with bytes for names": ("vgg16.npy", write_npy_with_bytes_for_names),
    "Keras": ("vgg16_weights_tf_dim_ordering_tf_kernels.h5", write_h5),
    "first Caffe": ("VGG_ILSVRC_16_layers.caffemodel", write_caffemodel("V1")),
    "later Caffe": ("VGG_ILSVRC_16_layers.caffemodel", write_caffemodel("new")),
}


@pytest.fixture
def small_kernels(monkeypatch, arrays):
    """Lets files of the narrow network pass for the real ones."""
    monkeypatch.setattr(vgg16, "KERNELS", {name: layer[0].shape for name, layer in arrays.items()})


def assert_loaded(found, arrays):
    assert list(found) == list(arrays)
    for name, layer in found.items():
        for tensor, array in zip(layer, arrays[name], strict=True):
            assert tensor.dtype == tf.float32
            np.testing.assert_array_equal(tensor, array)


@pytest.mark.parametrize("written", FORMATS)
@pytest.mark.usefixtures("small_kernels")
def test_every_format_gives_the_same_weights_to_the_bit(tmp_path, arrays, written):
    name, write = FORMATS[written]
    write(tmp_path / name, arrays)
    assert_loaded(load_weights(tmp_path / name), arrays)


@pytest.mark.slow
def test_every_format_at_full_size_gives_the_same_weights_to_the_bit(tmp_path, images):
    arrays = random_arrays(KERNELS)
    for name, write in FORMATS.values():
        write(tmp_path / name, arrays)
        found = load_weights(tmp_path / name)
        (tmp_path / name).unlink()
        assert_loaded(found, arrays)
    expected = onnx_vgg16(images, arrays)
    assert error(VGG16(images, True, found), expected["fc6"]) < 1e-5
    np.testing.assert_allclose(VGG16(images, weights=found), expected["probabilities"], rtol=1e-4)


@pytest.mark.usefixtures("small_kernels")
def test_weights_load_in_the_precision_asked_for(tmp_path, arrays):
    write_npy(tmp_path / "vgg16.npy", arrays)
    found = load_weights(tmp_path / "vgg16.npy", tf.bfloat16)
    for name, (kernel, bias) in arrays.items():
        np.testing.assert_array_equal(found[name][0], tf.cast(kernel, tf.bfloat16))
        np.testing.assert_array_equal(found[name][1], tf.cast(bias, tf.bfloat16))


@pytest.mark.parametrize("network", [alexnet, vgg16])
def test_weights_of_the_other_network_are_one_clear_line(tmp_path, network):
    other = {alexnet: vgg16, vgg16: alexnet}[network]
    few = {name: [np.zeros((1, 1), "f4"), np.zeros(1, "f4")] for name in other.KERNELS}
    write_npy(tmp_path / "other.npy", few)
    with pytest.raises(ValueError, match=r"other\.npy: expected the layers ") as refused:
        network.load_weights(tmp_path / "other.npy")
    message, first = str(refused.value), next(iter(other.KERNELS))
    assert f"found those of another network: '{first}', " in message
    asset = {alexnet: "weights", vgg16: "vgg16"}[network]
    assert f"`python download.py {asset}` gets the right file" in message
    assert message.isprintable()


FIRST_USE = """
import json, pathlib, sys
import numpy as np
import tensorflow as tf

opened = []
sys.addaudithook(lambda event, args: event == "open" and opened.append(str(args[0])))
import vgg16
at_import = [name for name in opened if not name.endswith((".py", ".pyc"))]
rooms = [name for name in sys.modules if name.split(".")[0] == "lab"]
arrays = np.load("vgg16.npy", allow_pickle=True)[()]
vgg16.KERNELS = {name: layer[0].shape for name, layer in arrays.items()}
opened.clear()
codes = tf.function(lambda x: vgg16.VGG16(x, feature_extract=True))
first = codes(np.load("images.npy"))
pathlib.Path("vgg16.npy").unlink()
second = vgg16.VGG16(np.load("images.npy"), True)
np.savez("codes.npz", first=first, second=second)
reads = sum(name.endswith("vgg16.npy") for name in opened)
print(json.dumps({"at_import": at_import, "rooms": rooms, "reads": reads}))
"""


def test_the_default_file_is_read_once_and_not_at_import(tmp_path, arrays, weights, images):
    write_npy(tmp_path / "vgg16.npy", arrays)
    np.save(tmp_path / "images.npy", images)
    environment = os.environ | {"PYTHONPATH": str(PROJECT), "NVIDIA_TF32_OVERRIDE": "0"}
    done = subprocess.run(
        [sys.executable, "-c", FIRST_USE],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert json.loads(done.stdout) == {"at_import": [], "rooms": [], "reads": 1}
    expected = VGG16(images, True, weights)
    with np.load(tmp_path / "codes.npz") as codes:
        assert error(codes["first"], expected) < 1e-5
        assert error(codes["second"], expected) < 1e-5


def test_missing_default_weights_say_where_to_get_them(tmp_path, monkeypatch, images):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FileNotFoundError, match=r"vgg16\.npy .*download\.py vgg16.*--demo"):
        VGG16(images)


# ---- the real file ------------------------------------------------------------------------------


def test_the_real_file_names_the_poodle(lab_file):
    weights = load_weights(lab_file("vgg16.npy"))
    picture = np.asarray(Image.open(lab_file("pictures") / "poodle.png").convert("RGB"))
    probabilities = np.asarray(VGG16(preprocess(picture[None]), weights=weights))[0]
    assert probabilities.argmax() in (265, 266, 267)  # toy, miniature and standard poodle


def test_the_real_file_of_keras_holds_the_same_weights(lab_file):
    keras_file = lab_file("vgg16_weights_tf_dim_ordering_tf_kernels.h5")
    assert_loaded(load_weights(keras_file), load_weights(lab_file("vgg16.npy")))
    with h5py.File(keras_file) as file:
        assert len(file.attrs["layer_names"]) > 16
