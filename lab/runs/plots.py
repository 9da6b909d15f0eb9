"""Pictures of what a classifier does and of what a network sees.

Every function draws one figure, writes it to `path` (its suffix names the format) and returns it.
Titles say what was found. Colours are those of Okabe and Ito, "Color Universal Design" (2008),
which colour-blind people tell apart. `images` may be arrays, uint8 [height, width, 3] RGB of any
size, or paths of picture files, which are read only when they are shown.
"""

import textwrap
from contextlib import contextmanager

import matplotlib
import numpy as np
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.offsetbox import AnnotationBbox, OffsetImage
from matplotlib.ticker import MaxNLocator
from PIL import Image
from sklearn.neighbors import NearestNeighbors

from lab.data import images as picture_files
from lab.runs import metrics

BLUE, ORANGE, GREEN, GREY = "#0072B2", "#D55E00", "#009E73", "#666666"
RIGHT = LinearSegmentedColormap.from_list("right", ["#E3EEF6", BLUE, "#00273D"])
WRONG = LinearSegmentedColormap.from_list("wrong", ["#FBE3D2", ORANGE, "#5A2700"])
STYLE = {
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    "figure.dpi": 100,
    "font.family": "DejaVu Sans",  # comes with matplotlib: the same picture everywhere
    "font.size": 10,
    "text.parse_math": False,  # a class may be called "$5 or $10"
}


@contextmanager
def _figure(path, width, height, title):
    """A figure of `width` x `height` inches, written to `path` when the block ends."""
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(width, height), layout="constrained")
        title = textwrap.fill(title, int(width * 9.5))
        figure.suptitle(title, x=0.01, ha="left", fontsize=12, fontweight="bold")
        yield figure
        figure.savefig(path)


def _picture(image):
    return image if isinstance(image, np.ndarray) else picture_files.read(image)


def _show(axes, image, **options):
    """An image without ticks or frame."""
    axes.imshow(image, **options)
    _empty(axes)


def _empty(axes):
    """No ticks, no frame; unlike with `set_axis_off` a label may stand below."""
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_visible(False)


def _short(name, width=34):
    return name if len(name) <= width else name[: width - 1].rstrip() + "…"


# ---- what a classifier does --------------------------------------------------------------------


def learning_curves(history, path):
    """Loss and accuracy by epoch, of what was trained on and of what was not.

    history: DataFrame with columns epoch, loss, accuracy, val_loss, val_accuracy; the best epoch is
        the one with the lowest val_loss.
    """
    best = history.loc[history["val_loss"].idxmin()]
    title = (
        f"Validation accuracy {best['val_accuracy']:.3f} in epoch {best['epoch']:.0f}, the best "
        f"of {len(history)}; {best['accuracy']:.3f} on the training set"
    )
    with _figure(path, 10, 4.2, title) as figure:
        for axes, what in zip(figure.subplots(1, 2), ("loss", "accuracy"), strict=True):
            _curves(axes, history, what, best)
    return figure


def _curves(axes, history, what, best):
    for column, name, colour, marker in [
        (what, "training", BLUE, "o"),
        (f"val_{what}", "validation", ORANGE, "s"),
    ]:
        axes.plot(history["epoch"], history[column], color=colour, marker=marker, label=name)
    axes.axvline(best["epoch"], color=GREY, linestyle=":", zorder=0, label="best epoch")
    axes.plot(best["epoch"], best[f"val_{what}"], "o", ms=14, mfc="none", mec="black")
    better = "lower is better" if what == "loss" else "share of pictures named right"
    axes.set(xlabel="epoch", ylabel=f"{what} ({better})")
    axes.set_ylim(0, 1.02 if what == "accuracy" else None)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(alpha=0.3)
    axes.legend()


def confusion(labels, predictions, names, path):
    """What the pictures of each class were taken for: shares of each row, right blue, wrong orange.

    labels, predictions: [n], positions in `names`.
    """
    counts = np.zeros((len(names), len(names)), int)
    np.add.at(counts, (labels, predictions), 1)
    shares = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    cell = np.interp(len(names), [2, 12, 43, 100], [1.0, 0.55, 0.26, 0.2])  # inches
    side = cell * len(names) + 3
    with _figure(path, max(side + 1, 7), max(side, 4.5), _confusion_title(counts, names)) as figure:
        figure.set_layout_engine("compressed")
        axes = figure.subplots()
        diagonal = np.eye(len(names), dtype=bool)
        for colours, hidden, what in [(RIGHT, ~diagonal, "right"), (WRONG, diagonal, "wrong")]:
            shown = np.ma.masked_where(hidden | (counts == 0), shares)
            image = axes.imshow(shown, cmap=colours, vmin=0, vmax=1)
            bar = figure.colorbar(image, ax=axes, shrink=0.4, aspect=25, pad=0.01)
            bar.set_label(f"share of the row named {what}")
        _cell_numbers(axes, shares, smallest=0 if len(names) <= 12 else 0.1, height=cell)
        _class_axes(axes, names, fontsize=min(10, 29 * cell))
    return figure


