"""Mistakes known of resize.py."""

import numpy as np
import tensorflow as tf

from alexnet import BGR_MEAN
from exercises.machinery.checking import instead_of

SIZE = [227, 227]


@instead_of("places")
def half_a_pixel_forgotten(old, new):
    """The picture is shifted by half a pixel: `places` looks from the left edges of the pixels.

    The middle of new pixel i is at i + 0.5, and the middle of old pixel 0 at 0.5. TensorFlow 1 made
    this very mistake, and the course with it.
    """
    return np.arange(new) * old / new


@instead_of("places")
def corners_pinned(old, new):
    """The first and the last pixel are pinned to the corners, so all between are too far apart.

    A new pixel is old / new old pixels long, not (old - 1) / (new - 1).
    """
    return np.arange(new) * (old - 1) / (new - 1)


@instead_of("places")
def divided_the_wrong_way(old, new):
    """`places` runs far beyond the row: it multiplies by new / old.

    A longer row has shorter pixels: each is old / new old ones long.
    """
    return (np.arange(new) + 0.5) * new / old - 0.5


@instead_of("enlarge")
def nearest(image, size):
    """Each new pixel is a copy of the nearest old one: the picture is all squares.

    Mix the two pixels on either side, each by how near it is.
    """
    rows, columns = (_clipped(side, size).round().astype(int) for side in image.shape[:2])
    return np.asarray(image, float)[rows][:, columns]


@instead_of("enlarge")
def on_its_side(image, size):
    """Rows and columns are swapped: the picture lies on its side.

    After the columns were mixed, the axes have to go back to where they were.
    """
    return np.swapaxes(_right(image, size), 0, 1)


@instead_of("enlarge")
def shares_swapped(image, size):
    """The shares are swapped: at place 3.2 it takes 0.8 of pixel 4 instead of pixel 3.

    The nearer pixel has the larger share: the lower one 1 - (where - low).
    """
    return _mixed(image, size, lambda share: 1 - share)


@instead_of("preprocess")
def colours_not_turned(images):
    """The colours are still red, green, blue; AlexNet was trained on blue, green, red.

    Turn the last axis round before BGR_MEAN is taken away: tf.reverse(images, [-1]).
    """
    return _resized(tf.cast(images, tf.float32) - BGR_MEAN)


@instead_of("preprocess")
def mean_of_the_wrong_colours(images):
    """The mean was taken away while red came first, but BGR_MEAN begins with blue.

    Turn the colours round first, then take the mean away.
    """
    return tf.reverse(_resized(tf.cast(images, tf.float32) - BGR_MEAN), [-1])


@instead_of("preprocess")
def mean_left_in(images):
    """The average pixel is still in: every number is about 110 too high.

    Take BGR_MEAN away after the colours were turned round.
    """
    return _resized(tf.reverse(tf.cast(images, tf.float32), [-1]))


@instead_of("preprocess")
def own_mean(images):
    """Each picture lost its own mean; AlexNet was trained minus the mean of all of ImageNet.

    Subtract BGR_MEAN, three numbers, the same for every picture.
    """
    images = _resized(tf.reverse(tf.cast(images, tf.float32), [-1]))
    return images - tf.reduce_mean(images, [1, 2, 3], keepdims=True)


@instead_of("preprocess")
def picture_mirrored(images):
    """The picture was turned round, not the colours: left is right.

    The colours are the last axis: tf.reverse(images, [-1]).
    """
    return _resized(tf.reverse(tf.cast(images, tf.float32), [2]) - BGR_MEAN)


@instead_of("preprocess")
def scaled_to_one(images):
    """The numbers were divided by 255; AlexNet knows colours from 0 to 255.

    Leave the numbers as large as they are, then take BGR_MEAN away.
    """
    return _resized(tf.reverse(tf.cast(images, tf.float32), [-1]) / 255 - BGR_MEAN)


@instead_of("preprocess")
def axes_swapped(images):
    """Height and width are swapped: the picture lies on its side.

    Keep the axes [n, height, width, 3] in their order.
    """
    turned = tf.transpose(tf.cast(images, tf.float32), [0, 2, 1, 3])
    return _resized(tf.reverse(turned, [-1]) - BGR_MEAN)


@instead_of("preprocess")
def jagged(images):
    """Pictures that are made smaller lose lines and get jagged edges: pixels are passed over.

    Give tf.image.resize antialias=True.
    """
    return tf.image.resize(tf.reverse(tf.cast(images, tf.float32), [-1]) - BGR_MEAN, SIZE)


def _resized(images):
    return tf.image.resize(images, SIZE, antialias=True)


def _clipped(old, size):
    return np.clip((np.arange(size) + 0.5) * old / size - 0.5, 0, old - 1)


def _right(image, size):
    return _mixed(image, size, lambda share: share)


def _mixed(image, size, shared):
    for _ in range(2):
        where = _clipped(len(image), size)
        low = np.floor(where).astype(int)
        share = shared(where - low)[:, np.newaxis, np.newaxis]
        image = image[low] * (1 - share) + image[np.minimum(low + 1, len(image) - 1)] * share
        image = np.swapaxes(image, 0, 1)
    return image
