"""Exercise 1: a picture as AlexNet wants it.

30 minutes, easy, 11 lines to write. Belongs to chapter 1 of the guide.

AlexNet takes pictures of 227 x 227 pixels, blue before green before red, minus the average pixel of
ImageNet. A traffic sign of `train.p` has 32 x 32 pixels, red first. Write what lies between:

`places`      where each pixel of a longer row looks in the shorter one,
`enlarge`     an image made larger by it, without TensorFlow,
`preprocess`  all that happens to a picture, with TensorFlow's resize, as in alexnet.py.

How yours stands:          make exercises ONLY=resize
A hint, and a larger one:  make exercises ONLY=resize HINT=1, then HINT=2
"""

import numpy as np
import tensorflow as tf

from alexnet import BGR_MEAN, INPUT_SIZE


def places(old, new):
    """Where the middles of `new` pixels lie in a row of `old` pixels of the same length: [new].

    Pixel 0 of the old row reaches from 0 to 1, but its middle is what we call place 0. So two
    pixels stretched to four look at the places [-0.25, 0.25, 0.75, 1.25].
    """
    # Your code, about 1 line.
    raise NotImplementedError


def enlarge(image, size):
    """An image [height, width, 3] as float [size, size, 3], by bilinear interpolation.

    A new pixel that looks between two old ones takes a share of each: at place 3.2 it is 0.8 of
    pixel 3 and 0.2 of pixel 4. First rows are mixed so, then columns. A place beyond the edge is
    the pixel at the edge.
    """
    # Your code, about 8 lines.
    raise NotImplementedError


def preprocess(images):
    """Pictures RGB 0-255, uint8 or float [n, height, width, 3] -> float32 [n, 227, 227, 3].

    Blue, green, red, minus BGR_MEAN, then resized with `tf.image.resize(..., antialias=True)`.
    """
    # Your code, about 2 lines.
    raise NotImplementedError
