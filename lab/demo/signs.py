"""German traffic signs drawn by code: all 43 classes of signnames.csv, for the demo.

A sign is a list of shapes on a square whose coordinates run from -100 to 100, y downwards. It is
drawn once, large; every picture is that drawing warped, set before a background, lit, blurred and
covered with noise. Like the real GTSRB the pictures come in tracks: one physical sign filmed a few
times from ever nearer. What is learned here says nothing about real photographs.

    python -m lab.demo.signs --sheet signs.png
"""

import math
import textwrap
from functools import cache

import numpy as np
from PIL import Image, ImageDraw

from lab.command_line import parser, user_errors
from lab.console import notice
from lab.data.dataset import Dataset, sign_names
from lab.demo.drawing import (
    BLACK,
    BLUE,
    GREEN,
    GREY,
    RED,
    WHITE,
    YELLOW,
    Pen,
    arc,
    arrow,
    disc,
    group,
    line,
    mirror,
    polygon,
    text,
)
from lab.demo.scenes import film

FRAMES = 5  # pictures of one track; the real set has 30, too many for a demo of a few hundred

# ---- plates: what several signs have in common -----------------------------------------------

PROHIBITION = group(disc(0, 0, 100, WHITE), disc(0, 0, 96, RED), disc(0, 0, 73, WHITE))
END = group(disc(0, 0, 100, GREY), disc(0, 0, 97, WHITE))
END_STROKES = group(*[line(f"-92,{y} 92,{y}", 6) for y in (-20, -10, 0, 10, 20)], turn=-45)
MANDATORY = group(disc(0, 0, 100, WHITE), disc(0, 0, 95, BLUE))
WARNING = group(
    polygon("0,-82 -90,74 90,74", WHITE, 10),
    polygon("0,-82 -90,74 90,74", RED, 6),
    polygon("0,-45 -58,55 58,55", WHITE, 2),
)

# ---- pictograms ------------------------------------------------------------------------------


def car(colour):
    """A car from behind."""
    return group(
        polygon("-28,-4 28,-4 28,11 -28,11", colour, 2),
        polygon("-22,-4 -16,-19 16,-19 22,-4", colour, 2),
        polygon("-16,-5 -12,-15 12,-15 16,-5", WHITE),
        polygon("-25,11 -14,11 -14,20 -25,20", colour),
        polygon("25,11 14,11 14,20 25,20", colour),
    )


def overtaking_lorry(lorry_colour, car_colour):
    """A lorry from behind, left of a car."""
    return group(
        polygon("-58,-36 -8,-36 -8,4 -58,4", lorry_colour),
        polygon("-55,8 -11,8 -11,15 -55,15", lorry_colour),
        *[polygon(f"{x},4 {x + 11},4 {x + 11},25 {x},25", lorry_colour) for x in (-54, -23)],
        group(car(car_colour), x=32, y=7, scale=0.88),
    )


def overtaking_car(left, right):
    return group(group(car(left), x=-33), group(car(right), x=33))


