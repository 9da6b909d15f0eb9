"""The ideas of the lab as sketches; their numbers come from AlexNet's table and from a file."""

import math
from pathlib import Path

import numpy as np
import pandas as pd

import alexnet
import train_finetuning
from guide.drawings.canvas import BLUE, EDGE, GREEN, GREY, NORMAL, ORANGE, WIDTH, card
from lab.data.dataset import sign_names
from lab.demo import signs
from lab.demo.flowers import KINDS, flower
from lab.networks import ALEXNET
from lab.training.optimizers import warmup_cosine

# Printed by the course of 2016, or measured by the command beside each figure with a substitute for
# the published weights: AlexNet's own conv1 to conv5 rounded to 16 bits, fc6 and fc7 random.
MEASURED = Path(__file__).parent.parent / "figures" / "measured.csv"
NAMES = [*alexnet.KERNELS]
STOP = 14


def measured():
    """Name -> figure."""
    return pd.read_csv(MEASURED, index_col="name")["value"]


def counted(classes):
    """How many weights, biases too, the last layer has for so many classes."""
    return (alexnet.KERNELS["fc8"][0] + 1) * classes


# ---- the two methods -----------------------------------------------------------------------------


def two_methods(path):
    """Feature extraction and fine-tuning side by side: what learns in each."""
    found = measured()
    with card(path, 534, "Two methods: only the new layer learns, or all of them do") as page:
        for x, name, learns in [(EDGE, "feature extraction", []), (212, "fine-tuning", NAMES)]:
            y = page.top + 14
            page.text(x, y, name, size=NORMAL, weight="bold")
            page.image(x + 62, y + 16, 44, signs.sign(STOP, seed=3))
            y = _stack(page, x, y + 70, learns)
            value = found["fine-tuning" if learns else "feature-extraction"]
            page.text(x, y + 22, "an epoch: minutes" if learns else "an epoch: a second")
            page.text(x, y + 42, f"named right: {value:.3f}")
        y += 74
        _key(page, y)
        page.text(EDGE, y + 34, "Signs that nobody trained on; substitute weights", color=GREY)


def _stack(page, x, y, learns):
    """The layers from the first to a new last one, where the gradient goes; the lowest y."""
    layers = [*NAMES[:-1], "new layer"]
    for number, name in enumerate(layers):
        color = ORANGE if name in learns or name == "new layer" else GREY
        page.box(x, y + 34 * number, 140, 26, color, name)
    bottom = y + 34 * len(layers) - 8
    top = y if learns else bottom - 26
    page.arrow((x + 154, bottom), (x + 154, top), color=ORANGE, width=2)
    return bottom


def _key(page, y):
    for x, color, words in [(EDGE, ORANGE, "learns"), (110, GREY, "frozen")]:
        page.box(x, y - 7, 14, 14, color)
        page.text(x + 22, y, words)
    page.arrow((212, y + 6), (212, y - 7), color=ORANGE, width=2)
    page.text(222, y, "how far the gradient goes")


