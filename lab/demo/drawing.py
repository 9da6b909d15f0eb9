"""A drawing kit: shapes, each a function that draws on a pen.

Coordinates run from -100 to 100 on a square, y downwards. A colour is RGB, or RGBA to let what is
below shine through.
"""

from dataclasses import dataclass, replace

import numpy as np
from PIL import Image, ImageDraw, ImageFont, ImageOps

WHITE, BLACK, GREY = (244, 244, 240), (22, 22, 24), (120, 122, 124)
RED, BLUE, YELLOW, GREEN = (200, 22, 36), (10, 82, 168), (252, 192, 12), (0, 130, 80)


@dataclass(frozen=True)
class Pen:
    """A picture to draw on; `origin` and `unit` (its length and turn) are complex, in pixels.

    `skew` turns the mirror image of a point: with it, squares become any parallelogram.
    """

    image: Image.Image
    origin: complex
    unit: complex
    skew: complex = 0

    def at(self, points):
        """Complex points in units as a list of pixel positions (x, y)."""
        pixels = self.origin + self.unit * points + self.skew * np.conj(points)
        return list(zip(pixels.real, pixels.imag, strict=True))


def as_complex(points):
    """The points of a string "x,y x,y", as SVG writes them, as x + iy; an array stays as it is."""
    if not isinstance(points, str):
        return points
    x, y = np.array(points.replace(",", " ").split(), float).reshape(-1, 2).T
    return x + 1j * y


def arc(radius, start, stop, points=40):
    """Points on a circle about the origin; degrees, 0 to the right, growing clockwise."""
    return radius * np.exp(1j * np.radians(np.linspace(start, stop, points)))


def polygon(points, colour=BLACK, rounding=0):
    """A filled polygon, grown by `rounding` on all sides with round corners."""
    points = as_complex(points)

    def shape(pen):
        ImageDraw.Draw(pen.image, "RGBA").polygon(pen.at(points), colour)
        if rounding:
            line(np.append(points, points[:2]), 2 * rounding, colour)(pen)

    return shape


def line(points, width, colour=BLACK):
    """A polyline with round joints and flat ends."""
    points = as_complex(points)

    def shape(pen):
        width_in_pixels = round(width * abs(pen.unit))
        draw = ImageDraw.Draw(pen.image, "RGBA")
        draw.line(pen.at(points), colour, width_in_pixels, joint="curve")

    return shape


def disc(x, y, radius, colour=BLACK):
    return polygon(x + 1j * y + arc(radius, 0, 360, 90), colour)


def arrow(points, width, head):
    """A white polyline that ends in two strokes of length `head`."""
    *_, before, tip = points = as_complex(points)
    back = head * (before - tip) / abs(before - tip)
    barbs = tip + back * np.exp(1j * np.radians([-45, 0, 45])) * [1, 0, 1]
    return group(line(points, width, WHITE), line(barbs, width, WHITE))


def text(characters, width, height, colour=BLACK):
    """Bold characters that fill a box of `width` x `height` about the origin exactly."""

    def shape(pen):
        mask = Image.new("L", (1200, 400))
        font = ImageFont.load_default(size=200)
        ImageDraw.Draw(mask).text((50, 50), characters, 255, font, stroke_width=6)
        size = np.round(np.array([width, height]) * abs(pen.unit)).astype(int)
        corner = np.round([pen.origin.real, pen.origin.imag] - size / 2).astype(int)
        pen.image.paste(colour, tuple(corner), mask.crop(mask.getbbox()).resize(tuple(size)))

    return shape


def group(*shapes, x=0, y=0, scale=1, turn=0, squash=1):
    """Shapes drawn as one, about (x, y), `scale` times as large, turned clockwise by degrees.

    squash: first of all, as much of their height as is left: that of a disc seen from the side.
    """
    turned = scale * np.exp(1j * np.radians(turn))
    unit, skew = turned * (1 + squash) / 2, turned * (1 - squash) / 2

    def shape(pen):
        own = replace(
            pen,
            origin=complex(*pen.at(np.array([x + 1j * y]))[0]),
            unit=pen.unit * unit + pen.skew * np.conj(skew),
            skew=pen.unit * skew + pen.skew * np.conj(unit),
        )
        for each in shapes:
            each(own)

    return shape


def mirror(pen):
    """Swaps left and right of all that was drawn before."""
    pen.image.paste(ImageOps.mirror(pen.image))
