"""A network, or a whole run, as a graph of ONNX: written layer by layer from the network's table.

Converters drop alexnet.py's normalisation, which is compiled, so nothing is converted here: each
kind of layer is said in ONNX's own words. Runtimes get a second account of the network by that, and
the tests compare the two.
"""

import itertools
import json

import numpy as np
import onnx
from onnx import TensorProto, checker, helper, numpy_helper

from alexnet import CONV1_PADDING, CONV1_STRIDE
from lab.runs.strangeness import FINEST
from lab.training import heads

OPSET, IR = 18, 8  # of 2022: the first with a resize that averages
BORDER = {"VALID": 0, "SAME": 4}  # pixels of zeros on each side before AlexNet's first layer
POOL = {"alexnet": 3, "vgg16": 2}  # pixels a side of what a pool takes the largest of, every second
NARROWEST = 7  # a wider map is pooled before it serves as features


class Graph:
    """A graph in the making. Maps are [n, channels, height, width], as ONNX has them."""

    def __init__(self):
        self.nodes, self.constants = [], []
        self._names = map("x{}".format, itertools.count())

    def constant(self, array):
        """The name of a constant of these numbers."""
        array = np.ascontiguousarray(array)
        self.constants.append(numpy_helper.from_array(array, next(self._names)))
        return self.constants[-1].name

    def number(self, value):
        return self.constant(np.float32(value))

    def add(self, kind, *inputs, name=None, **options):
        """The name of what an operation of this kind puts out."""
        self.nodes.append(helper.make_node(kind, inputs, [name or next(self._names)], **options))
        return self.nodes[-1].output[0]

    def flat(self, x):
        """A map as a row of numbers, channels last, as TensorFlow reads it."""
        return self.add("Flatten", self.add("Transpose", x, perm=[0, 2, 3, 1]))

    def model(self, name, inputs, outputs, metadata=None):
        """The ModelProto, checked. inputs, outputs: name -> (type, shape)."""
        declared = [
            [helper.make_tensor_value_info(name, *kind) for name, kind in values.items()]
            for values in (inputs, outputs)
        ]
        graph = helper.make_graph(self.nodes, name, *declared, self.constants)
        opset = helper.make_opsetid("", OPSET)
        model = helper.make_model(graph, opset_imports=[opset], ir_version=IR)
        helper.set_model_props(model, metadata or {})
        checker.check_model(model)
        return model


# ---- whole graphs --------------------------------------------------------------------------------


def classifier(run):
    """The ModelProto of a run, of alexnet or vgg16: uint8 RGB [n, height, width, 3] of any size.

    Puts out probabilities [n, classes] and, where the run knows it, strangeness [n]; the names are
    JSON in its metadata.
    """
    graph = Graph()
    x = _prepared(graph, "images", run.network, run.convention)
    x = _features(graph, x, run.network, run.needed_weights, run.layer, run.convention)
    outputs = {"probabilities": (TensorProto.FLOAT, ["n", len(run.names)])}
    scores = graph.add("Div", _scores(graph, x, run.head), graph.number(run.record.temperature))
    graph.add("Softmax", scores, axis=1, name="probabilities")
    if run.usual:
        _strangeness(graph, x, run.usual)
        outputs["strangeness"] = (TensorProto.FLOAT, ["n"])
    images = {"images": (TensorProto.UINT8, ["n", "height", "width", 3])}
    return graph.model(run.network.name, images, outputs, {"names": json.dumps(run.names)})


def save(run, path):
    """Write `classifier` of the run."""
    onnx.save(classifier(run), path)


def features(network, weights, size, convention="caffe"):
    """The ModelProto from pictures, uint8 RGB [n, *size, 3], to the network's own features.

    size: height and width, none larger than the network's input, so that nothing need be averaged.
    """
    graph, layer = Graph(), network.layer
    x = _prepared(graph, "images", network, convention, antialias=False)
    x = _features(graph, x, network, weights, layer, convention)
    graph.add("Identity", x, name="features")
    images = {"images": (TensorProto.UINT8, ["n", *size, 3])}
    outputs = {"features": (TensorProto.FLOAT, ["n", network.layers[layer]])}
    return graph.model(network.name, images, outputs)


def layers(network, weights, names, convention="caffe"):
    """The ModelProto from prepared pictures, float32 [n, side, side, 3], to these dense layers."""
    graph, side = Graph(), network.module.INPUT_SIZE
    x = graph.add("Transpose", "images", perm=[0, 3, 1, 2])
    outputs = {}
    for name, layer in _walk(graph, x, network, weights, convention, names[-1]):
        if name in names:
            graph.add("Identity", layer, name=name)
            outputs[name] = (TensorProto.FLOAT, ["n", len(weights[name][1])])
    images = {"images": (TensorProto.FLOAT, ["n", side, side, 3])}
    return graph.model(network.name, images, outputs)


# ---- pictures ------------------------------------------------------------------------------------


def _prepared(graph, images, network, convention, antialias=True):
    """As `preprocess` of the network, but that red comes first: see `_red_first`."""
    x = graph.add("Cast", images, to=TensorProto.FLOAT)
    x = graph.add("Transpose", x, perm=[0, 3, 1, 2])
    if convention == "caffe":
        x = graph.add("Sub", x, _mean_colour(graph, network))
        return _resized(graph, x, network, "half_pixel", antialias)
    if network.name == "alexnet":
        mean = graph.add("ReduceMean", x, graph.constant(np.int64([1, 2, 3])), keepdims=1)
        return graph.add("Sub", _resized(graph, x, network, "asymmetric"), mean)
    x = _resized(graph, _centred_square(graph, x), network, "half_pixel")
    return graph.add("Sub", x, _mean_colour(graph, network))


