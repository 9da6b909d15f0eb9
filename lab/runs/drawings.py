"""What a network sees: its filters, what lights up, what decides, what looks alike to it.

Every function draws one figure, writes it to `path` and returns it. Titles say what was found.
Images may be arrays or paths: `lab.runs.canvas` says more.
"""

from collections import Counter
from itertools import product

import numpy as np
from matplotlib.colors import LinearSegmentedColormap, to_rgba
from matplotlib.offsetbox import AnnotationBbox, OffsetImage
from PIL import Image
from sklearn.neighbors import NearestNeighbors

from lab.runs.canvas import DOTS, ORANGE, WIDTH, empty, figure, picture, short, show

COLOURS = ["#0072B2", "#D55E00", "#009E73", "#E69F00", "#CC79A7", "#56B4E9", "#000000"]
MARKERS = "os^DvP*X"
OTHERS = {"marker": ".", "color": "#BBBBBB"}
MOST_CLASSES = len(COLOURS) * len(MARKERS)  # that a map can tell apart
SPOKE = LinearSegmentedColormap.from_list(  # mostly clear, so that what is under it is seen
    "spoke", [(heat, to_rgba(ORANGE, alpha)) for heat, alpha in [(0, 0), (0.4, 0.15), (1, 0.85)]]
)
MOST_THUMBNAILS = 100
THUMBNAIL = 56  # pixels of a picture on a map
ROOM = [16, 12]  # thumbnails with their labels fit so often into a map, to the side and upwards
NUMBER = {
    "fontsize": 9,
    "fontweight": "bold",
    "textcoords": "offset points",
    "ha": "center",
    "va": "center",
    "bbox": {"boxstyle": "round,pad=0.1", "fc": "white", "ec": "none", "alpha": 0.7},
}


