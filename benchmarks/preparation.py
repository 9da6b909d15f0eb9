"""What every measurement needs first: the files, the features to agree with, the machine's name."""

import math
import os
import pickle
from importlib import metadata
from pathlib import Path

import numpy as np
import tensorflow as tf

import alexnet
from benchmarks import jpegs
from lab import device
from lab.data import images, sources
from lab.demo import signs, stand_ins
from lab.networks import ALEXNET, VGG16

LIBRARIES = ["tensorflow", "keras", "numpy", "torch", "torchvision", "onnxruntime", "openvino"]
# Kind of processor -> what Linux calls the unit that makes it one, best first.
UNITS = {"AMX": "amx_bf16", "AVX512-BF16": "avx512_bf16", "AVX2": "avx2"}
CHECKED = 32  # pictures whose features are compared


def prepare(folder, weights, data, pictures, folders):
    """A dict: paths, what stands in for missing files, the machine.

    folder: gets `images.npy` and `labels.npy`; `caffe.npy` and `course.npy`, fc7 of the first
        pictures, computed by alexnet.py line by line in float32; two photographs; the stand-ins.
    folders: name -> size (width, height) and number of JPEGs; made in there, with `caffe.npy` each.
    """
    device.prepare()
    real = {"weights": weights.exists(), "data": data.exists()}
    layers = alexnet.load_weights(weights) if real["weights"] else stand_ins.weights(ALEXNET)
    if not real["weights"] or weights.suffix == ".caffemodel":
        weights = folder / "weights.npy"
        arrays = {name: [tensor.numpy() for tensor in layer] for name, layer in layers.items()}
        np.save(weights, arrays, allow_pickle=True)
    data = data if real["data"] else _drawn(folder, pictures)
    everything = sources.load(data)
    if not isinstance(everything.images, np.ndarray):
        raise ValueError(f"{data}: expected pictures of one size, as in train.p, found a folder")
    rows = np.linspace(0, len(everything) - 1, min(pictures, len(everything))).astype(int)
    chosen = everything.take(rows)
    np.save(folder / "images.npy", chosen.images)
    np.save(folder / "labels.npy", chosen.labels)
    _save_references(folder, chosen.images[:CHECKED], layers)
    for name, (size, count) in folders.items():
        jpegs.make(folder / name, size, count)
        _save_reference(folder / name, layers)
    return {
        "weights": str(weights),
        "data": str(data),
        "real": real,
        "pictures": len(chosen),
        "photographs": _photographs(folder),
        "precision": device.precision().name,
        "multiply_adds": {
            "VALID": multiply_adds(ALEXNET, "caffe"),
            "SAME": multiply_adds(ALEXNET, "course"),
            "codes": multiply_adds(VGG16, "caffe"),
        },
        "machine": {
            "device": device.name(),
            "cores": os.cpu_count(),
            "processor": device.processor(),
            "kind": _kind(),
        },
        "versions": {name: _version(name) for name in LIBRARIES},
    }


def multiply_adds(network, convention):
    """Of one picture on its way to its features: each kernel, once for every pixel it puts out."""
    kernels, side = network.module.KERNELS, network.module.INPUT_SIZE
    shapes = {
        name: (tf.TensorSpec(shape), tf.TensorSpec(shape[-1:])) for name, shape in kernels.items()
    }
    walk = tf.function(lambda x, weights: network.activations(x, weights, convention))
    layers = walk.get_concrete_function(tf.TensorSpec([1, side, side, 3]), shapes)
    needed = network.kernels(network.layer)
    return sum(
        math.prod(kernels[name]) * math.prod(output.shape[1:-1])
        for name, output in layers.structured_outputs.items()
        if name in needed
    )


def _drawn(folder, pictures):
    """A `train.p` of drawn signs, 20 of each class, again and again."""
    drawn = signs.draw(860)
    rows = np.resize(np.random.default_rng(0).permutation(len(drawn)), pictures)
    content = {"features": drawn.images[rows], "labels": drawn.labels[rows]}
    (folder / "train.p").write_bytes(pickle.dumps(content))
    return folder / "train.p"


def _save_references(folder, pictures, layers):
    caffe = alexnet.AlexNet(alexnet.preprocess(pictures), True, layers)
    # As the course trained: the pixels as they are, but for the resize of TensorFlow 1.
    resized = tf.raw_ops.ResizeBilinear(images=tf.cast(pictures, tf.float32), size=(227, 227))
    np.save(folder / "caffe.npy", caffe)
    np.save(folder / "course.npy", alexnet.AlexNet(resized, True, layers, "SAME"))


def _save_reference(folder, layers):
    paths = sorted(folder.glob("*.jpg"))[:CHECKED]
    prepared = [alexnet.preprocess(images.read(path)[np.newaxis]) for path in paths]
    np.save(folder / "caffe.npy", alexnet.AlexNet(tf.concat(prepared, axis=0), True, layers))


def _photographs(folder):
    paths = []
    for name, pixels in stand_ins.photographs().items():
        paths.append(str(folder / f"{name}.png"))
        tf.io.write_file(paths[-1], tf.io.encode_png(pixels))
    return paths


def _kind():
    """What multiplies here, at best: a key of UNITS, or None on a graphics card and elsewhere."""
    listing = Path("/proc/cpuinfo")
    if device.name() != "CPU" or not listing.exists():
        return None
    found = set(listing.read_text(encoding="utf-8").split())
    return next((kind for kind, unit in UNITS.items() if unit in found), None)


def _version(library):
    try:
        return metadata.version(library)
    except metadata.PackageNotFoundError:
        return None
