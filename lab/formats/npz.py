"""Arrays from `.npz` files that may be damaged, foreign or malicious."""

import io
import math

import numpy as np

from lab.formats import zips
from lab.formats.pickles import NPY_HEADERS


def load(path, largest, remedy):
    """Name -> array, to be read only, for all in the file; together at most `largest` bytes.

    Raises OSError when it cannot be opened, ValueError (one line, with the `remedy`) when it holds
    anything else than arrays of numbers or truth values.
    """
    with zips.opened(path, largest, remedy) as archive:
        contents = {name: zips.unpacked(path, archive, name, remedy) for name in archive.namelist()}
    try:
        return {name.removesuffix(".npy"): _array(content) for name, content in contents.items()}
    except Exception as error:  # whatever damaged heads of arrays trip in NumPy
        raise ValueError(
            f"{path}: expected arrays of numbers, found damage: {str(error)[:200]!a}; {remedy}"
        ) from error


def _array(content):
    """The array in an `.npy` file. NumPy would make room for it before it looks for its bytes."""
    file = io.BytesIO(content)
    shape, fortran, dtype = NPY_HEADERS[np.lib.format.read_magic(file)](file)
    if dtype.kind not in "biuf":
        raise ValueError(f"an array of {dtype}")
    if min(shape, default=0) < 0 or math.prod(shape) * dtype.itemsize != len(content) - file.tell():
        raise ValueError(f"an array {dtype} {shape} of {len(content):,} bytes")
    array = np.frombuffer(content, dtype, offset=file.tell())
    return array.reshape(shape, order="F" if fortran else "C")
