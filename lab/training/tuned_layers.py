"""The file of the layers that a training changed, read so that damage is found."""

import numpy as np

from lab.files import replace
from lab.formats import npz
from lab.formats.weights import checked

FILE = "layers.npz"
LARGEST = 2**31  # bytes; all of VGG16 but its last layer are 540 million
PARTS = ("kernel", "bias")
AGAIN = "train again with `python train_finetuning.py`"


def write(folder, layers):
    """Write layer -> (kernel, bias) into a run folder, whole or not at all."""
    arrays = {
        f"{name}.{part}": array
        for name, layer in layers.items()
        for part, array in zip(PARTS, layer, strict=True)
    }
    replace(folder / FILE, lambda file: np.savez(file, **arrays))


def read(folder, kernels):
    """Layer -> (kernel, bias), float32, those of `kernels` (layer -> shape) that were written.

    Raises FileNotFoundError, or ValueError (one line) when they are damaged or of another network.
    """
    path = folder / FILE
    if not path.is_file():
        raise FileNotFoundError(f"{path} is not there; {AGAIN}")
    arrays = npz.load(path, LARGEST, AGAIN)
    names = [name for name in kernels if any(f"{name}.{part}" in arrays for part in PARTS)]
    if len(arrays) != len(PARTS) * len(names):
        found = ascii(", ".join(arrays))[:200]
        raise ValueError(f"{path}: expected a kernel and a bias of layers, found {found}; {AGAIN}")
    try:
        return {
            name: checked(name, [arrays[f"{name}.{part}"] for part in PARTS], kernels[name])
            for name in names
        }
    except (KeyError, ValueError) as error:
        raise ValueError(f"{path}: {error}; {AGAIN}") from None
