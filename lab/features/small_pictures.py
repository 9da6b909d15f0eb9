"""conv1 of small pictures from their own pixels, without enlarging them.

Enlarging is linear, and so is a convolution: one after the other they are one sum of products. A
unit of conv1 looks at 11x11 pixels of the enlarged picture, and these show 4x4 of a sign of 32x32,
so 48 products do for 363. Only, the pixels of the sign lie differently under each unit: each of the
55x55 places needs kernels of its own.
"""

import numpy as np
import tensorflow as tf

from alexnet import BGR_MEAN, CONV1_STRIDE, INPUT_SIZE, KERNELS
from lab.features.rounding import dithered

LARGEST = 64  # pixels a side; at 96 the products are so many that float32 is no faster


def suit(network, convention, size):
    """Whether `conv1` does for pictures of this height and width what the network would."""
    return (network.name, convention) == ("alexnet", "caffe") and max(size) <= LARGEST


def conv1(layer, height, width, dtype):
    """A function: RGB 0-255 [n, height, width, 3] -> [n, 55, 55, 96] in `dtype`.

    But for rounding, the same as conv1 of alexnet.py after `preprocess` with convention "caffe".
    layer: kernel [11, 11, 3, 96] and bias [96], float32.
    """
    windows = Windows(height, width)
    taps = windows.mixed(layer[0]).numpy()  # [pixels, 55, 55, 3, 96]
    kernels = windows.laid_out(tf.constant(dithered(taps, dtype)))
    bias = _without_mean(*map(tf.convert_to_tensor, layer))
    return lambda images: _bias_relu(tf.matmul(windows.seen(images, dtype), kernels), bias)


def learning_conv1(height, width, dtype):
    """The same for a layer that changes, and gradients reach it: a function of images and layer."""
    windows = Windows(height, width)

    def function(images, layer):
        kernels = windows.laid_out(tf.cast(windows.mixed(layer[0]), dtype))
        products = tf.matmul(windows.seen(images, dtype), kernels)
        return _bias_relu(products, _without_mean(*layer))

    return function


class Windows:
    """What each of the 55x55 units of conv1 sees of a small picture."""

    def __init__(self, height, width):
        self.top, self.rows = _windows(height)
        self.left, self.columns = _windows(width)

    def seen(self, images, dtype):
        """The pixels under each unit: [55, 55, n, pixels x 3]."""
        x = tf.transpose(tf.cast(images, dtype), [1, 2, 0, 3])
        columns, rows = self.columns.shape[-1], self.rows.shape[-1]
        x = tf.concat([tf.gather(x, self.left + s, axis=1) for s in range(columns)], -1)
        return tf.concat([tf.gather(x, self.top + r, axis=0) for r in range(rows)], -1)

    def mixed(self, kernel):
        """What a kernel [11, 11, 3, 96] does with these pixels: [pixels, 55, 55, 3, 96]."""
        # Place i, j; pixel r, s; tap a, b; colour c, of which the picture has red first; channel o.
        rows = tf.einsum("iar,abco->ribco", tf.constant(self.rows), kernel[:, :, ::-1])
        each = tf.einsum("jbs,ribco->rsijco", tf.constant(self.columns), rows)
        return tf.reshape(each, [-1, *each.shape[2:]])

    def laid_out(self, kernels):
        """Kernels as `matmul` takes them for what is `seen`: [55, 55, pixels x 3, 96]."""
        kernels = tf.transpose(kernels, [1, 2, 0, 3, 4])
        return tf.reshape(kernels, [*kernels.shape[:2], -1, kernels.shape[-1]])


def _without_mean(kernel, bias):
    """The bias, once the mean colour has moved into it.

    It stays the same when enlarged, and the pixels are whole numbers, which bfloat16 holds exactly.
    """
    return bias - tf.einsum("abco,c->o", kernel, tf.constant(BGR_MEAN, tf.float32))


@tf.function(jit_compile=True, autograph=False)
def _bias_relu(x, bias):
    """[55, 55, n, 96] -> [n, 55, 55, 96]; compiled, it goes through memory once."""
    return tf.transpose(tf.cast(tf.nn.relu(tf.cast(x, tf.float32) + bias), x.dtype), [2, 0, 1, 3])


def _windows(side):
    """Of each of 55 windows its first pixel, and how its taps mix its pixels: [55, 11, pixels]."""
    enlarge = tf.image.resize(tf.eye(side)[tf.newaxis, :, :, tf.newaxis], [INPUT_SIZE, side])
    enlarge = enlarge[0, :, :, 0].numpy()  # [227, side]
    windows = np.lib.stride_tricks.sliding_window_view(enlarge, KERNELS["conv1"][0], axis=0)
    windows = windows[::CONV1_STRIDE]
    seen = windows.any(axis=2)  # [55, side]
    pixels = seen.sum(axis=1).max()
    first = np.minimum(seen.argmax(axis=1), side - pixels)
    chosen = first[:, np.newaxis] + np.arange(pixels)
    return first, np.take_along_axis(windows, chosen[..., np.newaxis], axis=1).swapaxes(1, 2)
