"""Flowers drawn by code: the five kinds of flower_photos, for the demo.

A plant has a head of radius 100 about the origin, seen from the front, obliquely or, as a tulip,
from the side, and below it a stem with leaves. A picture shows one plant or several of nearly one
colour, before a blurred garden. What is learned here says nothing about real photographs.

    python -m lab.demo.flowers --sheet flowers.png
    python -m lab.demo.flowers --folder my_pictures
"""

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from lab.command_line import parser, user_errors
from lab.console import notice
from lab.data.dataset import Dataset
from lab.demo.drawing import Pen, arc, disc, group, line, polygon
from lab.demo.scenes import light, outdoors, to_bytes

SIZE = 96  # pixels a side
FINE = 4  # Pillow draws hard edges: pictures are drawn so many times as large
ALONG = np.linspace(0, 1, 24)  # a petal, from where it grows to its tip
GOLDEN = 137.5  # degrees from one seed of a sunflower to the next

# fmt: off
DAISIES = [(250, 250, 246), (250, 250, 246), (246, 236, 246), (236, 208, 236)]
YELLOWS = [(255, 222, 60), (252, 206, 22), (248, 188, 12)]
ROSES = [(190, 16, 40), (230, 92, 128), (244, 206, 208), (246, 232, 206), (250, 200, 80)]
TULIPS = [(214, 28, 36), (246, 196, 30), (232, 92, 142), (128, 44, 132), (246, 236, 222)]
GREENS = [(62, 112, 40), (90, 140, 56), (44, 92, 44)]

# Petals, how bright, how long.
DANDELION_RINGS = [
    (44, 0.8, 100), (44, 0.95, 92), (40, 0.88, 76), (34, 1, 62), (26, 0.92, 46), (18, 1, 30),
]
ROSE_RINGS = [(5, 0.82, 104), (5, 0.95, 88), (4, 1, 68), (3, 1.06, 48)]
# fmt: on


# ---- what several kinds have in common ----------------------------------------------------------


def shade(colour, factor):
    """The colour in more or less light."""
    return tuple(int(min(255, channel * factor)) for channel in colour)


def near(colour, rng):
    """A colour that differs a little, as from flower to flower."""
    return tuple(int(channel) for channel in np.clip(colour + rng.normal(0, 7, 3), 0, 255))


def outline(length, width, belly=1.0, blunt=0.6):
    """A petal from the origin upwards; belly: below 1 widest near the origin, above 1 near the tip.

    blunt: 0.3 has round ends, 1 sharp ones.
    """
    side = width / 2 * np.sin(np.pi * ALONG**belly) ** blunt - 1j * ALONG * length
    return np.append(side, -side[::-1].conj())


def petal(colour, length, width, **form):
    """A petal from the origin upwards, darker at its rim and along its middle."""
    return group(
        polygon(outline(length, width, **form), shade(colour, 0.8)),
        polygon(outline(0.97 * length, 0.82 * width, **form), colour),
        line(f"0,{-0.1 * length} 0,{-0.8 * length}", 0.14 * width, (*shade(colour, 0.8), 120)),
    )


def whorl(rng, count, colour, length, width, **form):
    """Petals in a ring, no two alike; those that point up and left have the sun."""
    turns = 360 * np.arange(count) / count + rng.uniform(0, 360) + rng.normal(0, 60 / count, count)
    suns = 1 + 0.1 * np.cos(np.radians(turns + 45)) + rng.normal(0, 0.03, count)
    sizes = rng.uniform(0.88, 1.04, count)
    return group(
        *[
            group(petal(shade(colour, sun), length * size, width * size, **form), turn=turn)
            for turn, sun, size in zip(turns, suns, sizes, strict=True)
        ]
    )


