"""AlexNet and VGG16 as their own tables have them: what is drawn here is computed from these."""

import functools
import itertools
import math

import numpy as np
import tensorflow as tf
from PIL import Image

import alexnet
import vgg16
from guide.drawings.canvas import BLUE, EDGE, GREY, ORANGE, card, fitted
from lab import inputs
from lab.demo import signs
from lab.demo.flowers import KINDS, flower
from lab.networks import ALEXNET
from lab.runs import drawings

TOWERS = (115, 205)  # units from the left: the middles of both
SIGN = 32  # pixels of a filmed sign
CUT = "In 2012 AlexNet was cut in two, to fit on two graphics cards"


@functools.cache
def shapes(network):
    """Layer -> shape of what it puts out for one picture; nothing is computed for it."""

    def walk():
        side = network.INPUT_SIZE
        weights = {
            name: (tf.zeros(kernel), tf.zeros(kernel[-1]))
            for name, kernel in network.KERNELS.items()
        }
        return network.activations(tf.zeros([1, side, side, 3]), weights)

    found = tf.function(walk).get_concrete_function().structured_outputs
    return {name: tuple(found[name].shape[1:]) for name in network.LAYERS}


def architecture(path):
    """AlexNet's two towers: what a layer puts out, its weights, and where the halves meet."""
    found, before, step = shapes(alexnet), 3, 72
    with card(path, 104 + step * (len(alexnet.KERNELS) + 1), CUT) as page:
        y = page.top + 46
        page.text(TOWERS[0] - 40, y + 26, "card 1", ha="center", color=BLUE)
        page.text(TOWERS[1] + 40, y + 26, "card 2", ha="center", color=ORANGE)
        side = alexnet.INPUT_SIZE
        page.image(132, y - 30, 56, signs.sign(14, size=96))
        page.text(262, y, f"{side} × {side} × 3\nthe picture")
        places, low = [160, 160], y + 26
        for name, kernel in alexnet.KERNELS.items():
            y += step
            _say(page, y, name, kernel, found[name])
            halves = TOWERS if name != "fc8" else (160, 160)
            high = _slab(page, y, found[name], halves)
            groups = before // kernel[2] if len(kernel) == 4 else 1
            _wires(page, places, halves, low + 2, y - high / 2 - 2, crossed=groups == 1)
            between = " ".join(_between(name))
            page.text(160, y + high / 2 + 9, between, ha="center", color=GREY)
            before, places, low = found[name][-1], halves, y + high / 2 + (15 if between else 0)
        page.text(EDGE, y + 46, "Crossed lines: a layer that sees both halves.", color=GREY)


def _say(page, y, name, kernel, shape):
    """The name of a layer, what it puts out, and its weights."""
    page.text(EDGE, y, name, weight="bold")
    size = " × ".join(f"{length:,}" for length in shape)
    page.text(262, y, f"{size}\n{math.prod(kernel):,} weights")


def _between(name):
    """The layers without weights that follow a layer with weights."""
    rest = [*alexnet.LAYERS][[*alexnet.LAYERS].index(name) + 1 :]
    for each in rest:
        if each in alexnet.KERNELS:
            return
        yield each


def _slab(page, y, shape, halves):
    """What a layer puts out, a box a tower: as high as its map, as wide as it has channels."""
    channels = shape[-1] if halves[0] == halves[1] else shape[-1] // 2
    width = 4 * channels**0.4
    high = 4.4 * math.sqrt(shape[0]) if len(shape) == 3 else 12
    for place, color in {halves[0]: BLUE, halves[1]: ORANGE}.items():
        color = GREY if halves[0] == halves[1] else color
        page.box(place - width / 2, y - high / 2, width, high, color)
    return high


def _wires(page, above, below, low, high, crossed):
    pairs = itertools.product(above, below) if crossed else zip(above, below, strict=True)
    for start, end in sorted({*pairs}):
        page.arrow((start, low), (end, high), width=1, color=GREY)


# ---- what a unit sees ----------------------------------------------------------------------------


