"""ONNX Runtime, the pictures' preparation inside its graph; on a GPU where its build has one."""

import itertools

import numpy as np
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from benchmarks.contenders import RGB_MEAN, channels_first


def load(weights, images):
    wanted = ["CUDAExecutionProvider", "CPUExecutionProvider"]
    providers = [name for name in wanted if name in onnxruntime.get_available_providers()]
    session = onnxruntime.InferenceSession(
        alexnet(channels_first(weights)).SerializeToString(), providers=providers
    )
    return lambda: session.run(None, {"images": images})[0]


def alexnet(weights):
    nodes, constants, names = [], [], map("x{}".format, itertools.count())

    def constant(array):
        constants.append(numpy_helper.from_array(np.ascontiguousarray(array), next(names)))
        return constants[-1].name

    def add(kind, *inputs, **options):
        nodes.append(helper.make_node(kind, inputs, [next(names)], **options))
        return nodes[-1].output[0]

    def conv(x, name, **options):
        return add("Relu", add("Conv", x, *map(constant, weights[name]), **options))

    def dense(x, name):
        return add("Relu", add("Gemm", x, *map(constant, weights[name])))

    def pool(x):
        return add("MaxPool", x, kernel_shape=[3, 3], strides=[2, 2])

    def lrn(x):
        return add("LRN", x, size=5, alpha=1e-4, beta=0.75, bias=1.0)

    x = add("Cast", "images", to=TensorProto.FLOAT)
    x = add("Transpose", add("Sub", x, constant(np.float32(RGB_MEAN))), perm=[0, 3, 1, 2])
    scales = constant(np.float32([1, 1, 227 / 32, 227 / 32]))
    x = add("Resize", x, "", scales, mode="linear", coordinate_transformation_mode="half_pixel")
    x = pool(lrn(conv(x, "conv1", strides=[4, 4])))
    x = pool(lrn(conv(x, "conv2", pads=[2] * 4, group=2)))
    x = conv(x, "conv3", pads=[1] * 4)
    x = conv(x, "conv4", pads=[1] * 4, group=2)
    x = pool(conv(x, "conv5", pads=[1] * 4, group=2))
    x = dense(dense(add("Flatten", x), "fc6"), "fc7")
    graph = helper.make_graph(
        nodes,
        "alexnet",
        [helper.make_tensor_value_info("images", TensorProto.UINT8, ["n", 32, 32, 3])],
        [helper.make_tensor_value_info(x, TensorProto.FLOAT, ["n", 4096])],
        constants,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
