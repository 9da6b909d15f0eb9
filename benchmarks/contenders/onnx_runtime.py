"""ONNX Runtime on what `deploy.export` writes; on a GPU where its build has one."""

import onnxruntime

from alexnet import load_weights
from deploy.export import onnx_graph
from lab.networks import ALEXNET


def load(weights, images):
    wanted = ["CUDAExecutionProvider", "CPUExecutionProvider"]
    providers = [name for name in wanted if name in onnxruntime.get_available_providers()]
    graph = onnx_graph.features(ALEXNET, load_weights(weights), images.shape[1:3])
    session = onnxruntime.InferenceSession(graph.SerializeToString(), providers=providers)
    return lambda: session.run(None, {"images": images})[0]
