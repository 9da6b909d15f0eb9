"""The classifiers of keras.applications as networks: `--network keras:EfficientNetV2B0`.

Their features are those of the last map, averaged over places. Keras, and TensorFlow with it, are
imported when a network is first used.
"""

import functools
import re
import sys
from contextlib import redirect_stdout
from difflib import get_close_matches
from importlib.util import find_spec
from pathlib import Path

PREFIX = "keras:"


@functools.cache
def classifiers():
    """Name -> its module in keras.applications, without importing Keras."""
    (folder,) = find_spec("keras").submodule_search_locations
    listing = Path(folder, "applications/__init__.py").read_text(encoding="utf-8")
    found = re.findall(r"from keras\.src\.applications\.(\w+) import \(?\s*([A-Z]\w+)", listing)
    return {name: module for module, name in found}


class KerasNetwork:
    """One classifier, with what lab.networks says of a Network; it is its own `module`."""

    file = "Keras's ImageNet weights"
    fetched, layered = True, False
    layer, conventions, batch, subject = "pooled", {"caffe": {}}, 32, "flowers"

    def __init__(self, name):
        self.name, self.classifier, self.module = name, name.removeprefix(PREFIX), self
        if self.classifier not in classifiers():
            spelled = {known.lower(): known for known in classifiers()}
            near = get_close_matches(self.classifier.lower(), spelled) or spelled
            known = ", ".join(spelled[name] for name in near)
            raise ValueError(f"--network {name}: of keras.applications there is {known}")

    def check_layer(self, layer):
        """ValueError unless features can be taken from `layer`."""
        if layer != self.layer:
            raise ValueError(f"--layer {layer}: {self.name} gives its features after {self.layer}")

    def learning(self, unfreeze, layer):
        """ValueError: none of its layers can be unfrozen."""
        raise ValueError(
            f"--network {self.name}: only a new head can be trained on it, by "
            "train_feature_extraction.py; alexnet and vgg16 can be fine-tuned"
        )

    def precision(self, choice):
        """The tf.DType to compute in: these networks were made for float32, and are fast in it."""
        import tensorflow as tf

        if choice == "bfloat16":
            raise ValueError(f"--precision bfloat16: {self.name} computes in float32")
        return tf.float32

    def _built(self, weights=None, **options):
        import keras

        return getattr(keras.applications, self.classifier)(weights=weights, **options)

    def _pooled(self, weights=None):
        return self._built(weights, include_top=False, pooling="avg")

    @functools.cached_property
    def _made(self):
        """The layers alone, to which `features` brings weights; a side of their pictures, pixels.

        Both at once, before threads prepare pictures: each would make them.
        """
        side = self._built().input_shape[1] or 224  # those that take any were trained with 224
        return self._pooled(), side

    @property
    def layers(self):
        """The one layer that gives features -> how many."""
        return {self.layer: self._made[0].output_shape[-1]}

    @property
    def INPUT_SIZE(self):
        return self._made[1]

    def preprocess(self, images, convention="caffe"):
        """Pictures as the network wants them: RGB 0-255 [n, h, w, 3] -> [n, side, side, 3]."""
        import keras
        import tensorflow as tf

        images = tf.image.resize(images, [self.INPUT_SIZE] * 2, antialias=True)
        module = getattr(keras.applications, classifiers()[self.classifier])
        return module.preprocess_input(images)

    def load_weights(self, path=None):
        """All weights, as Keras fetched them and checked their hash. OSError when it cannot.

        ValueError for EfficientNetB0 to B7: for ImageNet's weights Keras builds them with a layer
        more than without, and another keeps what it had when they were loaded.
        """
        if self.classifier.startswith("EfficientNetB"):
            raise ValueError(f"{self.name}: take its successor, keras:EfficientNetV2B0, or --demo")
        try:
            with redirect_stdout(sys.stderr):  # Keras's bar
                return self._as_layer(self._pooled("imagenet").get_weights())
        except Exception as error:  # Keras raises no other
            raise OSError(
                f"{self.name}: Keras cannot get its weights: {error}; try again, or --demo"
            ) from error

    def random_weights(self, pictures):
        """Weights as Keras begins with, the same at each call; BatchNorm has seen the `pictures`.

        Else, layer by layer, nothing or too much would be left of what differs between pictures.
        """
        import keras

        keras.utils.set_random_seed(0)
        model = self._pooled()
        for layer in model.layers:
            if isinstance(layer, keras.layers.BatchNormalization):
                layer.momentum = 0.0  # its averages are those of the one batch
        model(self.preprocess(pictures), training=True)
        return self._as_layer(model.get_weights())

    def _as_layer(self, arrays):
        import tensorflow as tf

        return {self.classifier: tuple(map(tf.constant, arrays))}

    def features(self, x, weights, layer="pooled", convention="caffe"):
        """What the network says about pictures from `preprocess`: [n, width].

        Never in training: BatchNorm takes the averages it was trained to.
        """
        import keras

        model, _ = self._made
        with keras.StatelessScope(zip(model.weights, weights[self.classifier], strict=True)):
            return model(x, training=False)
