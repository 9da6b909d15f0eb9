"""Reading the weights of a network from a file that may be damaged, foreign or malicious."""

import hashlib
from pathlib import Path

import numpy as np

from lab.formats import caffemodel, keras_weights, pickles

READERS = {".caffemodel": caffemodel, ".h5": keras_weights}  # for all others: pickles


def read(path, kernels, asset="weights"):
    """Layer -> (kernel, bias), float32 arrays, for every layer of `kernels`: layer -> kernel shape.

    path: a pickled dict of layer -> [kernel, bias] in an .npy file, an original .caffemodel, or
        Keras's .h5. Nothing in a file is run.
    asset: what download.py calls the right file.
    Raises FileNotFoundError or ValueError: path, expected, found, what to do.
    """
    path = Path(path)
    remedy = f"`python download.py {asset}` gets the right file, --demo needs none"
    if path.is_dir():
        raise ValueError(f"{path}: expected a weights file, found a folder; {remedy}")
    if not path.exists():
        raise FileNotFoundError(f"{path} is not there; {remedy}")
    layers = READERS.get(path.suffix, pickles).load(path)
    try:
        layers = _named(layers, kernels)
        return {name: checked(name, layers[name], shape) for name, shape in kernels.items()}
    except ValueError as error:
        raise ValueError(f"{path}: {error}; {remedy}") from None


def digest(weights):
    """Names these weights, whatever file they came from: sha256 of their float32 values.

    weights: layer -> (kernel, bias), arrays or tensors.
    """
    values = hashlib.sha256()
    for name in sorted(weights):
        for tensor in weights[name]:
            values.update(np.ascontiguousarray(tensor))
    return values.hexdigest()


def _named(layers, kernels):
    """The layers by their names as text, if they are those of `kernels`."""
    expected = f"expected the layers {', '.join(kernels)}"
    if not isinstance(layers, dict):
        raise ValueError(f"{expected}, found {type(layers).__name__}")
    # Python 3 keeps the names of Python 2 as bytes when told to.
    layers = {str(key, "latin1") if type(key) is bytes else key: layers[key] for key in layers}
    missing = [name for name in kernels if name not in layers]
    unknown = [ascii(name)[:20] for name in layers if name not in kernels]
    if missing and unknown:
        raise ValueError(f"{expected}, found those of another network: {', '.join(unknown[:20])}")
    if missing or unknown:
        missing = ", ".join(missing) or "none"
        raise ValueError(f"{expected}, found {len(layers)}, missing: {missing}")
    return layers


def checked(name, layer, shape):
    """Kernel and bias as float32, if they are finite floats of the expected shapes."""
    expected = f"{name}: expected a kernel {shape} and a bias {shape[-1:]} of finite floats"
    arrays = list(layer) if isinstance(layer, list | tuple) else [layer]
    floats = all(isinstance(array, np.ndarray) and array.dtype.kind == "f" for array in arrays)
    if not floats or [array.shape for array in arrays] != [shape, shape[-1:]]:
        found = " and ".join(map(_described, arrays)) or "nothing"
        raise ValueError(f"{expected}, found {found}")
    with np.errstate(over="ignore"):  # what is too large for float32 becomes infinity
        arrays = [array.astype(np.float32, copy=False) for array in arrays]
    if not all(np.isfinite(array).all() for array in arrays):
        raise ValueError(f"{expected}, found NaN or infinity")
    return tuple(arrays)


def _described(value):
    if isinstance(value, np.ndarray):
        return f"{value.dtype} {value.shape}"
    return type(value).__name__
