"""Ways from pictures of VGG16's own size to its codes, fc6: a function for each library.

Each takes layer -> (kernel, bias), the pictures, uint8 RGB [n, 224, 224, 3], and the precision, and
returns a function without arguments that gives their codes, [n, 4096].
"""

import functools
import itertools

import numpy as np

RGB_MEAN = np.float32([123.68, 116.779, 103.939])
# Layers, and a pool after each group of convolutions.
BLOCKS = [
    ["conv1_1", "conv1_2"],
    ["conv2_1", "conv2_2"],
    ["conv3_1", "conv3_2", "conv3_3"],
    ["conv4_1", "conv4_2", "conv4_3"],
    ["conv5_1", "conv5_2", "conv5_3"],
]
CHUNKS = 100_000  # more than any run asks for


def lab(layers, images, precision):
    """This lab, its batches and threads."""
    from lab.features import extraction
    from lab.networks import VGG16

    how = extraction.Frozen(VGG16, layers, VGG16.layer, "caffe", VGG16.precision(precision))
    chunks = itertools.repeat(slice(0, len(images)), CHUNKS)
    return functools.partial(next, extraction.computed(images, how, [*chunks]))


def keras(layers, images, precision):
    """Keras's own VGG16 up to fc1, compiled as `predict` compiles it."""
    import keras

    keras.config.set_dtype_policy("float32" if precision == "float32" else "mixed_bfloat16")
    network = keras.applications.VGG16(weights=None)
    network.set_weights([np.asarray(array) for layer in layers.values() for array in layer])
    codes = keras.Model(network.inputs, network.get_layer("fc1").output)
    prepare = keras.applications.vgg16.preprocess_input
    return lambda: codes.predict_on_batch(prepare(images.astype(np.float32)))


def pytorch(layers, images, precision):
    """PyTorch, compiled by TorchInductor, weights frozen, channels last."""
    import torch
    from torch import nn

    weights, modules = channels_first(layers), []
    for block in BLOCKS:
        for name in block:
            modules += [_filled(nn.Conv2d(1, 1, 3, padding=1), *weights[name]), nn.ReLU()]
        modules.append(nn.MaxPool2d(2))
    kernel, bias = weights["fc6"]
    modules += [nn.Flatten(), _filled(nn.Linear(1, 1), kernel.T, bias), nn.ReLU()]
    device, dtype = "cuda" if torch.cuda.is_available() else "cpu", getattr(torch, precision)
    network = nn.Sequential(*modules).eval()
    network = network.to(device, dtype, memory_format=torch.channels_last)
    mean = torch.tensor(RGB_MEAN, device=device)
    torch._inductor.config.freezing = True  # weights do not change: lay them out once

    @torch.compile(dynamic=False)
    def codes(pictures):
        return network((pictures.float() - mean).permute(0, 3, 1, 2).to(dtype)).float()

    def run():
        with torch.no_grad():  # freezing asks for it
            return codes(torch.from_numpy(images).to(device)).cpu().numpy()

    return run


def _filled(module, kernel, bias):
    """A layer of PyTorch with these weights, whatever size it was made with."""
    import torch
    from torch import nn

    module.weight, module.bias = (
        nn.Parameter(torch.tensor(np.ascontiguousarray(array)), requires_grad=False)
        for array in (kernel, bias)
    )
    return module


def openvino(layers, images, precision):
    """OpenVINO on what `deploy.export` writes for ONNX Runtime; always on the CPU."""
    import openvino

    from deploy.export import onnx_graph
    from lab.networks import VGG16

    graph = onnx_graph.features(VGG16, layers, images.shape[1:3]).SerializeToString()
    settings = {"INFERENCE_PRECISION_HINT": {"float32": "f32", "bfloat16": "bf16"}[precision]}
    model = openvino.Core().read_model(graph)
    model.reshape(images.shape)
    network = openvino.compile_model(model, "CPU", settings)
    return lambda: network([images], share_inputs=True)[0]


def channels_first(layers):
    """The weights as all but TensorFlow want them: layer -> (kernel, bias), arrays.

    Convolutions are [out, in, 3, 3], the first of them for red, green, blue; the rows of fc6 are in
    channel-height-width order.
    """
    arrays = {name: tuple(map(np.asarray, layer)) for name, layer in layers.items()}
    first, bias = arrays["conv1_1"]
    arrays["conv1_1"] = first[:, :, ::-1], bias
    kernel, bias = arrays["fc6"]
    arrays["fc6"] = kernel.reshape(7, 7, 512, -1).transpose(2, 0, 1, 3).reshape(25088, -1), bias
    return {
        name: (kernel.transpose(3, 2, 0, 1) if kernel.ndim == 4 else kernel, bias)
        for name, (kernel, bias) in arrays.items()
    }