def seeds(count, radius, size, *colours):
    """Dots in the order of a sunflower's seeds; the colours follow each other outwards."""
    places = radius * np.sqrt((np.arange(count) + 0.5) / count)
    points = places * np.exp(1j * np.radians(GOLDEN) * np.arange(count))
    dot = arc(size, 0, 300, 6)
    return group(
        *[polygon(dot + one, colours[k * len(colours) // count]) for k, one in enumerate(points)]
    )


def leaf(colour, length, width, saw=0, **form):
    """A leaf from the origin upwards with a pale rib, one half in the shade.

    saw: how far the teeth of its edge stand out, as a share of its size.
    """
    whole = outline(length, width, **form)
    whole = whole * (1 + saw * (np.arange(len(whole)) % 2))
    return group(
        polygon(whole, colour),
        polygon(whole[: len(whole) // 2], shade(colour, 0.82)),
        line(f"0,0 0,{-0.92 * length}", 0.05 * width + 1, shade(colour, 1.3)),
    )


def stem(colour, path, width):
    """A stem along the points of `path`, its left side in the sun."""
    return group(
        line(path, width, shade(colour, 0.75)),
        line(path - width / 5, width / 3, shade(colour, 1.2)),
    )


def bent(length, bend):
    """The way of a stem from the head down: points that swing sideways by `bend`."""
    t = np.linspace(0, 1, 20)
    return bend * t**2 + 1j * length * t


def beside(path, share, turn, shape):
    """A shape at a share of the path, leaning by `turn` degrees."""
    place = path[int(share * (len(path) - 1))]
    return group(shape, x=place.real, y=place.imag, turn=turn)


def tilted(rng, head, least):
    """A head that looks at us or somewhat aside: `least` is the height that may be left of it."""
    return group(head, squash=rng.uniform(least, 1), turn=rng.normal(0, 15))


# ---- the five kinds -----------------------------------------------------------------------------
# Each draws a plant: its head about the origin, its stem along `path`.


def daisy(rng, colour, green, path):
    count, gold = rng.integers(15, 25), near((250, 196, 30), rng)
    form = {"width": 480 / count * rng.uniform(0.9, 1.2), "belly": 1.5, "blunt": 0.45}
    head = group(
        whorl(rng, count, shade(colour, 0.86), 100, **form),
        whorl(rng, count, colour, 94, **form),
        disc(0, 0, 30, shade(gold, 0.72)),
        disc(-1, -2, 27, gold),
        seeds(70, 26, 2.6, shade(gold, 1.15), shade(gold, 0.9), shade(gold, 0.75)),
    )
    leaves = [
        beside(path, share, side * rng.uniform(40, 70), leaf(green, 110, 34, belly=1.6))
        for share, side in [(0.6, -1), (0.75, 1), (0.9, -1)]
    ]
    return group(stem(green, path, 9), *leaves, tilted(rng, head, 0.5))


def dandelion(rng, colour, green, path):
    leaves = [
        beside(path, rng.uniform(0.8, 1), turn, toothed_leaf(near(green, rng)))
        for turn in rng.permutation([-80, -55, -25, 30, 55, 85])[: rng.integers(3, 6)]
    ]
    head = seed_head(rng) if rng.random() < 0.4 else tilted(rng, many_petals(rng, colour), 0.6)
    return group(*leaves, stem(near((142, 134, 82), rng), path, 11), head)


def many_petals(rng, colour):
    """Narrow petals, ring upon ring up to the middle, where they are still closed."""
    rings = [
        whorl(rng, count, shade(colour, tone), length, 13, belly=1.6, blunt=0.35)
        for count, tone, length in DANDELION_RINGS
    ]
    return group(*rings, seeds(26, 17, 3.4, shade(colour, 0.8), shade(colour, 0.92)))


def seed_head(rng):
    """Parachutes on stalks in every direction, those behind seen through; some may have flown."""
    directions = rng.normal(size=(120, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    if rng.random() < 0.3:
        directions = directions[directions @ rng.normal(size=3) < 0.6]
    parachutes = [
        parachute(84 * (x + 1j * y), int(120 + 90 * z))
        for x, y, z in directions[np.argsort(directions[:, 2])]
    ]
    middle = disc(0, 0, 15, (120, 96, 60)), seeds(40, 18, 2, (86, 60, 36))
    return group(disc(0, 0, 92, (246, 246, 240, 46)), *parachutes, *middle)


def parachute(place, strength):
    """A stalk from the middle to `place`, and a fan of hairs there."""
    hairs = 17 * np.exp(1j * np.radians(np.arange(-75, 90, 25))) * place / (abs(place) + 1e-9)
    return group(
        line(np.array([0.1 * place, place]), 1.2, (225, 222, 205, strength)),
        *[line(np.array([place, place + hair]), 1.3, (246, 246, 240, strength)) for hair in hairs],
    )


def toothed_leaf(green):
    """A lion's tooth: lobes that point back towards the root."""
    t, lobes = np.linspace(0, 1, 15), np.arange(15) % 2
    half = (12 + 22 * lobes) * (0.4 + t) * (1 - t**6)
    side = half - 1j * (260 * t - 26 * lobes)
    return group(
        polygon(np.append(side, -side[::-1].conj()), green),
        line("0,0 0,-240", 6, shade(green, 1.4)),
    )


def rose(rng, colour, green, path):
    lift = rng.uniform(4, 14)  # seen from the side, what is farther in stands higher
    head = [
        group(rose_ring(rng, count, shade(colour, tone), radius), y=-lift * k)
        for k, (count, tone, radius) in enumerate(ROSE_RINGS)
    ]
    heart = group(rose_heart(colour), y=-lift * len(ROSE_RINGS), turn=rng.uniform(0, 360))
    places = [(0.22, -75), (0.34, 75), (0.55, -75), (0.75, 75)]  # along the stem, in degrees
    places += [(0, turn) for turn in rng.uniform(-120, 120, rng.integers(1, 4))]
    form = {"saw": 0.05, "belly": 0.85, "blunt": 0.75}
    leaves = [
        beside(path, share, turn + rng.normal(0, 15), leaf(near(green, rng), 150, 86, **form))
        for share, turn in places
    ]
    return group(stem(green, path, 13), *leaves, tilted(rng, group(*head, heart), 0.78))


def rose_ring(rng, count, colour, radius):
    """Broad petals that overlap in a ring; those that point up and left have the sun."""
    turns = 360 * np.arange(count) / count + rng.uniform(0, 360) + rng.normal(0, 8, count)
    suns = 1 + 0.1 * np.cos(np.radians(turns + 45))
    return group(
        *[
            group(rose_petal(shade(colour, sun)), scale=radius * rng.uniform(0.92, 1.05), turn=turn)
            for turn, sun in zip(turns, suns, strict=True)
        ]
    )


def rose_petal(colour):
    """Of length 1, widest near its rim, which curls outwards, with a shadow below."""
    steps = [  # length, width, how bright
        (1.0, 1.2, 0.62), (0.985, 1.16, 1.22), (0.93, 1.06, 1.0), (0.84, 0.98, 0.9),
        (0.74, 0.9, 0.76), (0.62, 0.8, 0.58),
    ]  # fmt: skip
    form = {"belly": 2.2, "blunt": 0.55}
    return group(
        polygon(outline(1.06, 1.3, **form), (20, 10, 10, 70)),
        *[polygon(outline(length, width, **form), shade(colour, b)) for length, width, b in steps],
    )


def rose_heart(colour):
    """The spiral of petals that are still closed."""
    curls = [arc(27 - 3.6 * k, 115 * k, 115 * k + 190) for k in range(7)]
    return group(
        disc(0, 0, 30, shade(colour, 0.5)),
        disc(0, 0, 26, shade(colour, 0.85)),
        *[
            group(line(curl, 6, shade(colour, 0.5)), line(0.94 * curl, 3, shade(colour, 1.2)))
            for curl in curls
        ],
    )


def sunflower(rng, colour, green, path):
    count, heart = rng.integers(18, 27), rng.uniform(40, 54)
    brown, form = near((92, 52, 22), rng), {"width": 640 / count, "belly": 0.9, "blunt": 0.85}
    head = group(
        whorl(rng, count, shade(colour, 0.82), 108, **form),
        whorl(rng, count, colour, 100, **form),
        disc(0, 0, heart + 2, shade(brown, 0.6)),
        disc(0, 0, heart, brown),
        seeds(210, heart - 2, 2.4, (112, 108, 44), (70, 44, 22), shade(brown, 0.55), (156, 96, 34)),
    )
    leaves = [
        beside(path, share, side * rng.uniform(60, 110), leaf(green, 170, 150, belly=0.6))
        for share, side in [(0.3, 1), (0.5, -1), (0.75, 1)]
    ]
    return group(stem(green, path, 20), *leaves, tilted(rng, head, 0.62))


def tulip(rng, colour, green, path):
    open_by, tall = rng.uniform(4, 11), rng.uniform(170, 200)
    form = {"belly": 0.85, "blunt": 0.66}
    petals = [  # from the back: how bright, turned by how much, how long and wide
        (0.66, -open_by, tall, 90), (0.7, open_by, tall, 90),
        (0.86, -6 - 2 * open_by, tall, 96), (0.94, 6 + 2 * open_by, tall, 96),
        (1.04, 0, 0.88 * tall, 104),
    ]  # fmt: skip
    cup = group(
        *[
            group(petal(shade(colour, bright), length, wide, **form), turn=turn)
            for bright, turn, length, wide in petals
        ],
        polygon(outline(0.5 * tall, 40, **form), (*shade(colour, 1.25), 110)),
    )
    blades = [
        beside(path, 1, turn, leaf(green, rng.uniform(0.55, 0.9) * path[-1].imag, 60, belly=0.7))
        for turn in (rng.uniform(-24, -8), rng.uniform(8, 24))
    ]
    return group(stem(green, path + 70j, 18), *blades, group(cup, y=82), turn=rng.normal(0, 6))


# Name of the folder -> how to draw one, its colours, how many there are at most.
KINDS = {
    "daisy": (daisy, DAISIES, 6),
    "dandelion": (dandelion, YELLOWS, 3),
    "roses": (rose, ROSES, 3),
    "sunflowers": (sunflower, YELLOWS, 3),
    "tulips": (tulip, TULIPS, 5),
}


# ---- pictures -----------------------------------------------------------------------------------


def flower(label, seed=0, size=SIZE):
    """One picture of kind `label`, 0 to 4: uint8 [size, size, 3] RGB; same seed, same bytes."""
    if not 0 <= label < len(KINDS):
        raise ValueError(
            f"drawn flowers: expected a kind from 0 to {len(KINDS) - 1}, found {label}"
        )
    return picture(label, np.random.default_rng([seed, label]), size)


def draw(count, seed=0):
    """A `Dataset` of `count` pictures, the kinds as even as can be; same seed, same bytes.

    Kind by kind, as in a folder. ValueError when `count` is below 1.
    """
    if count < 1:
        raise ValueError(f"drawn flowers: expected a count of at least 1, found {count}")
    rng = np.random.default_rng(seed)
    labels = np.sort(np.arange(count) % len(KINDS))
    return Dataset(np.stack([picture(label, rng, SIZE) for label in labels]), labels, list(KINDS))


def picture(label, rng, size):
    """Plants of one kind in a garden, seen by a camera: uint8 [size, size, 3] RGB."""
    fine = FINE * size
    scene = garden(size, rng).resize((fine, fine))
    pen = Pen(scene, (1 + 1j) * fine / 2, fine / 200)
    for shape in bed(rng, *list(KINDS.values())[label]):
        shape(pen)
    scene = scene.filter(ImageFilter.GaussianBlur(rng.uniform(0, 0.008) * fine))
    seen = light(rng, stops=-0.15, spread=0.2)(np.array(scene.reduce(FINE)) / 255)
    return to_bytes(seen + rng.normal(0, rng.uniform(0, 0.03), seen.shape))


def garden(pixels, rng):
    """What lies behind: out of focus, with or without grass and other flowers."""
    scene = outdoors(pixels, rng)
    pen = Pen(scene, (1 + 1j) * pixels / 2, pixels / 200)
    for _ in range(rng.integers(0, 60)):
        x, lean, height = rng.uniform(-110, 110), rng.normal(0, 25), rng.uniform(30, 150)
        green = shade(near(GREENS[rng.integers(3)], rng), rng.uniform(0.5, 1.2))
        line(f"{x},110 {x + lean},{110 - height}", rng.uniform(1, 5), green)(pen)
    for _ in range(rng.integers(0, 12)):
        x, y = rng.uniform(-100, 100, 2)
        disc(x, y, rng.uniform(4, 20), (*rng.integers(60, 256, 3).tolist(), 120))(pen)
    return scene.filter(ImageFilter.GaussianBlur(rng.uniform(0.01, 0.04) * pixels))


def bed(rng, kind, colours, most):
    """The plants of a picture, the farthest, which are the smallest, first."""
    count = 1 if rng.random() < 0.5 else rng.integers(2, most + 1)
    colour, green = (options[rng.integers(len(options))] for options in (colours, GREENS))
    radii = np.sort(rng.uniform(30, 60, count)) / count**0.4
    return [
        plant(rng, kind, near(colour, rng), near(green, rng), radius, place)
        for radius, place in zip(radii, places(rng, radii), strict=True)
    ]


def places(rng, radii):
    """A place for each head, far from those before: of some at random the farthest."""
    chosen = []
    for radius in radii:
        room = max(90 - radius, 10)
        tries = rng.uniform(-room, room, 12) + 1j * rng.uniform(-room, 0.5 * room, 12)
        gaps = [min((abs(one - other) for other in chosen), default=0) for one in tries]
        chosen.append(tries[np.argmax(gaps)])
    return chosen


def plant(rng, kind, colour, green, radius, place):
    """One plant whose head has this radius and place; its stem leaves the picture below."""
    path = bent((125 - place.imag) / radius * 100, rng.normal(0, 60))
    shape = kind(rng, colour, green, path)
    return group(shape, x=place.real, y=place.imag, scale=radius / 100)


def sheet(seed=0, columns=10, side=150):
    """Pictures of all kinds on one RGB picture, a row a kind."""
    image = Image.new("RGB", (columns * side, len(KINDS) * (side + 16)), "white")
    for label, name in enumerate(KINDS):
        y = label * (side + 16)
        ImageDraw.Draw(image).text((4, y + 1), name, "black", font_size=12)
        for k in range(columns):
            shown = Image.fromarray(flower(label, seed + k))
            image.paste(shown.resize((side, side)), (k * side, y + 16))
    return image


def write_folder(folder, seed=0, count=20):
    """A folder of pictures as people have it: `count` of each kind in a subfolder of its name.

    ValueError when it is there already.
    """
    if Path(folder).exists():
        raise ValueError(f"{folder} is there already: name another, or remove it")
    for label, name in enumerate(KINDS):
        place = Path(folder, name)
        place.mkdir(parents=True)
        for k in range(count):
            Image.fromarray(flower(label, seed + k)).save(place / f"{k:02}.png")


def main(argv=None):
    options = parser(__doc__, "--seed")
    what = options.add_mutually_exclusive_group(required=True)
    what.add_argument("--sheet", metavar="PATH", help="picture to write: all kinds")
    what.add_argument("--folder", metavar="DIR", help="folder to write: a subfolder a kind")
    arguments = options.parse_args(argv)
    with user_errors():
        if arguments.folder:
            write_folder(arguments.folder, arguments.seed)
            notice(f"{arguments.folder}: the {len(KINDS)} kinds of flowers, twenty pictures each")
        else:
            sheet(arguments.seed).save(arguments.sheet)
            notice(f"{arguments.sheet}: the {len(KINDS)} kinds of flowers, ten pictures each")


if __name__ == "__main__":
    main()
