"""An AlexNet with a few channels: every layer and both groups, in a thousandth of the time."""

import numpy as np
import tensorflow as tf

# fmt: off
KERNELS = {
    "conv1": (11, 11,  3,  8),
    "conv2": ( 5,  5,  4,  8),
    "conv3": ( 3,  3,  8,  8),
    "conv4": ( 3,  3,  4,  8),
    "conv5": ( 3,  3,  4,  8),
    "fc6":   (6 * 6 * 8,  16),
    "fc7":   (16,         16),
    "fc8":   (16,         10),
}
# fmt: on
WIDTH = 16  # of fc7


def weights():
    """Layer -> (kernel, bias), random, float32; biases large enough that no layer falls silent."""
    rng = np.random.default_rng(2012)
    return {
        name: (
            tf.constant(rng.normal(0, np.sqrt(2 / np.prod(shape[:-1])), shape), tf.float32),
            tf.constant(rng.uniform(0, 1, shape[-1]), tf.float32),
        )
        for name, shape in KERNELS.items()
    }


def images(count, seed=0):
    """Prepared pictures, float32 [count, 227, 227, 3]."""
    rng = np.random.default_rng(seed)
    coarse = rng.uniform(-120, 130, [count, 9, 9, 3])
    return tf.image.resize(tf.constant(coarse, tf.float32), [227, 227])
