"""OpenVINO, the pictures' preparation inside its graph; always on the CPU."""

import time

import numpy as np
import openvino
from openvino import opset13 as op

from benchmarks.contenders import RGB_MEAN, channels_first


def load(weights, images, precision):
    """The faster of two: all cores on one batch, or half of them on each half of it."""
    layers = channels_first(weights)
    return min((_compiled(layers, images, precision, streams) for streams in (1, 2)), key=_seconds)


def _compiled(layers, images, precision, streams):
    parts = np.split(images, streams)
    settings = {"INFERENCE_PRECISION_HINT": precision, "NUM_STREAMS": str(streams)}
    network = openvino.compile_model(alexnet(layers, parts[0].shape), "CPU", settings)
    requests = [network.create_infer_request() for _ in parts]

    def run():
        for request, part in zip(requests, parts, strict=True):
            request.start_async([part], share_inputs=True)
        for request in requests:
            request.wait()
        return np.concatenate([request.get_output_tensor().data for request in requests])

    return run


def _seconds(run):
    run()
    begin = time.perf_counter()
    for _ in range(3):
        run()
    return time.perf_counter() - begin


def alexnet(weights, shape):
    def conv(x, name, stride, pad, groups):
        kernel, bias = weights[name]
        options = [stride] * 2, [pad] * 2, [pad] * 2, [1, 1]
        if groups == 1:
            x = op.convolution(x, op.constant(kernel), *options)
        else:
            kernel = kernel.reshape(groups, -1, *kernel.shape[1:])
            x = op.group_convolution(x, op.constant(kernel), *options)
        return op.relu(op.add(x, op.constant(bias.reshape(1, -1, 1, 1))))

    def dense(x, name):
        kernel, bias = map(op.constant, weights[name])
        return op.relu(op.add(op.matmul(x, kernel, False, False), bias))

    def pool(x):
        return op.max_pool(x, [2, 2], [1, 1], [0, 0], [0, 0], [3, 3]).output(0)

    def lrn(x):
        return op.lrn(x, op.constant([1]), alpha=1e-4, beta=0.75, bias=1.0, size=5)

    images = op.parameter(shape, np.uint8)
    x = op.subtract(op.convert(images, np.float32), op.constant(np.float32(RGB_MEAN)))
    x = op.interpolate(
        op.transpose(x, op.constant([0, 3, 1, 2])), op.constant([227, 227]), "linear_onnx", "sizes",
        coordinate_transformation_mode="half_pixel", axes=op.constant([2, 3]),
    )  # fmt: skip
    x = pool(lrn(conv(x, "conv1", 4, 0, 1)))
    x = pool(lrn(conv(x, "conv2", 1, 2, 2)))
    x = conv(x, "conv3", 1, 1, 1)
    x = conv(x, "conv4", 1, 1, 2)
    x = pool(conv(x, "conv5", 1, 1, 2))
    x = op.reshape(x, op.constant([shape[0], 9216]), False)
    return openvino.Model([dense(dense(x, "fc6"), "fc7")], [images])
