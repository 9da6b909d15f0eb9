"""The networks there are: the file of weights, the layers that serve as features, the conventions.

A network is a file beside the lessons, imported when it is first used. Each has KERNELS, LAYERS,
INPUT_SIZE, `preprocess`, `activations`, `max_pool` and `load_weights`, as in alexnet.py. Those of
Keras, which give nothing but features, are in lab/keras_networks.py.
"""

import functools
import math
from dataclasses import dataclass, field
from importlib import import_module


@dataclass(frozen=True)
class Network:
    """One network, by name.

    file: the weights, in the current folder.
    layers: those whose output serves as features -> how many numbers they give for a picture.
    layer: the one whose features are meant when none is named.
    batch: how many pictures go through at once. The more, the less often the weights are read, and
        the more memory the first layers take.
    conventions: name, for `preprocess` -> what `activations` then needs beside.
    rgb: the conventions under which red comes first; under the others blue does.
    subject: what --demo draws for it, signs or flowers.
    """

    name: str
    file: str
    layers: dict
    layer: str
    batch: int
    conventions: dict = field(default_factory=lambda: {"caffe": {}, "course": {}})
    rgb: tuple = ()
    subject: str = "signs"
    # Whether its weights come from elsewhere than `file`, and its layers can be had one by one.
    fetched, layered = False, True

    @property
    def module(self):
        """The network's own file: TensorFlow is loaded with it."""
        return import_module(self.name)

    def check_layer(self, layer):
        """ValueError unless features can be taken from `layer`."""
        if layer not in self.layers:
            layers = ", ".join(self.layers)
            raise ValueError(f"--layer {layer}: {self.name} gives features after {layers}")

    def learning(self, unfreeze, layer):
        """The layers that learn when `unfreeze` does and all above it, up to `layer`, from below.

        "all" is from the first on; the network's own last layer stands for the new one in its
        place, which always learns. ValueError for another name.
        """
        names, last = self.kernels(layer), [*self.module.KERNELS][-1]
        if unfreeze not in ("all", last, *names):
            expected = ", ".join(["all", *names, last])
            raise ValueError(f"--unfreeze {unfreeze}: expected one of {expected}")
        if unfreeze == last:
            return []
        return names if unfreeze == "all" else names[names.index(unfreeze) :]

    def kernels(self, layer):
        """The layers up to `layer` that have a kernel, from below; none where `layer` is None."""
        return [name for name in self._up_to(layer) if name in self.module.KERNELS]

    def below(self, name):
        """The layer whose output goes into the layer `name`; None where pictures do."""
        return [None, *self._up_to(name)][-2]

    def shape(self, layer, weights, convention="caffe"):
        """Of what `layer` puts out for one picture, not yet pooled: [h, w, c] or [n]."""
        import tensorflow as tf

        picture = tf.zeros([1, self.module.INPUT_SIZE, self.module.INPUT_SIZE, 3])
        options = self.conventions[convention]
        return self.module.activations(picture, weights, None, layer, **options)[layer].shape[1:]

    def _up_to(self, layer):
        names = [None, *self.module.LAYERS]
        return names[1 : names.index(layer) + 1]

    def precision(self, choice):
        """The tf.DType to compute in: the choice, or with "auto" the fastest."""
        from lab import device

        return device.precision(choice)

    @property
    def first(self):
        """The name of the first layer, whose kernel looks at pixels."""
        return next(iter(self.module.KERNELS))

    def last_map(self, layer):
        """The last convolution up to `layer`."""
        maps = [name for name in self._up_to(layer) if len(self.module.KERNELS.get(name, ())) == 4]
        return maps[-1]

    def activations(self, images, weights, convention="caffe"):
        """Layer -> what it puts out for pictures prepared by `preprocess` with the convention."""
        return self.module.activations(images, weights, **self.conventions[convention])

    def features(self, x, weights, layer, convention="caffe", after=None, whole=False):
        """What `layer` says about each picture, [n, width] in the dtype of the weights.

        x: pictures from `preprocess`, or what the layer named `after` put out for them. A map wider
        than 7 is max-pooled until it is not, so that a layer stays some thousand numbers; `whole`,
        it is all there.
        """
        import tensorflow as tf

        options = {} if after else self.conventions[convention]
        if after != layer:
            x = self.module.activations(x, weights, after, layer, **options)[layer]
        while not whole and len(x.shape) == 4 and x.shape[1] > 7:
            x = self.module.max_pool(x)
        return tf.reshape(x, [-1, math.prod(x.shape[1:])])


ALEXNET = Network(
    name="alexnet",
    file="bvlc-alexnet.npy",
    layers={"conv3": 6 * 6 * 384, "conv4": 6 * 6 * 384, "pool5": 9216, "fc6": 4096, "fc7": 4096},
    layer="fc7",
    batch=128,
    conventions={"caffe": {}, "course": {"conv1_padding": "SAME"}},
    rgb=("course",),
)

VGG16 = Network(
    name="vgg16",
    file="vgg16.npy",
    layers={
        "conv3_3": 7 * 7 * 256,
        "conv4_3": 7 * 7 * 512,
        "pool5": 25088,
        "fc6": 4096,
        "fc7": 4096,
    },
    layer="fc6",
    batch=16,
    subject="flowers",
)

NETWORKS = {network.name: network for network in (ALEXNET, VGG16)}


def named(name):
    """The Network called `name`. ValueError when there is none."""
    if name.startswith("keras:"):
        return _of_keras(name)
    if name not in NETWORKS:
        known = " or ".join(NETWORKS)
        raise ValueError(f"--network {name}: expected {known}, or keras:NAME of keras.applications")
    return NETWORKS[name]


@functools.cache
def _of_keras(name):
    from lab.keras_networks import KerasNetwork

    return KerasNetwork(name)
