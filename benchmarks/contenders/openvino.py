"""OpenVINO on what `deploy.export` writes for ONNX Runtime; always on the CPU."""

import time

import numpy as np
import openvino

from alexnet import load_weights
from deploy.export import onnx_graph
from lab.networks import ALEXNET


def load(weights, images, precision):
    """The faster of two: all cores on one batch, or half of them on each half of it."""
    graph = onnx_graph.features(ALEXNET, load_weights(weights), images.shape[1:3])
    content = graph.SerializeToString()
    return min((_compiled(content, images, precision, streams) for streams in (1, 2)), key=_seconds)


def _compiled(graph, images, precision, streams):
    parts = np.split(images, streams)
    settings = {"INFERENCE_PRECISION_HINT": precision, "NUM_STREAMS": str(streams)}
    model = openvino.Core().read_model(graph)
    model.reshape(parts[0].shape)
    network = openvino.compile_model(model, "CPU", settings)
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