def _confusion_title(counts, names):
    total, wrong = counts.sum(), counts - np.diag(np.diag(counts))
    title = f"{counts.trace():,} of {total:,} pictures named right ({counts.trace() / total:.1%})"
    if not wrong.any():
        return title
    true, predicted = np.unravel_index(wrong.argmax(), wrong.shape)
    return (
        f"{title}; most confused: {names[true]} taken for {names[predicted]}, "
        f"{wrong.max()} of {counts[true].sum()} times"
    )


def _cell_numbers(axes, shares, smallest, height):
    for row, column in np.argwhere(shares > smallest):
        share = shares[row, column]
        if row == column and smallest:
            continue  # of many classes only the errors are worth a number
        colour = "white" if share > 0.4 else "black"
        size = min(10, 25 * height)
        axes.text(column, row, f"{100 * share:.0f}", ha="center", va="center", size=size, c=colour)


def _class_axes(axes, names, fontsize):
    ticks = [f"{_short(name)}  {label}" for label, name in enumerate(names)]
    axes.set_yticks(range(len(names)), ticks, fontsize=fontsize)
    axes.set_xticks(range(len(names)), ticks, fontsize=fontsize, rotation=90)
    axes.set(xlabel="taken for (numbers: percent of the row)", ylabel="true class")
    axes.set_xticks(np.arange(len(names) + 1) - 0.5, minor=True)
    axes.set_yticks(np.arange(len(names) + 1) - 0.5, minor=True)
    axes.grid(which="minor", color="#DDDDDD", linewidth=0.5)
    axes.tick_params(which="both", length=0)


