"""Reading the weights of VGG16 as Keras publishes them, in `.h5` files.

Such a file is in HDF5: a group for each layer, in it a kernel and a bias. The HDF5 library reads
it, which runs nothing from a file, but would follow links to other files, load plugins for filters,
unpack, and reserve memory for numbers that are not there. So only what Keras itself writes is
touched: arrays whose numbers lie plainly in this file.
"""

import re
from pathlib import Path

import h5py

from lab.formats import files

MOST_OBJECTS = 1000  # groups and arrays; VGG16 has 71
DENSE = {"fc1": "fc6", "fc2": "fc7", "predictions": "fc8"}
PLAIN = (h5py.h5d.COMPACT, h5py.h5d.CONTIGUOUS)  # layouts: the numbers, one after the other
WITHOUT_TOP = (
    "expected the dense layers too, found Keras's file without top, which ends before the codes; "
    "name the one with top, vgg16_weights_tf_dim_ordering_tf_kernels.h5"
)


def load(path):
    """The weights in the file: dict layer name -> (kernel, bias), arrays as they were written.

    Layers have the names of the paper, conv1_1 to fc8. Axes are ordered as TensorFlow wants them,
    rows of fc6 by height, width, channel; colours are BGR: the numbers are Caffe's own.

    Raises OSError when the file cannot be read, ValueError (one line) when it is no such file.
    """
    with files.opened(path) as file:
        try:
            with h5py.File(file, "r") as content:
                weights = _weights(content, Path(path).stat().st_size)
        except Exception as error:  # whatever the damaged bytes trip
            raise ValueError(
                f"{path}: expected Keras's weights of VGG16, found damage or another format: "
                f"{str(error)[:200]!a}; download it again"
            ) from error
    if "conv5_3" in weights and "fc6" not in weights:
        raise ValueError(f"{path}: {WITHOUT_TOP}")
    return weights


def _weights(file, size):
    layers = {}
    for path, array in _arrays(file).items():
        size -= _plain_bytes(array)  # several may lie in the same place
        if size < 0:
            raise ValueError("more numbers than the file has bytes")
        layers.setdefault(_paper_name(path), []).append(array)
    return {
        name: tuple(array[()] for array in sorted(arrays, key=lambda array: -array.ndim))
        for name, arrays in layers.items()
    }


def _arrays(file):
    """Path -> array, for all in the file, each once; links to elsewhere are passed over."""
    found, objects = {}, iter(range(MOST_OBJECTS))

    def note(path, item):
        if next(objects, None) is None:
            raise ValueError(f"more than {MOST_OBJECTS:,} groups and arrays")
        if isinstance(item, h5py.Dataset):
            found[path] = item

    file.visititems(note)
    if not found:
        raise ValueError("no layer holds weights")
    return found


def _plain_bytes(array):
    """How many bytes an array has in this file, all written one after the other."""
    made, kind = array.id.get_create_plist(), array.dtype
    plain = made.get_layout() in PLAIN and not made.get_nfilters() + made.get_external_count()
    if not plain or kind.kind != "f" or kind.itemsize > 8:
        raise ValueError(f"{array.name} is packed, elsewhere, or none of floats")
    if array.id.get_storage_size() != array.nbytes:
        raise ValueError(f"{array.name} was never written")
    return array.nbytes


def _paper_name(path):
    """Of an array's path the layer: block1_conv1/kernel -> conv1_1, fc1/kernel -> fc6.

    What VGG16 does not have keeps its name.
    """
    layer = path.split("/")[0]
    return re.sub(r"^block(\d)_conv(\d)$", r"conv\1_\2", DENSE.get(layer, layer))
