"""The file of the layers that a training changed, read so that damage is found."""

import numpy as np

from lab.files import replace
from lab.formats import npz
from lab.formats.weights import checked

FILE = "layers.npz"
LARGEST = 2**31  # bytes; all of VGG16 but its last layer are 540 million
AGAIN = "train again with `python train_finetuning.py`"


def write(path, layers):
    """Write layer -> (kernel, bias), whole or not at all."""
    arrays = {
        f"{name}.{i}": array for name, layer in layers.items() for i, array in enumerate(layer)
    }
    replace(path, lambda file: np.savez(file, **arrays))


def read(path, kernels):
    """Layer -> (kernel, bias), float32, those of `kernels` (layer -> shape) that are in the file.

    Raises FileNotFoundError, or ValueError (one line) when it is damaged or of another network.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path} is not there; {AGAIN}")
    layers = {}
    for key, array in npz.load(path, LARGEST, AGAIN).items():
        layers.setdefault(key.rpartition(".")[0], []).append(array)
    unknown = [name for name in layers if name not in kernels]
    if unknown or not layers:
        found = ascii(unknown[0])[:40] if unknown else "none"
        raise ValueError(f"{path}: expected layers of {', '.join(kernels)}, found {found}; {AGAIN}")
    try:
        return {name: checked(name, layers[name], kernels[name]) for name in layers}
    except ValueError as error:
        raise ValueError(f"{path}: {error}; {AGAIN}") from None
