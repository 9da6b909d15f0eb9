"""The file of a trained head, read so that damage is found."""

import keras
import numpy as np

from lab.formats import keras_files

LARGEST = 2**30  # bytes; 10,000 classes of 9,216 features are 369 MB
NO_SIZES = ("seed", "shared_object_id")
AGAIN = "train again with `python train_feature_extraction.py`"


def load(path, width, classes, hidden=None):
    """The head in the file `path`: features [n, width] -> scores [n, classes].

    hidden: units of the layer before its last one, if there is one.
    Raises FileNotFoundError, or ValueError when it is damaged, of another shape, or not finite.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path} is not there; {AGAIN}")
    settings = keras_files.check(path, LARGEST, AGAIN)
    try:
        _check_layers(settings, width, classes, hidden)
        head = keras.saving.load_model(path, compile=False)
        shapes = head.input_shape, head.output_shape
        finite = all(np.isfinite(array).all() for array in head.get_weights())
    except Exception as error:  # whatever the settings trip in Keras
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


def _check_layers(settings, width, classes, hidden):
    """ValueError unless the layers are a head's, and of no larger size.

    Keras makes layers of any size before it looks whether their weights are there.
    """
    layers = settings["config"]["layers"]
    kinds = [layer["class_name"] for layer in layers]
    dense = ["Dense"] * (2 if hidden else 1)
    if kinds not in (["InputLayer", *dense], ["InputLayer", "LayerNormalization", *dense]):
        raise ValueError(f"layers {', '.join(kinds)}")
    if hidden and layers[-2]["config"]["units"] != hidden:
        raise ValueError(f"a hidden layer of other than {hidden:,} units")
    most = max(width, classes, hidden or 0)
    if max(_numbers(settings)) > most:
        raise ValueError(f"a layer of over {most:,} numbers")


def _numbers(settings):
    """All whole numbers in the settings but those that are no sizes."""
    if isinstance(settings, dict):
        settings = [value for key, value in settings.items() if key not in NO_SIZES]
    if isinstance(settings, list):
        return [number for value in settings for number in _numbers(value)]
    return [settings] if isinstance(settings, int) else []


def scores(head, features):
    """What the head makes of features [n, width]: float32 [n, classes]."""
    # Not `predict`, which takes a float32 copy of all features first.
    parts = [head(features[start : start + 4096]) for start in range(0, len(features), 4096)]
    return np.concatenate([part.numpy() for part in parts])


def parts(head):
    """What a head is made of: the epsilon of its normalisation, and its dense layers, from below.

    The epsilon is None for a head that does not normalise; each layer is (kernel, bias), float32,
    with a ReLU between one and the next.
    """
    normal, dense = (
        [layer for layer in head.layers if isinstance(layer, kind)]
        for kind in (keras.layers.LayerNormalization, keras.layers.Dense)
    )
    epsilon = normal[0].epsilon if normal else None
    return epsilon, [tuple(layer.get_weights()) for layer in dense]
