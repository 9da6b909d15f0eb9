"""conv1 of small pictures from their own pixels, without enlarging them.

Enlarging is linear, and so is a convolution: one after the other they are one sum of products. A
unit of conv1 looks at 11x11 pixels of the enlarged picture, and these show 4x4 of a sign of 32x32,
so 48 products do for 363. Only, the pixels of the sign lie differently under each unit: each of the
55x55 places needs kernels of its own.
"""

import numpy as np
import tensorflow as tf

from alexnet import BGR_MEAN, CONV1_STRIDE, INPUT_SIZE
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
    kernel, bias = map(np.asarray, layer)
    top, rows = _windows(height, len(kernel))
    left, columns = _windows(width, len(kernel))
    kernels = _kernels(kernel[:, :, ::-1], rows, columns, dtype)  # for red, green, blue
    # The mean colour stays the same when enlarged: it moves from the pixels into the bias, and the
    # pixels are whole numbers, which bfloat16 holds exactly.
    bias = tf.constant(bias - np.einsum("abco,c->o", kernel, BGR_MEAN), tf.float32)

    def function(images):
        x = tf.transpose(tf.cast(images, dtype), [1, 2, 0, 3])
        x = tf.concat([tf.gather(x, left + s, axis=1) for s in range(columns.shape[-1])], -1)
        x = tf.concat([tf.gather(x, top + r, axis=0) for r in range(rows.shape[-1])], -1)
        return _bias_relu(tf.matmul(x, kernels), bias)

    return function


@tf.function(jit_compile=True, autograph=False)
def _bias_relu(x, bias):
    """[55, 55, n, 96] -> [n, 55, 55, 96]; compiled, it goes through memory once."""
    return tf.transpose(tf.cast(tf.nn.relu(tf.cast(x, tf.float32) + bias), x.dtype), [2, 0, 1, 3])


def _kernels(kernel, rows, columns, dtype):
    """One for each place: [55, 55, pixels of its window x 3, 96]."""
    # Place i, j; pixel r, s; colour c; channel o.
    each = np.einsum("iar,jbs,abco->rsijco", rows, columns, kernel, optimize=True)
    each = dithered(each.reshape(-1, *each.shape[2:]), dtype)
    each = np.moveaxis(each, 0, 2)  # i, j, pixel, c, o
    return tf.constant(each.reshape(*each.shape[:2], -1, each.shape[-1]))


def _windows(side, taps):
    """Of each of 55 windows its first pixel, and how its `taps` mix its pixels: [55, taps, p]."""
    enlarge = tf.image.resize(tf.eye(side)[tf.newaxis, :, :, tf.newaxis], [INPUT_SIZE, side])
    enlarge = enlarge[0, :, :, 0].numpy()  # [227, side]
    windows = np.lib.stride_tricks.sliding_window_view(enlarge, taps, axis=0)[::CONV1_STRIDE]
    seen = windows.any(axis=2)  # [55, side]
    pixels = seen.sum(axis=1).max()
    first = np.minimum(seen.argmax(axis=1), side - pixels)
    chosen = first[:, np.newaxis] + np.arange(pixels)
    return first, np.take_along_axis(windows, chosen[..., np.newaxis], axis=1).swapaxes(1, 2)
