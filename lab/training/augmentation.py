"""Pictures changed a little, so that a network that meets them often does not learn them by heart.

    augment = of("signs", names)
    images, labels = augment(images, labels, tf.gather(draws(count, seed, epoch), rows))

All chance is in `draws`: what a picture looks like depends on the seed, the epoch and its row
alone, not on the batch it is in, and a training that goes on sees what it would have seen.
"""

from dataclasses import dataclass
from math import pi

import numpy as np
import tensorflow as tf

from lab.data import mirrors

DRAWS = 9  # random numbers a picture needs
STREAM = 1  # keeps these numbers apart from others of the same seed and epoch


def draws(count, seed, epoch):
    """The random numbers of an epoch, a row for each of `count` pictures: [count, DRAWS], -1 to 1.

    Zeros would change nothing. seed and epoch are whole numbers or tensors of them.
    """
    seed = tf.stack([tf.cast(seed, tf.int64), tf.cast(epoch, tf.int64)])
    seed = tf.random.experimental.stateless_fold_in(seed, STREAM)
    return tf.random.stateless_uniform([count, DRAWS], seed, minval=-1, maxval=1)


@dataclass(frozen=True)
class Light:
    """How far light may differ at most; (1, 0) leaves it as it is."""

    contrast: float  # times or divided by it, about the mean of the picture
    brightness: float  # of 255, up or down


@dataclass(frozen=True)
class Pose:
    """How far a sign may be moved, turned and out of focus at most; zeros leave it as it is."""

    rotation: float = 15  # degrees to either side
    shear: float = 5  # degrees to either side
    scale: float = 0.1  # larger or smaller by this share
    shift: float = 2 / 32  # of the sides, each way
    blur: float = 0.7  # standard deviation, pixels


@dataclass(frozen=True)
class Crop:
    """How little of a photograph may fill its frame; (1, 1) is always all of it."""

    share: float = 0.5  # of the area, at least
    aspect: float = 4 / 3  # width against height is stretched or squeezed so far at most


def of(choice, names):
    """The augmentation of that name, one of CHOICES, for classes of these names: a function.

    It takes images [n, h, w, 3], RGB 0-255, labels [n], and as many rows of `draws`. It returns
    images of the same shape, float32 but whole numbers 0-255, and the labels they have now. It runs
    by itself, in a `tf.function`, and in a map of tf.data.
    """
    return CHOICES[choice](names)


def by_epoch(augment, count, seed):
    """`augment` for a training on `count` pictures: of images, labels, their rows and the epoch."""

    def augmented(images, labels, rows, epoch):
        return augment(images, labels, tf.gather(draws(count, seed, epoch), rows))

    return augmented


def none(names):
    """Everything stays."""

    def augment(images, labels, draws):
        return tf.cast(images, tf.float32), labels

    return augment


def signs(names, light=Light(1.5, 50), pose=Pose()):
    """For traffic signs: another pose, mirrored where the sign allows it, and other light.

    The hue stays, because colours mean something.
    """
    mirrored = mirrors.labels(names)

    @tf.function(jit_compile=True, autograph=False)
    def augment(images, labels, draws):
        flip, contrast, brightness, *place, focus = tf.unstack(draws, axis=1)
        sides, labels = _flipped(flip, labels, mirrored)
        images = _blurred(tf.cast(images, tf.float32), pose.blur * tf.abs(focus))
        images = _warped(images, _turned(pose, sides, *place))
        return _lit(images, light, contrast, brightness), labels

    return augment


def photos(names, light=Light(1.2, 25), crop=Crop()):
    """For photographs: a part of the picture at its full size, mirrored or not, in other light."""
    mirrored = np.arange(len(names))

    @tf.function(jit_compile=True, autograph=False)
    def augment(images, labels, draws):
        flip, contrast, brightness, *place = tf.unstack(draws[:, :7], axis=1)
        sides, labels = _flipped(flip, labels, mirrored)
        images = _warped(tf.cast(images, tf.float32), _cropped(crop, sides, *place))
        return _lit(images, light, contrast, brightness), labels

    return augment


CHOICES = {"none": none, "signs": signs, "photos": photos}


def sheet(images, labels, augment, columns=8, seed=0):
    """Examples to look at: uint8 RGB, below one another `images` [n, h, w, 3], uint8; beside each
    what it looks like in as many epochs as there are `columns`.
    """
    rows = len(images)
    epochs = [augment(images, labels, draws(rows, seed, epoch))[0] for epoch in range(columns)]
    shown = np.stack([images, *epochs], axis=1).astype(np.uint8)
    return shown.swapaxes(1, 2).reshape(rows * shown.shape[2], -1, 3)