def mistakes(images, labels, probabilities, names, path, most=20):
    """The most confident mistakes, one of each kind: true class, what it was taken for, how often.

    labels [n]; probabilities [n, classes].
    """
    predictions = probabilities.argmax(1)
    wrong = np.flatnonzero(predictions != labels)
    wrong = wrong[np.argsort(-probabilities[wrong].max(1), kind="stable")]
    kinds = np.stack([labels[wrong], predictions[wrong]], axis=1)
    _, firsts, often = np.unique(kinds, axis=0, return_index=True, return_counts=True)
    turn = np.argsort(firsts)[:most]
    title = f"{len(wrong):,} of {len(labels):,} pictures named wrong"
    if len(firsts):
        title += ". The surest, one of each kind: orange what it said, black what it is"
    columns = min(5, max(len(turn), 3))
    rows = max(1, -(-len(turn) // columns))
    with _figure(path, 2.5 * columns, 3.1 * rows + 0.6, title) as figure:
        grid = figure.subplots(rows, columns, squeeze=False).ravel()
        for axes in grid:
            _empty(axes)
        for axes, row, count in zip(grid, wrong[firsts[turn]], often[turn], strict=False):
            _show(axes, _picture(images[row]))
            _mistake_title(axes, names, labels[row], probabilities[row], count)
    return figure


def _mistake_title(axes, names, label, probabilities, count):
    predicted = probabilities.argmax()
    guess = textwrap.fill(f"{names[predicted]} {probabilities[predicted]:.3f}", 31)
    truth = textwrap.fill(f"is {names[label]} {probabilities[label]:.3f}", 31)
    often = "once" if count == 1 else f"{count} times"
    axes.set_title(guess, fontsize=9, color=ORANGE, loc="center", fontweight="bold")
    axes.set_xlabel(f"{truth}\nso mistaken {often}", fontsize=9)


def class_balance(labels_by_split, names, path):
    """How many pictures each class has, in each split.

    labels_by_split: name of a split -> its labels [n], in the order they are stacked.
    """
    counts = {
        split: np.bincount(labels, minlength=len(names))
        for split, labels in labels_by_split.items()
    }
    total = sum(counts.values())
    turn = np.argsort(total, kind="stable")
    fewest, most = turn[0], turn[-1]
    title = (
        f"{total[fewest]:,} to {total[most]:,} pictures a class: fewest {names[fewest]}, "
        f"most {names[most]}"
    )
    with _figure(path, 9, 1.8 + 0.19 * len(names), title) as figure:
        axes, left = figure.subplots(), np.zeros(len(names), int)
        for colour, (split, count) in zip((BLUE, "#E69F00", GREEN), counts.items(), strict=False):
            axes.barh(range(len(names)), count[turn], left=left[turn], color=colour, label=split)
            left = left + count
        for place, label in enumerate(turn):
            axes.annotate(
                f"{total[label]:,}",
                (total[label], place),
                (3, 0),
                va="center",
                size=7,
                textcoords="offset points",
            )
        ticks = [f"{_short(names[label], 46)}  {label}" for label in turn]
        axes.set_yticks(range(len(names)), ticks, fontsize=8)
        axes.set(xlabel="pictures", ylim=(-0.7, len(names) - 0.3))
        axes.grid(axis="x", alpha=0.3)
        axes.set_axisbelow(True)
        axes.legend(loc="lower right")
    return figure


def reliability(labels, probabilities, path):
    """Is it right as often as it says? Accuracy by confidence, and how often each confidence is."""
    confidence, accuracy, count = metrics.calibration(labels, probabilities)
    says, right = (of_bin @ count / count.sum() for of_bin in (confidence, accuracy))
    ece = metrics.expected_calibration_error(labels, probabilities)
    verdict = "overconfident" if says > right else "underconfident"
    verdict = "well calibrated" if ece < 0.02 else verdict
    title = f"Says {says:.0%} sure, is right {right:.0%} of the time: {verdict} (ECE {ece:.3f})"
    with _figure(path, 7.5, 7, title) as figure:
        above, below = figure.subplots(2, 1, sharex=True, height_ratios=[3, 1])
        _reliability_bars(above, confidence, accuracy, count)
        width = 1 / len(count)
        below.bar((np.arange(len(count)) + 0.5) * width, count, 0.92 * width, color=GREY)
        below.set(xlabel="confidence: probability of the class it names", ylabel="pictures")
    return figure


def _reliability_bars(axes, confidence, accuracy, count):
    width, filled = 1 / len(count), count > 0
    middle = ((np.arange(len(count)) + 0.5) * width)[filled]
    accuracy, confidence = accuracy[filled], confidence[filled]
    axes.bar(middle, accuracy, 0.92 * width, color=BLUE, label="how often it is right")
    axes.bar(
        middle,
        confidence - accuracy,
        0.92 * width,
        accuracy,
        color="#F4B183",
        edgecolor=ORANGE,
        hatch="//",
        alpha=0.7,
        label="gap to what it says",
    )
    axes.plot([0, 1], [0, 1], "--", color="black", label="honest: right as often as it says")
    axes.set(xlim=(0, 1), ylim=(0, 1.02), ylabel="accuracy")
    axes.legend(loc="upper left")


def top_bars(images, probabilities, names, path, top=5):
    """Each picture with the probabilities of its `top` classes beside it.

    probabilities: [n, classes].
    """
    top = min(top, len(names))
    guesses = [f"{names[row.argmax()]} {row.max():.2f}" for row in probabilities]
    title = "Taken for " + "; ".join(guesses[:4]) + ("; ..." if len(guesses) > 4 else "")
    with _figure(path, 8, 0.7 + max(1.9, 0.36 * top) * len(images), title) as figure:
        grid = figure.subplots(len(images), 2, squeeze=False, width_ratios=[1, 2.2])
        for (left, right), image, row in zip(grid, images, probabilities, strict=True):
            _show(left, _picture(image))
            best = np.argsort(-row, kind="stable")[:top]
            right.barh(range(top), row[best], color=[BLUE] + ["#8FC1E0"] * (top - 1))
            right.set_yticks(range(top), [_short(names[label], 30) for label in best])
            right.set(xlim=(0, 1.12), xticks=[])
            right.invert_yaxis()
            right.spines["bottom"].set_visible(False)
            for place, label in enumerate(best):
                right.text(row[label] + 0.015, place, f"{row[label]:.3f}", va="center")
    return figure


# ---- what a network sees -----------------------------------------------------------------------


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
    with _figure(path, 0.75 * columns, 0.75 * rows + 0.9, title) as figure:
        figure.set_layout_engine("compressed")
        axes = figure.subplots()
        _show(axes, _mosaic(tiles, columns))
        axes.set_xlabel(f"{height} x {width} pixels each, numbered row by row from 0; grey is zero")
    return figure


def _mosaic(tiles, columns):
    """Tiles [n, height, width, channels], 0-1, with white lines between them, as one image."""
    n, height, width, channels = tiles.shape
    rows = -(-n // columns)
    page = np.ones((rows * columns, height + 1, width + 1, channels))
    page[:n, :-1, :-1] = tiles
    page = page.reshape(rows, columns, height + 1, width + 1, channels).swapaxes(1, 2)
    return page.reshape(rows * (height + 1), columns * (width + 1), channels)[:-1, :-1]


def activations(image, layers, path, tiles=10):
    """A picture and, for each layer, where its `tiles` strongest channels light up.

    layers: name -> activations [height, width, channels]; a channel's strength is its mean.
    """
    title = f"The {tiles} channels that this picture lights up most in each layer, strongest first"
    with _figure(path, 13, 0.9 + 1.12 * len(layers), title) as figure:
        left, right = figure.subfigures(1, 2, width_ratios=[1, 3.6])
        _show(left.subplots(), _picture(image))
        grid = right.subplots(len(layers), tiles, squeeze=False)
        for row, (name, layer) in zip(grid, layers.items(), strict=True):
            strongest = np.argsort(-layer.mean((0, 1)), kind="stable")[:tiles]
            for axes, channel in zip(row, strongest, strict=True):
                _show(axes, layer[..., channel], cmap="cividis", vmin=0)
                axes.set_title(channel, fontsize=7, loc="center", pad=2)
            height, width, channels = layer.shape
            text = f"{name}\n{height} x {width}\n{channels} channels"
            row[0].set_ylabel(text, rotation=0, ha="right", va="center", fontsize=9)
    return figure


def decision(image, heat, name, probability, path):
    """A picture, and over it how much each part of it spoke for a class: `heat` [h, w], >= 0."""
    image = _picture(image)
    height, width = image.shape[:2]
    heat = heat / max(heat.max(), 1e-12)
    title = f"Taken for {name} ({probability:.2f}): the bright parts spoke for it"
    with _figure(path, 8.5, 4.3, title) as figure:
        left, right = figure.subplots(1, 2)
        _show(left, image)
        _show(right, image.mean(2), cmap="gray", vmin=0, vmax=255)
        shown = right.imshow(
            heat,
            cmap="inferno",
            alpha=0.2 + 0.6 * heat,
            interpolation="bilinear",
            extent=(-0.5, width - 0.5, height - 0.5, -0.5),
        )
        bar = figure.colorbar(shown, ax=right, shrink=0.7, ticks=[heat.min(), heat.max()])
        bar.ax.set_yticklabels(["least", "most"])
    return figure


def feature_map(points, images, labels, names, path, thumbnails=120):
    """A map [n, 2] of features: pictures near each other look alike to the network.

    A dot a picture, in the colour of its class; some carry the picture, where there is room.
    """
    near = NearestNeighbors(n_neighbors=1).fit(points).kneighbors(return_distance=False)
    alike = np.mean(labels[near[:, 0]] == labels)
    title = (
        f"{len(points):,} pictures as the network sees them: {alike:.0%} lie next to their own kind"
    )
    with _figure(path, 14, 10, title) as figure:
        axes = figure.subplots()
        _empty(axes)
        colours = matplotlib.colormaps["viridis"](np.linspace(0, 1, len(names)))
        axes.scatter(*points.T, s=14, c=colours[labels], linewidths=0)
        _thumbnails(axes, points, images, colours[labels], thumbnails)
        for label in np.unique(labels):
            x, y = np.median(points[labels == label], axis=0)
            axes.text(x, y, label, fontsize=9, fontweight="bold", ha="center", bbox=LABEL)
            axes.scatter([], [], color=colours[label], label=f"{label} {_short(names[label])}")
        figure.legend(loc="outside right upper", fontsize=8, ncols=-(-len(names) // 50))
    return figure


LABEL = {"boxstyle": "round,pad=0.15", "facecolor": "white", "edgecolor": "none", "alpha": 0.8}


def _thumbnails(axes, points, images, colours, most):
    """Pictures where they stand on the map, none over another."""
    room = np.ptp(points, axis=0) / [24, 17]
    shown = []
    for row, point in enumerate(points):
        if len(shown) < most and all((np.abs(point - points[s]) > room).any() for s in shown):
            shown.append(row)
    for row in shown:
        small = Image.fromarray(_picture(images[row])).resize((28, 28))
        frame = {"edgecolor": colours[row], "linewidth": 2}
        axes.add_artist(AnnotationBbox(OffsetImage(small), points[row], pad=0.1, bboxprops=frame))
