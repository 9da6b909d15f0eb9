"""The file of a trained head, read so that damage is found."""

import zipfile

import keras
import numpy as np

AGAIN = "train again with `python train_feature_extraction.py`"


def load(path, width, classes):
    """The head in the file `path`: features [n, width] -> scores [n, classes].

    Raises FileNotFoundError, or ValueError when it is damaged, of another shape, or not finite.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path} is not there; {AGAIN}")
    try:
        with zipfile.ZipFile(path) as archive:
            if damaged := archive.testzip():  # Keras does not look at the checksums
                raise ValueError(f"checksum of {damaged}")
        head = keras.saving.load_model(path)
        shapes = head.input_shape, head.output_shape
        finite = all(np.isfinite(array).all() for array in head.get_weights())
    except Exception as error:  # whatever the damaged bytes trip in zip, Keras or HDF5
        found = ascii(str(error)[:200])
        raise ValueError(
            f"{path}: expected the head of a training, found damage: {found}; {AGAIN}"
        ) from error
    if shapes != ((None, width), (None, classes)):
        raise ValueError(
            f"{path}: expected scores [n, {classes}] of features [n, {width}], "
            f"found {shapes[1]} of {shapes[0]}; {AGAIN}"
        )
    if not finite:
        raise ValueError(f"{path}: expected finite numbers, found NaN or infinity; {AGAIN}")
    return head


def scores(head, features):
    """What the head makes of features [n, width]: float32 [n, classes]."""
    # Not `predict`, which takes a float32 copy of all features first.
    parts = [head(features[start : start + 4096]) for start in range(0, len(features), 4096)]
    return np.concatenate([part.numpy() for part in parts])
