"""Picture files at the size of the network, without their pixels all becoming float32 first."""

import numpy as np
from PIL import Image

from lab.data import images

FLOATS = 16  # bytes that `preprocess` takes for each pixel of a whole picture
ENOUGH = 2  # times the side of the square: from there on no picture need be larger


def prepared(path, network, convention):
    """The picture in a file as `network`, a module, wants it: float32 [1, side, side, 3].

    What its `preprocess` makes of the decoded picture: but for rounding, if a side is less than
    four times that of the network and none over 32 times. Of larger ones, with convention "caffe",
    blocks of pixels are averaged first, which moves fc7 of photographs by up to 2 %. "course"
    passes over pixels instead, and needs the very ones it is known for: all become float32.
    """
    if convention == "caffe":
        return network.preprocess(squeezed(path, network.INPUT_SIZE)[np.newaxis], convention)
    with images.held(path, more=FLOATS) as picture:
        return network.preprocess(picture[np.newaxis], convention)


def squeezed(path, side):
    """The picture in a file as a square, RGB 0-255: float32 [side, side, 3].

    Pillow's resize is TensorFlow's with antialias=True, several times as fast.
    """
    picture = Image.fromarray(images.read(path, at_least=ENOUGH * side))
    colours = [
        colour.convert("F").resize((side, side), Image.Resampling.BILINEAR)
        for colour in picture.split()
    ]
    return np.stack(colours, axis=-1)
