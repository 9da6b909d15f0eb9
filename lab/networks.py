"""The networks there are: the file of weights, the layers that serve as features, the conventions.

A network is a file beside the lessons, imported when it is first used. Each has KERNELS, LAYERS,
INPUT_SIZE, `preprocess`, `activations` and `load_weights`, as alexnet.py describes them.
"""

from dataclasses import dataclass, field
from importlib import import_module


@dataclass(frozen=True)
class Network:
    """One network, by name.

    file: the weights, in the current folder. asset: what download.py calls them.
    layers: those whose output serves as features -> how many numbers they give for a picture.
    layer: the one whose features are meant when none is named.
    conventions: name, for `preprocess` -> what `activations` then needs beside.
    """

    name: str
    file: str
    asset: str
    layers: dict
    layer: str
    conventions: dict = field(default_factory=lambda: {"caffe": {}, "course": {}})

    @property
    def module(self):
        """The network's own file: TensorFlow is loaded with it."""
        return import_module(self.name)

    def check_layer(self, layer):
        """ValueError unless features can be taken from `layer`."""
        if layer not in self.layers:
            layers = ", ".join(self.layers)
            raise ValueError(f"--layer {layer}: {self.name} gives features after {layers}")

    def last_map(self, layer):
        """The last convolution up to `layer`."""
        names = [*self.module.LAYERS]
        below = names[: names.index(layer) + 1]
        return [name for name in below if len(self.module.KERNELS.get(name, ())) == 4][-1]

    def activations(self, images, weights, convention="caffe"):
        """Layer -> what it puts out for pictures prepared by `preprocess` with the convention."""
        return self.module.activations(images, weights, **self.conventions[convention])

    def features(self, x, weights, layer, convention="caffe", after=None):
        """What `layer` says about each picture, [n, width] in the dtype of the weights.

        x: pictures from `preprocess`, or what the layer named `after` put out for them. A map wider
        than 7 is first max-pooled, so that a layer stays a few thousand numbers.
        """
        import tensorflow as tf

        options = {} if after else self.conventions[convention]
        if after != layer:
            x = self.module.activations(x, weights, after, layer, **options)[layer]
        if len(x.shape) == 4 and x.shape[1] > 7:
            x = tf.nn.max_pool2d(x, ksize=3, strides=2, padding="VALID")
        return tf.reshape(x, [-1, self.layers[layer]])


ALEXNET = Network(
    name="alexnet",
    file="bvlc-alexnet.npy",
    asset="weights",
    layers={"conv3": 6 * 6 * 384, "conv4": 6 * 6 * 384, "pool5": 9216, "fc6": 4096, "fc7": 4096},
    layer="fc7",
    conventions={"caffe": {}, "course": {"conv1_padding": "SAME"}},
)

NETWORKS = {network.name: network for network in (ALEXNET,)}


def named(name):
    """The Network called `name`. ValueError when there is none."""
    if name not in NETWORKS:
        raise ValueError(f"--network {name}: expected {' or '.join(NETWORKS)}")
    return NETWORKS[name]