LORRY = group(  # from the side, driving to the left
    polygon("-18,-30 58,-30 58,12 -18,12"),
    polygon("-58,16 -58,0 -46,-16 -22,-16 -22,12 58,12 58,17 -58,17"),
    polygon("-52,-1 -43,-12 -32,-12 -32,-1", WHITE),
    *[group(disc(0, 0, 12, WHITE), disc(0, 0, 9), x=x, y=19) for x in (-42, 38)],
)
PRIORITY = group(
    polygon("0,-94 94,0 0,94 -94,0", GREY, 6),
    polygon("0,-94 94,0 0,94 -94,0", WHITE, 4),
    polygon("0,-58 58,0 0,58 -58,0", YELLOW, 4),
)
STOP = group(
    polygon(arc(100, 22.5, 382.5, 9), WHITE),
    polygon(arc(94, 22.5, 382.5, 9), RED),
    text("STOP", 142, 56, WHITE),
)
NO_ENTRY = group(
    disc(0, 0, 100, WHITE), disc(0, 0, 96, RED), polygon("-72,-18 72,-18 72,18 -72,18", WHITE)
)
CROSSING = group(polygon("0,-30 16,-4 8,-4 8,50 -8,50 -8,-4 -16,-4"), line("-30,20 30,20", 14))
CAUTION = group(polygon("-8,-22 8,-22 4,26 -4,26", rounding=2), disc(0, 41, 8))
LEFT_CURVE = line("18,50 18,24 15,14 8,9 -22,9", 16)
DOUBLE_CURVE = line("12,50 12,10 -12,24 -12,-12", 13)
BUMPS = polygon("-44,50 -36,46 -28,34 -19,34 -9,46 9,46 19,34 28,34 36,46 44,50")
SLIPPERY = group(
    group(car(BLACK), y=10, turn=14),
    *[group(line("-6,0 4,4 -6,12 6,20", 6), x=x, y=y) for x, y in [(-26, 30), (12, 32)]],
)
NARROWS_RIGHT = group(line("-13,50 -13,-8", 9), line("24,50 24,32 9,12 9,-10", 9))
ROAD_WORK = group(
    disc(-3, -18, 7),
    line("-6,-10 -18,20", 14),
    line("-16,16 -24,34 -34,50", 9),
    line("-16,16 -6,32 -8,50", 9),
    line("-4,-6 4,12 -8,20", 6),
    line("-22,6 20,36", 4),
    polygon("6,50 26,26 46,50"),
)
TRAFFIC_LIGHTS = group(disc(0, -10, 11, RED), disc(0, 15, 11, YELLOW), disc(0, 40, 11, GREEN))
PERSON = group(
    disc(0, -20, 7),
    polygon("-6,-8 6,-8 5,18 -5,18", rounding=2),
    line("-2,14 -8,32 -20,50", 8),
    line("2,14 10,31 16,50", 8),
    line("-5,-8 -15,4 -19,16", 6),
    line("5,-8 15,4 18,14", 6),
)
CHILD = group(  # running to the left
    disc(-4, -22, 8),
    polygon("-8,-10 4,-10 6,14 -4,14", rounding=3),
    line("0,12 -15,22 -14,42", 8),
    line("3,12 13,28 30,34", 8),
    line("-8,-8 -20,2 -28,-6", 6),
    line("4,-8 16,4 26,0", 6),
)
CHILDREN = group(group(CHILD, x=18, y=12, scale=0.8), group(CHILD, x=-20, y=24, scale=0.6))
BICYCLE = group(
    *[line(arc(15, 0, 360) + x + 34j, 4) for x in (-23, 23)],
    line("-23,34 -13,8 -20,4", 4),
    line("-16,16 10,16 23,34 2,34 -14,16", 4),
    line("2,34 12,8", 4),
    line("6,8 19,8", 5),
)
SNOW_BRANCH = group(line("0,0 0,-29", 5), line("-10,-24 0,-14 10,-24", 5))
SNOWFLAKE = group(*[group(SNOW_BRANCH, turn=turn) for turn in range(0, 360, 60)], y=22)
DEER = group(  # leaping to the left
    polygon("-25,2 -16,-6 -10,-4 -4,10 18,20 24,28 20,34 6,30 -8,24 -14,6 -24,6", rounding=1),
    line("-13,-4 -12,-14 -18,-20", 3),
    line("-11,-4 -6,-14 -8,-22", 3),
    line("-6,22 -20,22 -26,30", 5),
    line("-2,26 -14,32 -16,40", 5),
    line("18,30 26,40 38,48", 5),
    line("20,26 34,34 44,46", 5),
)
AHEAD = arrow("0,72 0,-68", 20, 58)
TURN_RIGHT = arrow("-30,66 -30,-2 -27,-14 -20,-21 -8,-24 56,-24", 20, 50)
AHEAD_OR_RIGHT = group(
    arrow("-24,78 -24,-70", 17, 44), arrow("-24,52 -22,40 -14,31 -2,28 66,28", 17, 44)
)
KEEP_RIGHT = arrow("-48,-48 50,50", 24, 72)
ROUND_ARROW = arrow(arc(58, 86, 4, 16), 14, 34)
ROUNDABOUT = group(*[group(ROUND_ARROW, turn=turn) for turn in (-30, 90, 210)])