def receptive_fields(layers):
    """Layer -> (first pixel, pixels) that the unit in the middle of its map sees, across.

    layers: layer -> [side, side, channels], from below, as AlexNet's. Strides, windows and borders
    follow from how the side changes.
    """
    side, size, jump, first, found = alexnet.INPUT_SIZE, 1, 1, 0, {}
    for name, (out, *_) in layers.items():
        stride = side // out
        window = alexnet.KERNELS[name][0] if name in alexnet.KERNELS else side - (out - 1) * stride
        if out == side:  # a border of zeros keeps the size
            first -= jump * (window // 2)
        size, jump, side = size + jump * (window - 1), jump * stride, out
        found[name] = first + jump * (out // 2), size
    return found


def fields(path):
    """What a unit in the middle of each map sees of a stop sign."""
    side = alexnet.INPUT_SIZE
    sign = np.asarray(Image.fromarray(signs.sign(14, seed=3)).resize((side, side)))
    maps = {name: each for name, each in shapes(alexnet).items() if len(each) == 3}
    fields = {**receptive_fields(maps), "fc6": (0, side)}
    title = "What one unit sees of a sign: the higher its layer, the more"
    with card(path, 424, title) as page:
        for number, name in enumerate(["conv1", "conv2", "conv3", "conv4", "conv5", "fc6"]):
            x, y = EDGE + number % 3 * 125, page.top + 26 + number // 3 * 152
            first, size = fields[name]
            page.text(x, y - 10, name, weight="bold")
            page.text(x + 118, y - 10, f"{size} pixels", ha="right")
            page.image(x, y, 118, _lit(sign, first, size))
            scale = 118 / side
            place = x + first * scale, y + first * scale
            page.box(*place, size * scale, size * scale, ORANGE, fill="none", zorder=4, lw=2)
        _, window = fields["conv1"]
        words = (
            f"Of {side} pixels, to which a sign’s {SIGN} were enlarged:\n"
            f"{window} of them are {window * SIGN / side:.1f} of the sign’s own."
        )
        page.text(EDGE, 396, words)


def _lit(picture, first, size):
    """The picture, pale but for a square about its middle."""
    pale = (0.25 * picture + 0.75 * 245).astype(np.uint8)
    seen = slice(max(first, 0), first + size)
    pale[seen, seen] = picture[seen, seen]
    return pale


def filters(path, file=None):
    """The filters of conv1: of a weights file, else random ones, which the title says."""
    weights = inputs.weights(ALEXNET, file, demo=file is None)
    kernel = weights["conv1"][0].numpy()[:, :, ::-1]  # Caffe sees BGR
    drawn = drawings.filters(kernel, path)
    if file is None:
        drawn.suptitle("Random filters of conv1 are noise; the trained ones are edges and colours")
    height, width, _, count = kernel.shape
    drawn.axes[0].set_xlabel(f"{count} filters, {height} × {width} pixels each; grey is zero")
    fitted(drawn, path, 350)


# ---- the second lab ------------------------------------------------------------------------------


def codes(path):
    """VGG16 by its table, down to the layer whose output is a picture's code."""
    found = shapes(vgg16)
    title = "VGG16: thirteen convolutions and a dense layer make the codes"
    with card(path, 566, title) as page:
        y = page.top + 14
        page.image(EDGE, y - 8, 60, flower(3, seed=6))
        page.text(92, y + 22, f"{vgg16.INPUT_SIZE} × {vgg16.INPUT_SIZE} × 3: a photograph")
        y += 66
        for block, names in _blocks().items():
            side, _, channels = found[names[-1]]
            width = 16 + 4 * math.sqrt(side)
            for number in range(len(names)):
                page.box(EDGE + 10 * number, y + 5 * number, width, 24, BLUE)
            words = f"{len(names)} × conv, 3 × 3"
            page.text(132, y + 10, block, weight="bold")
            page.text(190, y + 10, words)
            page.text(190, y + 27, f"{side} × {side} × {channels}", color=GREY)
            y += 62
            page.arrow((EDGE + 38, y - 22), (EDGE + 38, y - 4), color=GREY)
        _codes_and_head(page, y, found)


def _blocks():
    """Name of a block -> its convolutions."""
    blocks = {}
    for name, kernel in vgg16.KERNELS.items():
        if len(kernel) == 4:
            blocks.setdefault(name.split("_")[0], []).append(name)
    return blocks


def _codes_and_head(page, y, found):
    (width,) = found["fc6"]
    page.numbers(EDGE, y + 4, 104, count=13)
    page.text(132, y + 12, "fc6", weight="bold")
    page.text(190, y + 12, f"{width:,} numbers: the code")
    page.arrow((EDGE + 38, y + 28), (EDGE + 38, y + 44), color=GREY)
    page.box(EDGE, y + 48, 104, 28, ORANGE)
    page.text(132, y + 62, "new", weight="bold")
    page.text(190, y + 62, f"a layer for {len(KINDS)} flowers:\nthis alone learns")
    page.text(EDGE, y + 100, "fc7 and fc8, with ImageNet’s names, are left out.", color=GREY)