def _mean_colour(graph, network):
    return graph.constant(np.float32(network.module.BGR_MEAN[::-1]).reshape(3, 1, 1))


def _resized(graph, x, network, places, antialias=False):
    # Beyond the edge there is nothing to average: without `exclude_outside` ONNX Runtime counts the
    # last pixel again and again, and is up to 19 grey levels off.
    averaging = {"antialias": 1, "exclude_outside": 1} if antialias else {}
    sizes = graph.constant(np.int64([network.module.INPUT_SIZE] * 2))
    return graph.add(
        "Resize", x, "", "", sizes, axes=[2, 3], mode="linear",
        coordinate_transformation_mode=places, **averaging,
    )  # fmt: skip


def _centred_square(graph, x):
    """The middle of pictures, as wide as they are high."""
    size = graph.add("Shape", x, start=2, end=4)
    side = graph.add("ReduceMin", size, keepdims=1)
    start = graph.add("Div", graph.add("Sub", size, side), graph.constant(np.int64(2)))
    end, axes = graph.add("Add", start, side), graph.constant(np.int64([2, 3]))
    return graph.add("Slice", x, start, end, axes)


# ---- the network ---------------------------------------------------------------------------------


def _red_first(network, weights, convention):
    """The weights for pictures with red first: it is the first kernel that is turned round."""
    kernel, bias = map(np.asarray, weights[network.first])
    turned = kernel if convention in network.rgb else kernel[:, :, ::-1]
    return {**weights, network.first: (turned, bias)}


def _features(graph, x, network, weights, layer, convention):
    """As `Network.features` of pictures with red first: [n, width]."""
    weights = _red_first(network, weights, convention)
    *_, (_, x) = _walk(graph, x, network, weights, convention, layer)
    shape = network.shape(layer, weights, convention)
    if len(shape) == 1:
        return x
    side, pool = shape[0], POOL[network.name]
    while side > NARROWEST:
        x, side = _max_pool(graph, x, pool), (side - pool) // 2 + 1
    return graph.flat(x)


def _walk(graph, x, network, weights, convention, upto):
    """Layer by layer its name and what it puts out: maps, then rows."""
    channels, is_map = 3, True
    for name, function in network.module.LAYERS.items():
        kind = function.__name__
        if kind in ("conv_relu", "conv1_relu"):
            kernel, bias = map(np.asarray, weights[name])
            stride, border = 1, (len(kernel) - 1) // 2
            if kind == "conv1_relu":
                stride, border = CONV1_STRIDE, BORDER[CONV1_PADDING[convention]]
            x = _conv(graph, x, kernel, bias, channels // kernel.shape[2], stride, border)
            channels = kernel.shape[-1]
        elif kind in ("dense_relu", "dense"):
            x, is_map = (graph.flat(x) if is_map else x), False
            x = graph.add("Gemm", x, *map(graph.constant, map(np.asarray, weights[name])))
        elif kind == "max_pool":
            x = _max_pool(graph, x, POOL[network.name])
        else:
            # ONNX divides alpha by the size, as Caffe does.
            x = graph.add("LRN", x, size=5, alpha=1e-4, beta=0.75, bias=1.0)
        if kind.endswith("relu"):
            x = graph.add("Relu", x)
        yield name, x
        if name == upto:
            return


def _conv(graph, x, kernel, bias, groups, stride, border):
    constants = map(graph.constant, (kernel.transpose(3, 2, 0, 1), bias))
    return graph.add("Conv", x, *constants, group=groups, strides=[stride] * 2, pads=[border] * 4)


def _max_pool(graph, x, size):
    return graph.add("MaxPool", x, kernel_shape=[size] * 2, strides=[2, 2])


# ---- what the run makes of its features ----------------------------------------------------------


def _scores(graph, x, head):
    epsilon, dense = heads.parts(head)
    if epsilon is not None:
        ones = graph.constant(np.ones(head.input_shape[-1], np.float32))
        x = graph.add("LayerNormalization", x, ones, axis=1, epsilon=epsilon)
    *hidden, last = dense
    for layer in hidden:
        x = graph.add("Relu", graph.add("Gemm", x, *map(graph.constant, layer)))
    return graph.add("Gemm", x, *map(graph.constant, last))


def _strangeness(graph, x, usual):
    """As lab/runs/strangeness.py has it in NumPy: [n]."""
    add, number = graph.add, graph.number

    def squares(x, axis=1):
        return add("ReduceSumSquare", x, graph.constant(np.int64([axis])), keepdims=0)

    lengths = add("ReduceL2", x, graph.constant(np.int64([1])), keepdims=1)
    x = add("Div", x, add("Max", lengths, number(FINEST)))
    centred = add("Sub", x, graph.constant(usual.mean))
    along = add("MatMul", centred, graph.constant(usual.directions))
    places = add("MatMul", along, graph.constant(usual.axes))
    centres = usual.centres
    crossed = add("MatMul", places, graph.constant(-2 * centres.T))
    from_centres = add("Add", crossed, graph.constant(np.square(centres).sum(1)))
    nearest = add("ReduceMin", from_centres, graph.constant(np.int64([1])), keepdims=0)
    nearest = add("Add", nearest, squares(places))
    scaled = add("Div", places, graph.constant(np.sqrt(usual.variances)))
    distance = add("Sub", nearest, squares(scaled))
    residual = add("Sub", squares(centred), squares(along))
    one = graph.constant(np.int64([1]))
    measures = add("Concat", *(add("Unsqueeze", m, one) for m in (distance, residual)), axis=1)
    above = add("Sub", measures, graph.constant(usual.usual))
    above = add("Div", above, graph.constant(usual.unit))
    return add("ReduceL2", add("Relu", above), one, keepdims=0, name="strangeness")