# The 43 classes in order: what is drawn, from the plate up.
SIGNS = [
    *[[PROHIBITION, text(number, 88, 62)] for number in ("20", "30", "50", "60", "70", "80")],
    [END, text("80", 100, 74, GREY), END_STROKES],  # 6
    *[[PROHIBITION, text(number, 108, 62)] for number in ("100", "120")],
    [PROHIBITION, overtaking_car(RED, BLACK)],
    [PROHIBITION, overtaking_lorry(RED, BLACK)],  # 10
    [WARNING, CROSSING],
    [PRIORITY],
    [group(WARNING, turn=180)],
    [STOP],
    [PROHIBITION],  # 15
    [PROHIBITION, LORRY],
    [NO_ENTRY],
    [WARNING, CAUTION],
    [WARNING, LEFT_CURVE],
    [WARNING, LEFT_CURVE, mirror],  # 20
    [WARNING, DOUBLE_CURVE],
    [WARNING, BUMPS],
    [WARNING, SLIPPERY],
    [WARNING, NARROWS_RIGHT],
    [WARNING, ROAD_WORK],  # 25
    [WARNING, TRAFFIC_LIGHTS],
    [WARNING, PERSON],
    [WARNING, CHILDREN],
    [WARNING, BICYCLE],
    [WARNING, SNOWFLAKE],  # 30
    [WARNING, DEER],
    [END, END_STROKES],
    [MANDATORY, TURN_RIGHT],
    [MANDATORY, TURN_RIGHT, mirror],
    [MANDATORY, AHEAD],  # 35
    [MANDATORY, AHEAD_OR_RIGHT],
    [MANDATORY, AHEAD_OR_RIGHT, mirror],
    [MANDATORY, KEEP_RIGHT],
    [MANDATORY, KEEP_RIGHT, mirror],
    [MANDATORY, ROUNDABOUT],  # 40
    [END, overtaking_car(GREY, GREY), END_STROKES],
    [END, overtaking_lorry(GREY, GREY), END_STROKES],
]


@cache
def clean(label, pixels):
    """The sign alone, seen from the front in even light: an RGBA picture, transparent around it."""
    fine = 4 * pixels  # Pillow draws hard edges; reducing smooths them
    pen = Pen(Image.new("RGBA", (fine, fine)), (1 + 1j) * fine / 2, fine / 202)
    for shape in SIGNS[label]:
        shape(pen)
    return pen.image.reduce(4)


# ---- pictures ---------------------------------------------------------------------------------


def track(label, frames, rng, size=32):
    """One physical sign, filmed: uint8 [frames, size, size, 3] RGB."""
    return film(clean(label, 4 * size), frames, rng, size)


def sign(label, seed=0, size=32):
    """One picture of class `label`, 0 to 42: uint8 [size, size, 3] RGB; same seed, same bytes."""
    if not 0 <= label < len(SIGNS):
        raise ValueError(f"drawn signs: expected a class from 0 to {len(SIGNS) - 1}, found {label}")
    return track(label, 1, np.random.default_rng([seed, label]), size)[0]


def draw(count, seed=0):
    """A `Dataset` of `count` pictures, the classes as even as can be; same seed, same bytes.

    Class by class, track by track, as in the real set. ValueError when `count` is below 1.
    """
    if count < 1:
        raise ValueError(f"drawn signs: expected a count of at least 1, found {count}")
    rng = np.random.default_rng(seed)
    shares = np.full(len(SIGNS), count // len(SIGNS))
    shares[rng.permutation(len(SIGNS))[: count % len(SIGNS)]] += 1
    tracks = [(label, n) for label, share in enumerate(shares) for n in track_lengths(share)]
    labels, lengths = np.array(tracks).T
    return Dataset(
        images=np.concatenate([track(label, frames, rng) for label, frames in tracks]),
        labels=np.repeat(labels, lengths),
        names=sign_names(),
        tracks=np.repeat(np.arange(len(tracks)), lengths),
    )


def track_lengths(pictures):
    """How many frames each track of a class has: up to FRAMES, in two tracks at least if it can."""
    tracks = max(math.ceil(pictures / FRAMES), min(pictures, 2))
    return [pictures // tracks + (k < pictures % tracks) for k in range(tracks)]


def sheet(seed=0, columns=9, width=200, height=270):
    """All signs on one RGB picture: each clean, below it three 32x32 pictures at twice the size."""
    rows = math.ceil(len(SIGNS) / columns)
    image = Image.new("RGB", (columns * width, rows * height), (165, 175, 165))
    for label, name in enumerate(sign_names()):
        x, y = label % columns * width, label // columns * height
        title = textwrap.fill(f"{label} {name}", 32)
        ImageDraw.Draw(image).text((x + 4, y + 2), title, "black", font_size=12)
        art = clean(label, 160)
        image.paste(art, (x + 20, y + 34), art)
        for k in range(3):
            small = Image.fromarray(sign(label, seed + k))
            image.paste(small.resize((64, 64), Image.Resampling.NEAREST), (x + 2 + 66 * k, y + 200))
    return image


def main(argv=None):
    options = parser(__doc__, "--seed")
    options.add_argument(
        "--sheet", required=True, metavar="PATH", help="picture to write: all signs"
    )
    arguments = options.parse_args(argv)
    with user_errors():
        sheet(arguments.seed).save(arguments.sheet)
        notice(f"{arguments.sheet}: all {len(SIGNS)} signs, each clean and three times as filmed")


if __name__ == "__main__":
    main()
