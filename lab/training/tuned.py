"""A network of which some layers learn, below a new last layer that learns as well."""

import keras
import numpy as np
import tensorflow as tf

from lab.features import small_pictures
from lab.features.rounding import in_precision


class Tuned(keras.layers.Layer):
    """Scores float32 [n, classes] of pictures, RGB 0-255, uint8 or float [n, height, width, 3].

    network: one of lab.networks, prepared for by `convention`, computing in `dtype`.
    weights: layer -> (kernel, bias), float32, of the whole network, as they are at first.
    head: features of the network's `layer` -> scores.
    unfreeze: the first layer that learns, and with it all above; see `Network.learning`.
    dropout: share of what each dense layer that learns says, left out while training.
    kept: it is called with what the layer `below` those that learn says about pictures.
    """

    def __init__(
        self, network, weights, head, layer, unfreeze, convention="caffe", dtype=tf.float32,
        dropout=0.0, seed=0, kept=False,
    ):  # fmt: skip
        super().__init__(autocast=False)
        self.network, self.layer, self.convention = network, layer, convention
        self.number, self.head = dtype, head
        names = network.learning(unfreeze, layer)
        self.below = network.below(names[0]) if names else layer
        self.start = {name: weights[name] for name in weights if name not in names}
        asked = [] if kept else network.kernels(self.below)
        self.frozen = {name: in_precision(weights[name], dtype) for name in asked}
        # Steps smaller than bfloat16 can tell apart still add up in float32.
        self.unfrozen = {
            name: [keras.Variable(value, dtype="float32", name=name) for value in weights[name]]
            for name in names
        }
        self.entry = network.shape(self.below, weights, convention) if kept else None
        dense = [name for name in names if len(weights[name][0].shape) == 2]
        self.dropout = {
            name: _Dropout(dropout, seed=seed + i, dtype=dtype.name) for i, name in enumerate(dense)
        }

    @property
    def learning(self):
        """Layer -> the variables that learn, kernel and bias, from below; last the head's."""
        return {**self.unfrozen, "head": self.head.trainable_variables}

    def call(self, x, training=False):
        weights = dict(self.frozen)
        for name, layer in self.unfrozen.items():
            weights[name] = tuple(tf.cast(variable, self.number) for variable in layer)
        x, after = self._entered(x)
        for name, dropout in self.dropout.items():
            x = self.network.features(x, weights, name, self.convention, after)
            x, after = dropout(x, training=training), name
        x = self.network.features(x, weights, self.layer, self.convention, after)
        return self.head(tf.cast(x, tf.float32))

    def _entered(self, x):
        """What goes into the network, and the layer it comes after, None for pictures."""
        if self.entry is not None:
            return tf.reshape(tf.cast(x, self.number), [-1, *self.entry]), self.below
        size = x.shape[1:3]
        if not small_pictures.suit(self.network, self.convention, size):
            return self.network.module.preprocess(x, self.convention), None
        with tf.init_scope():  # what depends on the size alone is worked out once
            conv1 = small_pictures.learning_conv1(*size, self.number)
        layer = self.unfrozen.get("conv1") or self.start["conv1"]
        return conv1(x, [tf.convert_to_tensor(value) for value in layer]), "conv1"

    def weights_now(self):
        """Layer -> (kernel, bias), float32, of the whole network, as they are by now."""
        unfrozen = {name: tuple(map(np.asarray, layer)) for name, layer in self.unfrozen.items()}
        return {**self.start, **unfrozen}


class _Dropout(keras.layers.Dropout):
    """Devices that share a batch leave out what one device would that has all of it.

    Of n devices each has every n-th picture, as in the loop, and all have the same seed.
    """

    def call(self, inputs, training=False):
        context = tf.distribute.get_replica_context() if training else None
        if context is None or context.num_replicas_in_sync == 1:
            return super().call(inputs, training)
        devices, device = context.num_replicas_in_sync, context.replica_id_in_sync_group
        count, *shape = tf.unstack(tf.shape(inputs))
        of_all = super().call(tf.ones([devices * count, *shape], inputs.dtype), training)
        return inputs * of_all[device::devices]
