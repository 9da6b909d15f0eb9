"""Reading the weights of a network from a file that may be damaged, foreign or malicious."""

import hashlib
from pathlib import Path

import numpy as np

from lab.formats import caffemodel, pickles

REMEDY = "`python download.py weights` gets the right file, --demo needs none"


def read(path, kernels):
    """Layer -> (kernel, bias), float32 arrays, for every layer of `kernels`: layer -> kernel shape.

    path: a pickled dict of layer -> [kernel, bias] in an .npy file, or an original .caffemodel.
        Nothing in a file is run.
    Raises FileNotFoundError or ValueError: path, expected, found, what to do.
    """
    path = Path(path)
    if path.is_dir():
        raise ValueError(f"{path}: expected a weights file, found a folder; {REMEDY}")
    if not path.exists():
        raise FileNotFoundError(f"{path} is not there; {REMEDY}")
    layers = (caffemodel if path.suffix == ".caffemodel" else pickles).load(path)
    expected = f"{path}: expected the layers {', '.join(kernels)}"
    if not isinstance(layers, dict):
        raise ValueError(f"{expected}, found {type(layers).__name__}; {REMEDY}")
    if layers.keys() != kernels.keys():
        missing = ", ".join(name for name in kernels if name not in layers) or "none"
        raise ValueError(f"{expected}, found {len(layers)}, missing: {missing}; {REMEDY}")
    return {name: _checked(path, name, layers[name], shape) for name, shape in kernels.items()}


def digest(weights):
    """Names these weights, whatever file they came from: sha256 of their float32 values.

    weights: layer -> (kernel, bias), arrays or tensors.
    """
    values = hashlib.sha256()
    for name in sorted(weights):
        for tensor in weights[name]:
            values.update(np.ascontiguousarray(tensor))
    return values.hexdigest()


def _checked(path, name, layer, shape):
    """Kernel and bias as float32, if they are finite floats of the expected shapes."""
    expected = f"{path}: {name}: expected a kernel {shape} and a bias {shape[-1:]} of finite floats"
    arrays = list(layer) if isinstance(layer, list | tuple) else [layer]
    floats = all(isinstance(array, np.ndarray) and array.dtype.kind == "f" for array in arrays)
    if not floats or [array.shape for array in arrays] != [shape, shape[-1:]]:
        found = " and ".join(map(_described, arrays)) or "nothing"
        raise ValueError(f"{expected}, found {found}; {REMEDY}")
    with np.errstate(over="ignore"):  # what is too large for float32 becomes infinity
        arrays = [array.astype(np.float32, copy=False) for array in arrays]
    if not all(np.isfinite(array).all() for array in arrays):
        raise ValueError(f"{expected}, found NaN or infinity; {REMEDY}")
    return tuple(arrays)


def _described(value):
    if isinstance(value, np.ndarray):
        return f"{value.dtype} {value.shape}"
    return type(value).__name__
