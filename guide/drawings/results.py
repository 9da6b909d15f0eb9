"""What a training comes to: figures of the demo run, as its report shows them, and of its test."""

import itertools
import textwrap

import numpy as np
from PIL import Image
from sklearn.datasets import load_sample_images

from benchmarks.cases import SIDE, digits
from guide.drawings import demo_run
from guide.drawings.canvas import (
    BLUE,
    EDGE,
    GREEN,
    GREY,
    ORANGE,
    WIDTH,
    card,
    fitted,
)
from lab.demo import flowers
from lab.runs import metrics, plots
from lab.runs.canvas import short

SHOWN = (14, 25, 12)  # on the door: stop, road work, priority
SPEEDS = {0: 20, 1: 30, 2: 50, 3: 60, 4: 70, 5: 80, 7: 100, 8: 120}
LIMITS = {label: f"{speed} km/h" for label, speed in SPEEDS.items()}
MISTAKES = 6
PART = 256  # pixels of a side of a photograph, shown to the network as SIDE x SIDE


def door(path):
    """Drawn signs, the network, and what the head trained in the demo says they are."""
    test, names = demo_run.tested(), demo_run.tested().dataset.names
    with card(path, 352, "Old network, new last layer: it names traffic signs") as page:
        top = page.top + 6
        corners = [(100, top + 4), (160, top + 74), (160, top + 196), (100, top + 266)]
        page.shape(corners, GREY)
        page.text(128, top + 135, "AlexNet,\nas it is", ha="center", va="center", rotation=90)
        page.box(166, top + 74, 26, 122, ORANGE)
        page.text(179, top + 135, "new layer", ha="center", va="center", rotation=90)
        for number, label in enumerate(SHOWN):
            y = top + 94 * number
            row = _clearest(test.dataset.images, test.right & (test.dataset.labels == label))
            page.image(EDGE, y, 76, test.dataset.images[row])
            _bars(page, 206, y + 2, test.probabilities[row], names)


def _clearest(images, chosen):
    """The row of the picture with the most contrast among those chosen."""
    rows = np.flatnonzero(chosen)
    return rows[images[rows].std(axis=(1, 2, 3)).argmax()]


def _bars(page, x, y, probabilities, names):
    """The two most probable classes, their names above their bars."""
    for number, label in enumerate(np.argsort(-probabilities, kind="stable")[:2]):
        share, color = probabilities[label], BLUE if number == 0 else GREY
        page.text(x, y + 8, short(names[label], 25), weight="bold" if number == 0 else "normal")
        page.box(x, y + 18, max(130 * share, 2), 12, color, fill=color)
        page.text(x + 136 * share + 8, y + 24, f"{share:.2f}")
        y += 40


# ---- the report's own plots ----------------------------------------------------------------------


def curves(path):
    drawn = plots.learning_curves(demo_run.trained().history, path)
    for axes, label in zip(drawn.axes, ("loss", "accuracy"), strict=True):
        axes.set_ylabel(label)
    fitted(drawn, path, 560)


def calibration(path):
    test = demo_run.tested()
    fitted(plots.reliability(test.dataset.labels, test.probabilities, path), path, 590)


def confusions(path):
    """Speed limits, each by itself, and all others: 43 classes could not be read on a telephone."""
    test = demo_run.tested()
    names = [*LIMITS.values(), "other signs"]
    place = np.full(len(test.dataset.names), len(LIMITS))
    place[[*LIMITS]] = range(len(LIMITS))
    said = place[test.probabilities.argmax(1)]
    drawn = plots.confusion(place[test.dataset.labels], said, names, path)
    drawn.suptitle("Speed limits are taken for one another")
    (matrix,) = drawn.axes
    matrix.child_axes[0].remove()  # how many were named right stands in the diagonal
    matrix.set_xticks(range(len(names)), names)
    matrix.set_yticks(range(len(names)), names)
    matrix.set_xlabel("taken for (percent of the row)")
    fitted(drawn, path, 440)


def mistakes(path):
    """The surest mistakes, one of each kind."""
    test = demo_run.tested()
    images, labels, names = test.dataset.images, test.dataset.labels, test.dataset.names
    said, sure = test.probabilities.argmax(1), test.probabilities.max(1)
    wrong = np.flatnonzero(~test.right)
    wrong = wrong[np.argsort(-sure[wrong], kind="stable")]
    kinds = np.stack([labels[wrong], said[wrong]], axis=1)
    firsts = np.sort(np.unique(kinds, axis=0, return_index=True)[1])[:MISTAKES]
    title = f"{len(wrong)} of {len(labels):,} new signs are named wrong. The surest mistakes:"
    with card(path, 86 + 88 * len(firsts), title) as page:
        for number, row in enumerate(wrong[firsts]):
            y = page.top + 8 + 88 * number
            page.image(EDGE, y, 76, images[row])
            page.text(108, y + 20, _sure("said", names[said[row]], sure[row]), color=ORANGE)
            truth = test.probabilities[row, labels[row]]
            page.text(108, y + 56, _sure("is", names[labels[row]], truth))