def four_cases(path):
    """Little or much to learn from, near or far from what the network knows: what to do."""
    title = "Which method when? How many pictures, how much like the old ones"
    with card(path, 430, title) as page:
        left, top, wide, high = 76, page.top + 30, 150, 150
        page.text(left + wide / 2, top - 12, "near", ha="center", weight="bold")
        page.text(left + 1.5 * wide + 8, top - 12, "far", ha="center", weight="bold")
        cells = [
            ("head on fc7", "the top knows\nit already", "fc7", []),
            ("head lower down", "what lies lower is\nless special", "conv4", []),
            ("fine-tuning", "all layers may\nlearn a little", "fc7", NAMES),
            ("fine-tuning", "all must learn;\nor from scratch", "fc7", NAMES),
        ]
        for number, (name, why, last, learns) in enumerate(cells):
            x, y = left + (wide + 8) * (number % 2), top + (high + 8) * (number // 2)
            page.box(x, y, wide, high, GREY, fill="white")
            page.text(x + wide / 2, y + 16, name, ha="center", weight="bold", size=NORMAL)
            _small_stack(page, x + 45, y + 32, last, learns)
            page.text(x + wide / 2, y + high - 22, why, ha="center")
        page.text(EDGE, top + high / 2, "little", weight="bold")
        page.text(EDGE, top + 1.5 * high + 8, "much", weight="bold")
        _layers_key(page, top + 2 * high + 28)


def _small_stack(page, x, y, last, learns):
    """AlexNet up to a layer, and the new layer there; what is not needed is only hinted at."""
    used = NAMES.index(last) + 1
    for number in range(len(NAMES)):
        color = ORANGE if number == used or (number < used and learns) else GREY
        look = {"fill": "none", "ls": ":"} if number > used else {}
        page.box(x, y + 9.5 * number, 60, 7, color, **look)


def _layers_key(page, y):
    for x, color, words in [(EDGE, ORANGE, "learns"), (110, GREY, "frozen")]:
        page.box(x, y - 5, 24, 10, color)
        page.text(x + 32, y, words)
    page.box(212, y - 5, 24, 10, GREY, fill="none", ls=":")
    page.text(244, y, "left out")


# ---- the last layer ------------------------------------------------------------------------------


def no_none(path):
    """A stop sign among 1000 names of which none is its own."""
    names = ["digital watch", "digital clock", "bottlecap"]
    values = [measured()[f"stop: {name}"] for name in names]
    rest = alexnet.KERNELS["fc8"][-1] - len(names)
    rows = [*zip(names, values, strict=True), (f"{rest} other names", 1 - sum(values))]
    title = "A stop sign is none of the 1000 classes, and AlexNet cannot say so"
    with card(path, 408, title) as page:
        y = page.top + 8
        page.image(EDGE, y, 84, signs.sign(STOP, seed=3, size=96))
        page.arrow((108, y + 42), (138, y + 42))
        page.box(142, y + 20, 84, 44, GREY, "AlexNet\n1000 scores")
        page.arrow((230, y + 42), (260, y + 42))
        page.box(264, y + 20, 120, 44, BLUE, "softmax: shares\nthat make 1")
        y += 116
        for name, value in rows:
            page.text(136, y, name, ha="right")
            page.box(144, y - 10, 200 * value, 20, BLUE, fill=BLUE if name in names else None)
            page.text(150 + 200 * value, y, f"{value:.3f}")
            y += 32
        page.line([EDGE, WIDTH - EDGE], [y - 8, y - 8], GREY, 0.8)
        for name in ("stop sign", "none of these"):
            page.text(136, y + 14, name, ha="right", color=ORANGE)
            page.box(144, y + 4, 84, 20, ORANGE, fill="none", ls=":")
            page.text(236, y + 14, "no such name", color=ORANGE)
            y += 32
        page.text(EDGE, y + 16, "stop.jpg in the course of 2016, published weights", color=GREY)


def new_layer(path):
    """The layer with the 1000 names is cut off; one with 43 takes its place."""
    (width, old), new = alexnet.KERNELS["fc8"], len(sign_names())
    with card(path, 500, "Cut off the layer with 1000 names, put one with 43 there") as page:
        y = page.top + 12
        page.image(EDGE, y, 60, signs.sign(STOP, seed=3))
        page.arrow((80, y + 30), (104, y + 30))
        page.box(108, y + 8, 150, 44, GREY, "conv1 … fc7\nstay as they are")
        page.arrow((262, y + 30), (290, y + 30))
        page.text(296, y + 30, f"{width:,}\nfeatures")
        y += 86
        for title, color, classes, names in [
            ("fc8, cut off", GREY, old, ["tench", "goldfish", "…", "toilet tissue"]),
            ("the new layer", ORANGE, new, [*sign_names()[13:15], "…", sign_names()[17]]),
        ]:
            page.text(EDGE, y, title, size=NORMAL, weight="bold", color=color)
            page.text(WIDTH - EDGE, y, f"{counted(classes):,} weights", ha="right")
            _wired(page, y + 24, color, names)
            y += 166
        page.line([30, 200], [y - 316, y - 202], ORANGE, 3)
        page.line([200, 30], [y - 316, y - 202], ORANGE, 3)
        page.text(EDGE, y - 4, f"All {old} names are gone: it knows {new} signs now.", color=GREY)


def _wired(page, y, color, names):
    """Features on the left, each wired to each name on the right."""
    left = [y + 16 * number for number in range(8)]
    right = [y + 6 + 34 * number for number in range(len(names))]
    for start in left:
        for end, name in zip(right, names, strict=True):
            if name != "…":
                page.line([44, 200], [start, end], color, 0.5, alpha=0.6)
    page.line([40] * len(left), left, GREY, 0, marker="o", ms=4)
    for end, name in zip(right, names, strict=True):
        if name != "…":
            page.line([204], [end], color, 0, marker="o", ms=7)
        page.text(218, end, name)


def features_once(path):
    """Each picture goes through the frozen network once; the head sees the features every epoch."""
    below = sum(math.prod(kernel) for name, kernel in alexnet.KERNELS.items() if name != "fc8")
    width, classes = alexnet.KERNELS["fc8"][0], len(sign_names())
    with card(path, 500, "Through the network once; then train on what came out") as page:
        y = page.top + 30
        page.text(EDGE, y - 14, "once", size=NORMAL, weight="bold", color=BLUE)
        for number in range(4):
            page.image(EDGE, y + 40 * number, 36, signs.sign(6 * number + 2, seed=2))
        page.arrow((60, y + 78), (86, y + 78))
        corners = [(90, y), (190, y + 34), (190, y + 122), (90, y + 156)]
        page.shape(corners, GREY)
        words = f"AlexNet\nconv1 … fc7\n{below / 1e6:.0f} million\nweights"
        page.text(140, y + 78, words, ha="center")
        page.arrow((194, y + 78), (216, y + 78))
        for number in range(4):
            page.numbers(222, y + 40 * number + 8, 162, count=17, seed=number)
        page.text(303, y - 6, f"{width:,} numbers each, kept", ha="center")
        y += 200
        page.line([EDGE, WIDTH - EDGE], [y, y], GREY, 0.8)
        page.arrow((303, y - 30), (303, y + 56), color=ORANGE, width=2)
        y += 26
        page.text(EDGE, y, "in every epoch", size=NORMAL, weight="bold", color=ORANGE)
        page.box(222, y + 34, 162, 52, ORANGE, f"the new layer\n{counted(classes):,} weights")
        page.box(EDGE, y + 34, 110, 52, ORANGE, "loss, gradient,\nstep", fill="white")
        page.arrow((218, y + 46), (130, y + 46), color=ORANGE, width=2)
        page.arrow((130, y + 74), (218, y + 74), color=ORANGE, width=2)
        y += 124
        page.text(EDGE, y, "The pass takes minutes on two cores, an epoch a second.")
        page.text(EDGE, y + 24, "In 2016 each epoch pushed all pictures through again.", color=GREY)


def fine_tuning(path):
    """Which layers learn with which step size, and how it changes with time: step 5's own."""
    layers = [*ALEXNET.kernels(ALEXNET.layer), "head"]
    factors = [1 if name.startswith("conv") else train_finetuning.FASTER for name in layers]
    peak = train_finetuning.command_line().get_default("learning_rate")
    title = "Fine-tuning: all layers learn, with small steps; the dense ones faster"
    with card(path, 480, title) as page:
        y = page.top + 16
        page.text(EDGE, y, "largest step of each layer", weight="bold")
        y += 24
        for name, factor in zip(layers, factors, strict=True):
            color = BLUE if factor == 1 else ORANGE
            page.text(70, y, name, ha="right")
            page.box(80, y - 8, 64 * factor, 16, color, fill=color)
            page.text(86 + 64 * factor, y, f"{factor * peak * 1e4:g} / 10,000")
            y += 23
        page.text(EDGE, y + 16, "and how it changes during training", weight="bold")
        steps = np.arange(1001)
        rate = warmup_cosine(peak, 1000)
        values = np.array([float(rate(step)) for step in steps[::10]])
        panel = page.panel(78, y + 34, 300, 120)
        for factor, color in [(1, BLUE), (train_finetuning.FASTER, ORANGE)]:
            panel.plot(steps[::10] / 10, values * factor * 1e4, color=color, lw=2)
        panel.set(xlim=(0, 100), ylim=(0, 3.3), yticks=[0, 1, 2, 3], xticks=[0, 50, 100])
        panel.set_xticklabels(["begin", "half of the steps", "end"])
        panel.set_ylabel("1 / 10,000")
        panel.grid(alpha=0.3)


# ---- your own pictures, and out of the lab -------------------------------------------------------


def own_folder(path):
    """A folder of pictures, a subfolder a class, becomes a classifier."""
    kinds = [*KINDS]
    with card(path, 462, "Your own pictures: one folder a class, named like it") as page:
        y = page.top + 12
        page.text(EDGE, y, "my_pictures/", weight="bold", family="DejaVu Sans Mono")
        for label in (0, 2):
            y += 38
            page.line([EDGE + 8, EDGE + 8, EDGE + 20], [y - 28, y, y], GREY)
            page.text(EDGE + 26, y, f"{kinds[label]}/", family="DejaVu Sans Mono")
            for number in range(4):
                page.image(128 + 62 * number, y - 22, 56, flower(label, seed=number + 3))
            y += 26
        y += 26
        _command(page, y, "train_feature_extraction.py\n--data my_pictures/")
        page.text(EDGE, y + 64, "runs/latest", weight="bold", family="DejaVu Sans Mono")
        page.text(120, y + 64, "a classifier, its figures, a report")
        _command(page, y + 92, "feature_extraction.py\n--run runs/latest new.jpg")
        page.image(EDGE, y + 152, 56, flower(2, seed=9))
        page.text(EDGE + 70, y + 180, "new.jpg", family="DejaVu Sans Mono")
        page.arrow((160, y + 180), (196, y + 180))
        page.box(204, y + 164, 90, 32, GREEN, kinds[2])


def _command(page, y, words):
    page.box(EDGE, y, WIDTH - 2 * EDGE, 46, GREY)
    page.text(EDGE + 10, y + 23, f"python {words}", family="DejaVu Sans Mono")


def ways_out(path):
    """What leads from a trained run to its use elsewhere."""
    ways = [
        ("export", "files for other programs:", "SavedModel, LiteRT, ONNX", BLUE),
        ("serve", "a web page and an address", "that names the pictures sent", GREEN),
        ("embed", "tables of features or names", "of folders of any size", ORANGE),
    ]
    with card(path, 336, "Three ways out of the lab, all from one run folder") as page:
        middle = page.top + 130
        page.box(EDGE, middle - 50, 96, 100, GREY)
        page.text(EDGE + 48, middle - 22, "runs/latest", ha="center", weight="bold")
        page.text(EDGE + 48, middle + 16, "network,\nhead, names", ha="center")
        for number, (name, what, more, color) in enumerate(ways):
            y = page.top + 14 + 84 * number
            page.arrow((EDGE + 100, middle), (142, y + 32), color=color, width=2)
            page.box(146, y, WIDTH - EDGE - 146, 66, color)
            page.text(158, y + 15, f"deploy.{name}", weight="bold", size=NORMAL)
            page.text(158, y + 42, f"{what}\n{more}")