def filters(kernel, path):
    """The kernels of a first layer as coloured tiles, each from its own darkest to brightest.

    kernel: [height, width, 3 (RGB), n]. Grey is zero.
    """
    tiles = np.moveaxis(kernel, -1, 0)
    tiles = 0.5 + 0.5 * tiles / np.abs(tiles).max(axis=(1, 2, 3), keepdims=True)
    columns = int(np.ceil(np.sqrt(1.5 * len(tiles))))
    rows = -(-len(tiles) // columns)
    height, width = kernel.shape[:2]
    title = f"The {len(tiles)} filters of the first layer: each is the pattern it answers to"
    with figure(path, WIDTH * rows / columns + 0.4, title) as drawn:
        drawn.set_layout_engine("compressed")
        axes = drawn.subplots()
        show(axes, _mosaic(tiles, columns))
        axes.set_xlabel(f"{height} x {width} pixels each, numbered row by row from 0; grey is zero")
    return drawn


def sheet(picture, path):
    """Augmented pictures: uint8 RGB [h, w, 3] from `augmentation.sheet`, the first column as is."""
    title = "The same pictures as they are, left, and as other epochs see them"
    height, width = picture.shape[:2]
    with figure(path, WIDTH * height / width + 0.4, title) as drawn:
        drawn.set_layout_engine("compressed")
        show(drawn.subplots(), picture)
    return drawn


def _mosaic(tiles, columns):
    """Tiles [n, height, width, channels], 0-1, with white lines between them, as one image."""
    n, height, width, channels = tiles.shape
    rows = -(-n // columns)
    page = np.ones((rows * columns, height + 1, width + 1, channels))
    page[:n, :-1, :-1] = tiles
    page = page.reshape(rows, columns, height + 1, width + 1, channels).swapaxes(1, 2)
    return page.reshape(rows * (height + 1), columns * (width + 1), channels)[:-1, :-1]


def activations(image, layers, path, tiles=8):
    """A picture and, for each layer, where its `tiles` strongest channels light up.

    layers: name -> activations [height, width, channels]; a channel's strength is its mean.
    """
    title = f"The {tiles} channels that this picture lights up most in each layer, strongest first"
    with figure(path, 2 + 0.95 * len(layers), title) as drawn:
        above, below = drawn.subfigures(2, 1, height_ratios=[2, 0.95 * len(layers)])
        show(above.subplots(), picture(image))
        grid = below.subplots(len(layers), tiles, squeeze=False)
        for row, (name, layer) in zip(grid, layers.items(), strict=True):
            strongest = np.argsort(-layer.mean((0, 1)), kind="stable")[:tiles]
            for axes, channel in zip(row, strongest, strict=True):
                show(axes, layer[..., channel], cmap="cividis", vmin=0)
                axes.set_title(channel, fontsize=8, loc="center", pad=2)
            height, width, channels = layer.shape
            text = f"{name}\n{height} x {width}\n{channels} channels"
            row[0].set_ylabel(text, rotation=0, ha="right", va="center", fontsize=8)
    return drawn


def decision(image, heat, name, probability, path):
    """A picture, and over it how much each part of it spoke for a class: `heat` [h, w], >= 0.

    Under the heat it is grey and light, so that neither its colours nor a dark night hide anything.
    """
    image = picture(image)
    grey = image.mean(2)
    dark, light = np.percentile(grey, [1, 99])
    title = f"Taken for {short(name)} ({probability:.2f}): the orange parts spoke for it"
    with figure(path, 3, title) as drawn:
        left, right = drawn.subplots(1, 2)
        show(left, image)
        show(right, grey, cmap="gray", vmin=dark - 0.6 * (light - dark), vmax=max(light, dark + 1))
        shown = right.imshow(
            heat / max(heat.max(), 1e-12),
            cmap=SPOKE,
            vmin=0,
            vmax=1,
            interpolation="bicubic",
            extent=right.get_images()[0].get_extent(),
        )
        bar = drawn.colorbar(shown, ax=right, shrink=0.7, ticks=[0, 1])
        bar.ax.set_yticklabels(["nothing", "most"])
    return drawn


# ---- a map of pictures -------------------------------------------------------------------------


def feature_map(points, images, labels, names, path):
    """A map [n, 2] of features: pictures near each other look alike to the network.

    A mark a picture, in the colour and shape of its class, which the legend names; where there is
    room the picture itself stands there, and above it its label. Of more than MOST_CLASSES classes
    the rarer ones are grey dots.
    """
    near = NearestNeighbors(n_neighbors=1).fit(points).kneighbors(return_distance=False)
    alike = np.mean(labels[near[:, 0]] == labels)
    title = (
        f"{len(points):,} pictures as the network sees them: {alike:.0%} lie next to their own kind"
    )
    marks = _marks(labels)
    with figure(path, 7 + 0.18 * -(-len(marks) // 3), title, width=7.5) as drawn:
        axes = drawn.subplots()
        empty(axes)
        for label in np.unique(labels):
            axes.scatter(*points[labels == label].T, s=14, lw=0, **marks.get(label, OTHERS))
        shown = _with_room(points)
        for row in shown:
            _thumbnail(axes, points[row], images[row], labels[row], marks)
        _numbers(axes, points, labels, marks, shown)
        for label, mark in marks.items():
            axes.scatter([], [], s=30, lw=0, label=f"{label} {short(names[label], 26)}", **mark)
        if rest := len(np.unique(labels)) - len(marks):
            axes.scatter([], [], label=f"{rest:,} rarer classes", **OTHERS)
        drawn.legend(loc="outside lower center", fontsize=8, ncols=3)
    return drawn


def _marks(labels):
    """Label -> how its dots look, for the most frequent classes, ascending, no two alike."""
    frequent = sorted(label for label, _ in Counter(labels.tolist()).most_common(MOST_CLASSES))
    looks = ({"marker": marker, "color": colour} for marker, colour in product(MARKERS, COLOURS))
    return dict(zip(frequent, looks, strict=False))


def _with_room(points):
    """Rows of at most MOST_THUMBNAILS points so far apart that none covers another as a picture."""
    room, shown = np.ptp(points, axis=0) / ROOM, []
    for row, point in enumerate(points):
        if len(shown) < MOST_THUMBNAILS and _clear(point, points[shown], room):
            shown.append(row)
    return shown


def _thumbnail(axes, point, image, label, marks):
    """A picture where it stands on the map, above it the label of its class."""
    small = Image.fromarray(picture(image)).resize((THUMBNAIL, THUMBNAIL))
    small = OffsetImage(small, zoom=72 / DOTS)
    frame = {"edgecolor": marks.get(label, OTHERS)["color"], "linewidth": 2}
    axes.add_artist(AnnotationBbox(small, point, pad=0, bboxprops=frame))
    if label in marks:
        axes.annotate(label, point, (0, 36 * THUMBNAIL / DOTS + 6), **NUMBER)


def _numbers(axes, points, labels, marks, shown):
    """Write the label of each class that shows no picture above a mark in its middle."""
    room, taken = np.ptp(points, axis=0) / ROOM, list(points[shown])
    for label in set(marks).difference(labels[shown].tolist()):
        own = points[labels == label]
        outwards = own[np.abs(own - np.median(own, axis=0)).sum(1).argsort()]
        place = next((point for point in outwards if _clear(point, taken, 0.75 * room)), None)
        if place is not None:
            taken.append(place)
            axes.annotate(label, place, (0, 7), **NUMBER)


def _clear(point, others, room):
    """Is no other point within `room` [2], to both sides, of this one?"""
    return all((np.abs(point - other) > room).any() for other in others)
