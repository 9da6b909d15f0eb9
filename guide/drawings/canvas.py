"""How every picture of the guide looks, and how it is written: a light card with round corners.

A card is WIDTH units wide. A telephone shows it about that many pixels wide, so a unit is a pixel
there, and the smallest letters, SMALL, can still be read. On a dark page a card stays light. Its
file has 255 colours and a clear one for what is outside the corners.
"""

import textwrap
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch, Polygon
from matplotlib.text import Text
from PIL import Image, ImageDraw

from lab.files import replace
from lab.runs.canvas import BLUE, GREEN, GREY, ORANGE, STYLE

WIDTH, EDGE = 400, 16  # units
UNITS, POINTS = 100, 0.72  # units of an inch, points of a unit
DOTS = 240  # pixels of an inch
SMALL, NORMAL, TITLE = 12.5, 14, 16  # units, of type
CORNER, CLEAR = 12, 255  # units, and a place in the palette

PAPER, LINE, INK = "#FAFAF6", "#DAD9D0", "#1B1B1B"
PALE = {BLUE: "#DCEBF5", ORANGE: "#FBE5D6", GREEN: "#D9F0E8", GREY: "#ECECE8"}
LOOK = {
    **STYLE,
    "figure.dpi": DOTS,
    "figure.facecolor": PAPER,
    "axes.facecolor": "none",
    "font.size": SMALL * POINTS,
    "axes.labelsize": SMALL * POINTS,
    "text.color": INK,
}


@contextmanager
def card(path, height, title):
    """A Card of that height, in units, under its title; written to `path` when the block ends."""
    with matplotlib.rc_context(LOOK):
        drawn = Figure(figsize=(WIDTH / UNITS, height / UNITS))
        yield Card(drawn, height, title)
        write(drawn, path)


class Card:
    """A page to draw on, in units from the left and from the top.

    top: where the title ends.
    """

    def __init__(self, drawn, height, title):
        self.drawn, self.height = drawn, height
        self.page = drawn.add_axes((0, 0, 1, 1), xlim=(0, WIDTH), ylim=(height, 0))
        self.page.set_axis_off()
        lines = _wrapped(title)
        self.text(EDGE, 12, "\n".join(lines), size=TITLE, weight="bold", va="top")
        self.top = _below(lines)

    def text(self, x, y, words, size=SMALL, color=INK, va="center_baseline", **look):
        look = {"linespacing": 1.2, **look}
        self.page.text(x, y, words, fontsize=size * POINTS, color=color, va=va, **look)

    def box(self, x, y, width, height, color=GREY, words="", fill=None, **look):
        """A box with round corners, pale inside; words in its middle."""
        shape = f"round,pad=0,rounding_size={min(5, width / 3, height / 3)}"
        fill = fill or PALE.get(color, color)
        style = {"boxstyle": shape, "fc": fill, "ec": color, "lw": 1.1, **look}
        self.page.add_patch(FancyBboxPatch((x, y), width, height, **style))
        if words:
            self.text(x + width / 2, y + height / 2, words, ha="center")

    def shape(self, corners, color):
        self.page.add_patch(Polygon(corners, fc=PALE[color], ec=color, lw=1.1))

    def arrow(self, *places, color=INK, width=1.4):
        """From the first of two places (x, y) to the second."""
        look = {"arrowstyle": "-|>", "shrinkA": 0, "shrinkB": 0, "mutation_scale": 9}
        self.page.add_patch(FancyArrowPatch(*places, color=color, lw=width, **look))

    def line(self, xs, ys, color=INK, width=1.2, **look):
        self.page.plot(xs, ys, color=color, lw=width, **look)

    def image(self, x, y, width, picture, frame=LINE, thick=1):
        """A picture [h, w, 3], uint8 or 0-1, of that width; each of its pixels stays a square."""
        height = width * picture.shape[0] / picture.shape[1]
        extent = (x, x + width, y + height, y)
        self.page.imshow(picture, extent=extent, interpolation="nearest", aspect="auto", zorder=2)
        box = [(x, y), (x + width, y), (x + width, y + height), (x, y + height)]
        self.page.add_patch(Polygon(box, fill=False, ec=frame, lw=thick, zorder=3))
        self.page.set(xlim=(0, WIDTH), ylim=(self.height, 0))

    def numbers(self, x, y, width, count, seed=0):
        """A strip of made-up numbers, most of them near 0, as a ReLU leaves them; dark is large."""
        found = np.minimum(np.random.default_rng(seed).gamma(0.4, size=count), 1)
        self.image(x, y, width, np.tile(1 - 0.75 * found, (2, 1))[..., None].repeat(3, axis=2))

    def panel(self, x, y, width, height, **settings):
        """Axes for a plot, in that place."""
        place = (x / WIDTH, 1 - (y + height) / self.height, width / WIDTH, height / self.height)
        axes = self.drawn.add_axes(place, **settings)
        axes.tick_params(labelsize=SMALL * POINTS)
        return axes


def fitted(drawn, path, height):
    """A figure of lab.runs, as the report of a run has it, once more as a card."""
    with matplotlib.rc_context(LOOK):
        drawn.set_dpi(DOTS)
        drawn.set_size_inches(WIDTH / UNITS, height / UNITS)
        drawn.set_facecolor(PAPER)
        for legend in drawn.legends[:]:
            _stack(drawn, legend)
        for part in drawn.findobj(Text):
            part.set_fontsize(max(part.get_fontsize(), SMALL * POINTS))
        for axes in drawn.findobj(Axes):
            axes.set_facecolor("none")
        lines = _wrapped(drawn.get_suptitle())
        title = {"x": EDGE / WIDTH, "y": 1 - 12 / height, "ha": "left", "va": "top"}
        title |= {"fontsize": TITLE * POINTS, "fontweight": "bold", "color": INK}
        drawn.suptitle("\n".join(lines), **title).set_in_layout(False)
        room = (height - _below(lines) - 6) / height
        drawn.get_layout_engine().set(rect=(0.03, 6 / height, 0.94, room))
        write(drawn, path)


def _stack(drawn, legend):
    """The entries of a legend below one another, broken where a card ends."""
    words = [textwrap.fill(part.get_text(), 44) for part in legend.get_texts()]
    title = textwrap.fill(legend.get_title().get_text(), 50)
    drawn.legend(legend.legend_handles, words, loc="outside lower left", title=title or None)
    legend.remove()


def _wrapped(title):
    return textwrap.wrap(title, 38)


def _below(lines):
    """Where a title of these lines ends, in units."""
    return 18 + 1.25 * TITLE * len(lines)


def write(drawn, path):
    """A figure as a PNG file in which nothing but what is seen is told, so the same each time."""
    canvas = FigureCanvasAgg(drawn)
    canvas.draw()
    picture = Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")
    corners = (0, 0, picture.width - 1, picture.height - 1), CORNER * DOTS / UNITS
    ImageDraw.Draw(picture).rounded_rectangle(*corners, outline=LINE, width=3)
    inside = Image.new("1", picture.size)
    ImageDraw.Draw(inside).rounded_rectangle(*corners, fill=1)
    small = picture.quantize(CLEAR, Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    small.putpalette(small.getpalette() + [0] * 3)  # a place for the clear one
    small.paste(CLEAR, mask=Image.fromarray(~np.asarray(inside)))
    replace(Path(path), partial(small.save, format="PNG", optimize=True, transparency=CLEAR))
