"""Ways to compute the same fc7 from the same pictures and weights, one file for each library.

Each file has `load(weights, images, **options)`, which returns a function without arguments; every
call of it takes the pictures, uint8 RGB [n, 32, 32, 3], all the way to their fc7, [n, 4096].
`weights` is a path. All but the lab itself, which cuts up pictures as it likes, push the n pictures
through in one batch.
"""

from importlib import import_module

from lab.formats import pickles

# Name -> the file, and the options of its `load`.
CONTENDERS = {
    "lab-auto": ("this_lab", {"precision": "auto"}),
    "lab-float32": ("this_lab", {"precision": "float32"}),
    "lab-bfloat16": ("this_lab", {"precision": "bfloat16"}),
    "course": ("course", {}),
    "pytorch-float32": ("pytorch", {"precision": "float32"}),
    "pytorch-bfloat16": ("pytorch", {"precision": "bfloat16"}),
    "onnxruntime": ("onnx_runtime", {}),
    "openvino-float32": ("openvino", {"precision": "f32"}),
    "openvino-bfloat16": ("openvino", {"precision": "bf16"}),
}

# Name -> the function in codes.py, and the precision.
CODES = {
    f"codes {library} {short}": (library, precision)
    for library in ("lab", "keras", "pytorch", "openvino")
    for short, precision in (("f32", "float32"), ("bf16", "bfloat16"))
}

# Ways through a folder of pictures -> the file and the function that make one, of the path to the
# weights, the paths of the pictures, and the precision. The parts have no features to show.
WAYS = {
    "lab": ("this_lab", "folder"),
    "decoding": ("this_lab", "decoding"),
    "network": ("this_lab", "network"),
    "DataLoader": ("torchvision", "folder"),
}
PARTS = {"decoding", "network"}

# Who trains all of the network -> the file, and the options of its `step`, which takes also labels
# [n], of CLASSES, and returns a function that takes a step on these pictures.
STEPS = {
    "lab-float32": ("this_lab", {"precision": "float32"}),
    "lab-bfloat16": ("this_lab", {"precision": "bfloat16"}),
    "course": ("course", {}),
    "pytorch-float32": ("pytorch", {"precision": "float32"}),
    "pytorch-bfloat16": ("pytorch", {"precision": "bfloat16"}),
}
CLASSES = 43

RGB_MEAN = (122.67891434, 116.66876762, 104.00698793)


def load(name, weights, images):
    """The contender `name`, ready to run. ModuleNotFoundError when its library is missing."""
    file, options = CONTENDERS[name]
    return import_module(f"benchmarks.contenders.{file}").load(weights, images, **options)


def load_step(name, weights, images, labels):
    """A step of the contender `name`, ready. ModuleNotFoundError when its library is missing."""
    file, options = STEPS[name]
    module = import_module(f"benchmarks.contenders.{file}")
    return module.step(weights, images, labels, **options)


def load_way(name, weights, paths, precision):
    """The way `name`, ready to run. ModuleNotFoundError when its library is missing."""
    file, function = WAYS[name]
    module = import_module(f"benchmarks.contenders.{file}")
    return getattr(module, function)(weights, paths, precision)


def channels_first(path):
    """The weights as all but TensorFlow want them: layer -> (kernel, bias).

    Convolutions are [out, in, height, width], the first of them for red, green, blue; dense layers
    [in, out], the rows of fc6 in channel-height-width order.
    """
    layers = {}
    for name, (kernel, bias) in pickles.load(path).items():
        if name == "conv1":
            kernel = kernel[:, :, ::-1]
        if name == "fc6":
            kernel = kernel.reshape(6, 6, 256, -1).transpose(2, 0, 1, 3).reshape(9216, -1)
        layers[name] = (kernel.transpose(3, 2, 0, 1) if kernel.ndim == 4 else kernel), bias
    return layers