# ---- what is done to pictures -------------------------------------------------------------------


def _flipped(flip, labels, mirrored):
    """Of each picture: -1 to swap its left and right, else 1; and the label it has then.

    mirrored: the label of a mirrored picture, by label; -1 where it has none.
    """
    new = tf.gather(tf.constant(mirrored, labels.dtype), labels)
    flips = (flip > 0) & (new >= 0)
    return tf.where(flips, -1.0, 1.0), tf.where(flips, new, labels)


def _lit(images, light, contrast, brightness):
    """Images in other light, whole numbers 0-255; the last thing done, as in a camera."""
    mean = tf.reduce_mean(images, axis=[1, 2, 3], keepdims=True)
    contrast = _each(light.contrast**contrast)
    brightness = _each(light.brightness * brightness)
    # At most half of the way to black or white: the darkest signs would vanish.
    brightness = tf.clip_by_value(brightness, -mean / 2, (255 - mean) / 2)
    lit = (images - mean) * contrast + mean + brightness
    return tf.round(tf.clip_by_value(lit, 0, 255))


def _turned(pose, sides, rotation, shear, scale, right, down):
    """What `_warped` needs for a sign that is mirrored, sheared, turned, scaled and shifted."""
    angle, slope = pose.rotation * pi / 180 * rotation, tf.tan(pose.shear * pi / 180 * shear)
    scale = 1 + pose.scale * scale
    cos, sin = tf.cos(angle) / scale, tf.sin(angle) / scale
    right, down = pose.shift * right, pose.shift * down
    return (sides * (cos + slope * sin), sides * (slope * cos - sin), right), (sin, cos, down)


def _cropped(crop, sides, share, aspect, right, down):
    """What `_warped` needs for a part of a photograph: anywhere within the picture."""
    share = tf.sqrt(1 - (1 - crop.share) * tf.abs(share))
    stretch = tf.sqrt(crop.aspect**aspect)
    width, height = tf.minimum(share * stretch, 1), tf.minimum(share / stretch, 1)
    right, down = right * (1 - width) / 2, down * (1 - height) / 2
    zero = tf.zeros_like(sides)
    return (sides * width, zero, right), (zero, height, down)


def _warped(images, places):
    """Images [n, h, w, 3] in which each pixel shows what was elsewhere, bilinearly.

    places: where that was, across and down, measured from the centre: each three numbers [n], the
    factors of the pixel's own place across and down, and a shift as a share of the side. Beyond
    the edge the edge goes on.

    TensorFlow's ImageProjectiveTransformV3 does the same, a fifth as fast on a processor.
    """
    height, width = images.shape[1:3]
    pixels = tf.reshape(images, [-1, height * width, 3])
    (left, right, x), (top, bottom, y) = (
        _neighbours(place, side, height, width)
        for place, side in zip(places, (width, height), strict=True)
    )

    def mixed(row):
        one = tf.gather(pixels, row * width + left, batch_dims=1)
        return one + x * (tf.gather(pixels, row * width + right, batch_dims=1) - one)

    upper = mixed(top)
    return upper + y * (mixed(bottom) - upper)


def _neighbours(place, side, height, width):
    """Across or down, the two pixels next to each place, [n, h, w], and the second's share."""
    across, down, shift = map(_plane, place)
    x = tf.range(width, dtype=tf.float32) - (width - 1) / 2
    y = tf.range(height, dtype=tf.float32)[:, tf.newaxis] - (height - 1) / 2
    position = across * x + down * y + shift * side + (side - 1) / 2
    position = tf.clip_by_value(position, 0, side - 1)
    first = tf.floor(position)
    one = tf.cast(first, tf.int32)
    return one, tf.minimum(one + 1, side - 1), (position - first)[..., tf.newaxis]


def _blurred(images, deviation):
    """Images convolved with [w, 1 - 2 w, w] down and across: of that standard deviation [n]."""
    weight = _each(deviation**2 / 2)
    rows = tf.pad(images, [[0, 0], [1, 1], [0, 0], [0, 0]], "SYMMETRIC")
    images += weight * (rows[:, :-2] + rows[:, 2:] - 2 * images)
    columns = tf.pad(images, [[0, 0], [0, 0], [1, 1], [0, 0]], "SYMMETRIC")
    return images + weight * (columns[:, :, :-2] + columns[:, :, 2:] - 2 * images)


def _each(numbers):
    """One for each picture: [n] -> [n, 1, 1, 1]."""
    return numbers[:, tf.newaxis, tf.newaxis, tf.newaxis]


def _plane(numbers):
    return numbers[:, tf.newaxis, tf.newaxis]
