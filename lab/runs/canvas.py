"""How every figure looks, and how it is written: one to a file, its title on top.

A figure is WIDTH inches wide where it can be, and its type has 8 points at least: on a telephone,
which shows it about 380 pixels wide, that is still six pixels high, and twice as sharp.
Colours are those of Okabe and Ito, "Color Universal Design" (2008), which colour-blind people tell
apart. An image is an array, uint8 [height, width, 3] RGB of any size, or the path of a picture
file, which is read only when it is shown.
"""

import textwrap
from contextlib import contextmanager
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from PIL import Image

from lab.data import images
from lab.files import replace

WIDTH = 6.4  # inches
DOTS = 160  # an inch
LARGEST = 1024  # pixels; the width of a figure
BLUE, ORANGE, GREEN, GREY = "#0072B2", "#D55E00", "#009E73", "#666666"
STYLE = {
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    "figure.dpi": DOTS,
    "font.family": "DejaVu Sans",  # comes with matplotlib: the same picture everywhere
    "font.size": 10,
    "legend.frameon": False,
    "text.parse_math": False,  # a class may be called "$5 or $10"
}


@contextmanager
def figure(path, height, title, width=WIDTH):
    """A figure of `width` x `height` inches under its title, written to `path` when the block ends.

    The suffix of `path` names the format.
    """
    lines = textwrap.wrap(title, int(width * 9.2))
    with matplotlib.rc_context(STYLE):
        drawn = Figure(figsize=(width, height + 0.25 * len(lines)), layout="constrained")
        drawn.suptitle("\n".join(lines), x=0.01, ha="left", fontsize=12, fontweight="bold")
        yield drawn
        replace(Path(path), drawn.savefig)


def picture(image):
    """The array of an image, made smaller where a figure could not show all its pixels."""
    array = image if isinstance(image, np.ndarray) else images.read(image)
    if max(array.shape) <= LARGEST:
        return array
    small = Image.fromarray(array)
    small.thumbnail((LARGEST, LARGEST))
    return np.asarray(small)


def show(axes, image, **options):
    """An image without ticks or frame."""
    axes.imshow(image, **options)
    empty(axes)


def empty(axes):
    """No ticks, no frame; unlike with `set_axis_off` a label may stand below."""
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_visible(False)


def short(name, width=34):
    """A name on one line of at most `width` characters."""
    name = " ".join(name.split())
    return name if len(name) <= width else name[: width - 1].rstrip() + "…"
