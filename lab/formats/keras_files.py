"""`.keras` files from strangers, looked at before Keras reads them.

Such a file is a zip file with the layers' settings in JSON and their weights in HDF5. Keras runs
nothing from it, but makes every array as large as the file says: 14 GB of one of 700 kB.
"""

import io
import json

import h5py

from lab.formats import zips

SETTINGS, WEIGHTS = "config.json", "model.weights.h5"


def check(path, largest, remedy):
    """The settings in the `.keras` file `path`, as Python values.

    Afterwards all its weights take less than `largest` bytes; what layers its settings ask for, and
    of which size, is for the caller to look at. Raises OSError when it cannot be opened, ValueError
    (one line, with the `remedy`) when it is damaged or holds more.
    """
    zips.check(path, largest, remedy)
    with zips.opened(path, largest, remedy) as archive:
        missing = {SETTINGS, WEIGHTS} - {*archive.namelist()}
        if missing:
            raise ValueError(f"{path}: expected a head, found no {min(missing)} in it; {remedy}")
        settings, weights = (
            zips.unpacked(path, archive, name, remedy) for name in (SETTINGS, WEIGHTS)
        )
    try:
        _check_arrays(weights)
        return json.loads(settings)
    except Exception as error:  # whatever the damaged bytes trip in HDF5 or JSON
        raise ValueError(
            f"{path}: expected a head, found damage: {str(error)[:200]!a}; {remedy}"
        ) from error


def _check_arrays(content):
    """ValueError unless the arrays in an HDF5 file are as Keras writes them: plain, and all there.

    A packed array can unpack to anything, one that was never written takes no room in the file,
    and several could share what is there.
    """
    left = len(content)

    def count(_, array):
        nonlocal left
        if isinstance(array, h5py.Dataset):
            if array.chunks or array.external or array.is_virtual or array.dtype.kind not in "fiu":
                raise ValueError(f"{array.name} is packed, elsewhere, or none of numbers")
            left -= array.nbytes
            if left < 0:
                raise ValueError(f"{array.name} is larger than the file")

    with h5py.File(io.BytesIO(content), "r") as file:
        file.visititems(count)