def _sure(what, name, probability):
    return textwrap.fill(f"{what}: {name}, {probability:.3f}", 37)


# ---- how far it can be believed ------------------------------------------------------------------


def interval(path):
    """What 95 % of resampled accuracies lie between, of ever more new signs."""
    test = demo_run.tested()
    right, tracks = test.right, test.dataset.tracks
    turn = np.random.default_rng(0).permutation(np.unique(tracks))
    amounts = [20, 40, 80, 160, len(turn)]
    title = "The more new signs it is tested on, the narrower the 95% interval"
    with card(path, 404, title) as page:
        panel = page.panel(88, page.top + 6, 290, 220)
        for place, amount in enumerate(amounts):
            rows = np.isin(tracks, turn[:amount])
            for groups, color, aside in [(tracks[rows], BLUE, -0.13), (None, GREY, 0.13)]:
                low, high = metrics.accuracy_interval(right[rows], groups)
                panel.plot([low, high], [place + aside] * 2, color=color, lw=4)
                panel.plot(right[rows].mean(), place + aside, "o", color="black", ms=4)
        panel.set_yticks(range(len(amounts)), [f"{amount} signs" for amount in amounts])
        panel.set(ylim=(len(amounts) - 0.5, -0.5), xlabel="accuracy")
        panel.axvline(right.mean(), color=GREY, ls=":", lw=1, zorder=0)
        panel.grid(axis="x", alpha=0.3)
        y = page.top + 288
        for color, words in [
            (BLUE, "whole signs resampled: honest"),
            (GREY, "single pictures resampled: frames of\none sign are no independent witnesses"),
        ]:
            page.line([EDGE, EDGE + 24], [y, y], color, 4)
            page.text(EDGE + 34, y - 8, words, va="top")
            y += 24


def strangers(path):
    """How strange the run finds what it was trained for, and what it was not."""
    run, test = demo_run.trained(), demo_run.tested()
    others = {
        "flowers": _small(flowers.draw(100).images),
        "digits": digits().images[::18],
        "photographs": _photographs(),
    }
    found = {"new signs": (test.dataset.images, test.probabilities, test.strangeness)}
    found |= {name: (images, *run.judged(images)) for name, images in others.items()}
    title = "Its head must name anything as a sign. Strangeness tells what is none"
    with card(path, 96 + 92 * len(found), title) as page:
        for number, (name, each) in enumerate(found.items()):
            y = page.top + 8 + 92 * number
            _stranger(page, y, name, *each, test.dataset.names)
        page.text(
            WIDTH - EDGE, page.top + 14 + 92 * len(found), "dashed: above 1 it warns", ha="right",
            color=GREY,
        )  # fmt: skip


def _stranger(page, y, name, images, probabilities, strangeness, classes):
    low, high = np.quantile(strangeness, [0.3, 0.7])
    middle = _clearest(images, (low <= strangeness) & (strangeness <= high))
    page.image(EDGE, y, 72, images[middle])
    share = (strangeness > 1).mean()
    said = short(classes[probabilities[middle].argmax()], 30)
    page.text(100, y + 8, f"{name}: warns at {share:.0%}", weight="bold")
    page.text(100, y + 26, f"it says: {said}", color=GREY)
    panel = page.panel(100, y + 38, 284, 24, xscale="symlog")
    panel.set_xscale("symlog", linthresh=1)
    places = np.random.default_rng(0).uniform(-1, 1, len(strangeness))
    color = GREEN if name == "new signs" else ORANGE
    panel.plot(strangeness, places, ".", color=color, ms=3, alpha=0.5, mew=0)
    panel.axvline(1, color="black", ls="--", lw=1)
    panel.set(xlim=(-0.05, 60), ylim=(-1.3, 1.3), yticks=[])
    panel.set_xticks([0, 1, 10, 50], ["0", "1", "10", "50"])
    panel.minorticks_off()
    panel.spines["left"].set_visible(False)


def _small(images):
    """Square pictures as 32x32."""
    return np.stack([Image.fromarray(image).resize((SIDE, SIDE)) for image in images])


def _photographs():
    """Parts of the two photographs that scikit-learn ships."""
    places = itertools.product(load_sample_images().images, range(0, 172, 43), range(0, 385, 32))
    return _small([photo[y : y + PART, x : x + PART] for photo, y, x in places])
