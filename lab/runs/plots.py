"""What a classifier does: how it learned, what it confuses, how far it can be believed.

Every function draws one figure, writes it to `path` and returns it. Titles say what was found.
Images may be arrays or paths: `lab.runs.canvas` says more. However many classes or pictures there
are, a figure stays small enough to be drawn in seconds and read: it shows the extremes and says so.
"""

import textwrap

import numpy as np
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator
from scipy.cluster.hierarchy import leaves_list, linkage
from scipy.spatial.distance import squareform
from scipy.stats import binom, chi2

from lab.runs import metrics
from lab.runs.canvas import BLUE, GREEN, GREY, ORANGE, WIDTH, empty, figure, picture, short, show

MOST_CLASSES = 45  # in one figure: the 43 signs and a little more
FEW_CLASSES = 12  # are taken in at a glance, so they keep their order
HALF = MOST_CLASSES // 2  # of the classes, from either end, where not all are shown
MOST_PICTURES = 15
MOST_MARKS = 30  # epochs; more are a line without them
RIGHT = LinearSegmentedColormap.from_list("right", ["#E3EEF6", BLUE, "#00273D"])
WRONG = LinearSegmentedColormap.from_list("wrong", ["#FEF3EA", ORANGE, "#5A2700"])
HONEST = {
    BLUE: "right as often as it says, within noise",
    ORANGE: "right more often or less often than it says",
}
SAYS = "what it says, and how far chance moves an honest bar (95%)"


# ---- learning ----------------------------------------------------------------------------------


def learning_curves(history, path):
    """Loss and accuracy by epoch, of what was trained on and of what was not.

    history: DataFrame with columns epoch, loss, accuracy, val_loss, val_accuracy; with a column l2
        its rows are not epochs but penalties, each trained to the end.
    """
    what, steps = ("L2 penalty", "l2") if "l2" in history else ("epoch", "epoch")
    with figure(path, 5.5, _curves_title(history, what, history[steps])) as drawn:
        loss, accuracy = drawn.subplots(2, 1, sharex=True)
        _curves(loss, history, "loss", "lower is better")
        _curves(accuracy, history, "accuracy", "share named right")
        accuracy.set_ylim(0, 1.02)
        accuracy.set_xlabel(what)
        accuracy.xaxis.set_major_locator(MaxNLocator(integer=True))
        if steps == "l2":
            accuracy.set_xticks(history["epoch"], [f"{penalty:g}" for penalty in history["l2"]])
        drawn.legend(*loss.get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return drawn


def _curves_title(history, what, steps):
    """By what an epoch is the best is said: that of the lowest loss need not be so by accuracy."""
    lowest, highest = history["val_loss"].idxmin(), history["val_accuracy"].idxmax()
    what = what[0].upper() + what[1:]
    accuracy = history["val_accuracy"]
    title = (
        f"{what} {steps[lowest]:g} (of {len(history)}) has the lowest validation loss: accuracy "
        f"{accuracy[lowest]:.3f}, {history['accuracy'][lowest]:.3f} on the training set"
    )
    if accuracy[highest] > accuracy[lowest]:
        title += f". {what} {steps[highest]:g} has the highest accuracy: {accuracy[highest]:.3f}"
    return title


def _curves(axes, history, what, better):
    marks = "os" if len(history) <= MOST_MARKS else ("", "")
    epochs, validation = history["epoch"], history[f"val_{what}"]
    axes.plot(epochs, history[what], color=BLUE, marker=marks[0], label="training")
    axes.plot(epochs, validation, color=ORANGE, marker=marks[1], label="validation")
    lowest = history["val_loss"].idxmin()
    label = "lowest validation loss"
    axes.axvline(epochs[lowest], color=GREY, linestyle=":", zorder=0, label=label)
    axes.plot(epochs[lowest], validation[lowest], "o", ms=14, mfc="none", mec="black")
    axes.set_ylabel(f"{what} ({better})")
    axes.set_ylim(0)
    axes.grid(alpha=0.3)


def class_balance(labels_by_split, names, path):
    """How many pictures each class has, in each split; nothing, and None, when all have as many.

    labels_by_split: name of a split -> its labels [n], in the order they are stacked. Of more than
        MOST_CLASSES classes the rarest and the most frequent are shown.
    """
    counts = {
        split: np.bincount(labels, minlength=len(names))
        for split, labels in labels_by_split.items()
    }
    total = sum(counts.values())
    if np.ptp(total) <= 1:  # 43 classes cannot share 4,000 pictures more evenly
        return None
    turn = np.argsort(total, kind="stable")
    fewest, most = turn[0], turn[-1]
    title = (
        f"{total[fewest]:,} to {total[most]:,} pictures a class: fewest {short(names[fewest])}, "
        f"most {short(names[most])}"
    )
    shown = turn if len(turn) <= MOST_CLASSES else np.delete(turn, slice(HALF, -HALF))
    with figure(path, 1.3 + 0.19 * len(shown), title) as drawn:
        axes = drawn.subplots()
        _stacked_bars(axes, {split: count[shown] for split, count in counts.items()})
        ticks = [f"{short(names[label])}  {label}" for label in shown]
        axes.set_yticks(range(len(shown)), ticks, fontsize=8)
        if len(shown) < len(turn):
            axes.axhline(HALF - 0.5, color=GREY, linestyle="--")
            axes.set_xlabel(
                f"pictures\n{HALF} rarest and {HALF} most frequent of {len(turn):,} classes"
            )
        drawn.legend(loc="outside lower center", ncols=len(counts))
    return drawn


def _stacked_bars(axes, counts):
    """Horizontal bars, a colour for each key of `counts` (name -> counts [n]), with their sums."""
    left = np.zeros(len(next(iter(counts.values()))), int)
    for colour, (name, count) in zip((BLUE, "#E69F00", GREEN), counts.items(), strict=False):
        bars = axes.barh(range(len(count)), count, left=left, color=colour, label=name)
        left = left + count
    axes.bar_label(bars, [f"{sum_:,}" for sum_ in left], padding=3, fontsize=8)
    axes.set(xlabel="pictures", ylim=(-0.7, len(left) - 0.3))
    axes.margins(x=0.1)
    axes.grid(axis="x", alpha=0.3)
    axes.set_axisbelow(True)


# ---- mistakes ----------------------------------------------------------------------------------


def confusion(labels, predictions, names, path):
    """What the pictures of each class were taken for: percent of a row, right blue, wrong orange.

    labels, predictions: [n], positions in `names`. More than FEW_CLASSES classes are ordered so
    that those often taken for each other stand together; of more than MOST_CLASSES those with the
    most frequent mistakes are shown.
    """
    pairs, times = _wrong_pairs(labels, predictions)
    shown = _most_confused(pairs, len(names))
    shares = _shares(labels, predictions, shown, len(names))
    if len(shown) > FEW_CLASSES:
        turn = _alike_together(shares)
        shown, shares = shown[turn], shares[np.ix_(turn, turn)]
    cell = np.interp(len(shown), [2, 8, FEW_CLASSES, MOST_CLASSES], [0.7, 0.45, 0.38, 0.3])
    side = cell * len(shown)  # inches
    title = _confusion_title(labels, predictions, names, pairs, times)
    with figure(path, side + 2.4, title, max(WIDTH, side + 3.2)) as drawn:
        drawn.set_layout_engine("compressed")
        axes = drawn.subplots()
        _cells(axes, shares)
        _class_axes(axes, [f"{short(names[label], 24)}  {label}" for label in shown])
        _bars_of_the_right(axes, shares.diagonal(), width=0.8 / side)
        axes.set(xlabel="taken for (numbers: percent of the row)", ylabel="true class")
        if len(shown) < len(names):
            axes.set_xlabel(
                f"taken for (numbers: percent of the row; what is lacking went to others)\n"
                f"{len(shown)} classes with the most frequent mistakes, of {len(names):,}"
            )
    return drawn


def _wrong_pairs(labels, predictions):
    """Mistakes, the most frequent first: pairs [m, 2] of label and prediction, and how often [m].

    Not counted in a matrix, which 100,000 classes would make 80 GB.
    """
    wrong = labels != predictions
    pairs, times = np.unique(
        np.stack([labels[wrong], predictions[wrong]], axis=1), axis=0, return_counts=True
    )
    turn = np.argsort(-times, kind="stable")
    return pairs[turn], times[turn]


def _most_confused(pairs, classes):
    """Labels, ascending, of at most MOST_CLASSES: those of the first pairs."""
    turn = dict.fromkeys([*pairs.ravel().tolist(), *range(classes)])
    return np.sort(list(turn)[:MOST_CLASSES])


def _shares(labels, predictions, shown, classes):
    """What share of each label in `shown` was taken for each other: [shown, shown]."""
    place = np.full(classes, -1)
    place[shown] = np.arange(len(shown))
    rows, columns = place[labels], place[predictions]
    counts = np.zeros((len(shown), len(shown)))
    both = (rows >= 0) & (columns >= 0)
    np.add.at(counts, (rows[both], columns[both]), 1)
    totals = np.bincount(rows[rows >= 0], minlength=len(shown))
    return counts / np.maximum(totals, 1)[:, None]


def _alike_together(shares):
    """An order of the classes in which those taken for each other are near.

    Bar-Joseph et al., "Fast optimal leaf ordering for hierarchical clustering" (2001).
    """
    distances = 1 - (shares + shares.T) / 2
    np.fill_diagonal(distances, 0)
    return leaves_list(linkage(squareform(distances), "average", optimal_ordering=True))


def _confusion_title(labels, predictions, names, pairs, times):
    right, total = np.sum(labels == predictions), len(labels)
    title = f"{right:,} of {total:,} pictures named right ({right / total:.1%})"
    if not len(pairs):
        return title
    true, predicted = pairs[0]
    return (
        f"{title}; most confused: {short(names[true])} taken for {short(names[predicted])}, "
        f"{times[0]:,} of {np.sum(labels == true):,} times"
    )


def _cells(axes, shares):
    diagonal = np.eye(len(shares), dtype=bool)
    for colours, hidden in [(RIGHT, ~diagonal), (WRONG, diagonal)]:
        shown = np.ma.masked_where(hidden | (shares == 0), shares)
        axes.imshow(shown, cmap=colours, vmin=0, vmax=1)
    for row, column in np.argwhere(shares > 0.005):  # less would be written as 0
        share = shares[row, column]
        colour = "white" if share > 0.4 else "black"
        axes.text(column, row, f"{100 * share:.0f}", ha="center", va="center", size=8.5, c=colour)


def _class_axes(axes, ticks):
    places = range(len(ticks))
    axes.set_yticks(places, ticks, fontsize=9)
    axes.set_xticks(places, ticks, fontsize=9, rotation=90)
    axes.set_xticks(np.arange(len(ticks) + 1) - 0.5, minor=True)
    axes.set_yticks(np.arange(len(ticks) + 1) - 0.5, minor=True)
    axes.grid(which="minor", color="#DDDDDD", linewidth=0.5)
    axes.tick_params(which="both", length=0)


def _bars_of_the_right(axes, shares, width):
    """Beside the rows of a matrix, how much of each is right; `width` in widths of the matrix."""
    beside = axes.inset_axes([1 + width / 8, 0, width, 1], sharey=axes)
    beside.barh(range(len(shares)), shares, height=0.8, color=BLUE)
    beside.set(xlim=(0, 1), xticks=[0, 1], xticklabels=["0", "100%"])
    beside.set_title("named right", fontsize=9)
    beside.tick_params(which="both", left=False, labelleft=False, labelsize=8)


def mistakes(images, labels, probabilities, names, path):
    """The most confident mistakes, one of each kind: true class, what it was taken for, how often.

    labels [n]; probabilities [n, classes]. MOST_PICTURES at most.
    """
    predictions = probabilities.argmax(1)
    wrong = np.flatnonzero(predictions != labels)
    wrong = wrong[np.argsort(-probabilities[wrong].max(1), kind="stable")]
    kinds = np.stack([labels[wrong], predictions[wrong]], axis=1)
    _, firsts, often = np.unique(kinds, axis=0, return_index=True, return_counts=True)
    turn = np.argsort(firsts)[:MOST_PICTURES]
    title = f"{len(wrong):,} of {len(labels):,} pictures named wrong"
    if len(firsts):
        title += ". The surest, one of each kind: orange what it said, black what it is"
    rows = max(1, -(-len(turn) // 3))
    with figure(path, (WIDTH / 3 + 0.7) * rows, title) as drawn:
        drawn.set_layout_engine("constrained", h_pad=0.08, w_pad=0.06)
        grid = drawn.subplots(rows, 3, squeeze=False).ravel()
        for axes in grid:
            empty(axes)
        for axes, row, count in zip(grid, wrong[firsts[turn]], often[turn], strict=False):
            _show_in_square(axes, picture(images[row]))
            _say_mistake(axes, names, labels[row], probabilities[row], count)
    return drawn


def _show_in_square(axes, image):
    """An image of any shape in the middle of a square, so that a row of them stands on one line."""
    show(axes, image)
    height, width = image.shape[:2]
    half = max(height, width) / 2
    axes.set_xlim(width / 2 - 0.5 - half, width / 2 - 0.5 + half)
    axes.set_ylim(height / 2 - 0.5 + half, height / 2 - 0.5 - half)


def _say_mistake(axes, names, label, probabilities, count):
    predicted = probabilities.argmax()
    guess = _two_lines(names[predicted], f"{probabilities[predicted]:.3f}")
    truth = _two_lines(f"is {names[label]}", f"{probabilities[label]:.3f}")
    often = "once" if count == 1 else f"{count:,} times"
    axes.set_title(guess, fontsize=8, color=ORANGE, loc="center", fontweight="bold")
    axes.set_xlabel(f"{truth}\nso mistaken {often}", fontsize=8)


def _two_lines(name, number, width=27):
    """The name and the number in two lines at most, the name cut short where it must be."""
    for length in range(2 * width, 0, -1):
        text = textwrap.wrap(f"{short(name, length)} {number}", width)
        if len(text) <= 2:
            break
    return "\n".join(text)


# ---- confidence --------------------------------------------------------------------------------


def reliability(labels, probabilities, path):
    """Is it right as often as it says? Accuracy by confidence, and how often each confidence is."""
    confidence, accuracy, count = metrics.calibration(labels, probabilities)
    says, right = (of_bin @ count / count.sum() for of_bin in (confidence, accuracy))
    ece = metrics.expected_calibration_error(labels, probabilities)
    verdict = _verdict(confidence, accuracy, count, ece)
    title = f"Says {says:.0%} sure, is right {right:.0%} of the time: {verdict} (ECE {ece:.3f})"
    with figure(path, 6, title) as drawn:
        above, below = drawn.subplots(2, 1, sharex=True, height_ratios=[3, 1])
        _reliability_bars(above, confidence, accuracy, count)
        width = 1 / len(count)
        below.bar((np.arange(len(count)) + 0.5) * width, count, 0.92 * width, color=GREY)
        below.set(xlabel="confidence: probability of the class it names", ylabel="pictures")
        bars = [Patch(color=colour, label=label) for colour, label in HONEST.items()]
        drawn.legend(
            handles=[*bars, *above.get_legend_handles_labels()[0]], loc="outside lower center"
        )
    return drawn


def _verdict(confidence, accuracy, count, ece):
    """What the bins say in words; a difference that chance explains is none.

    Hosmer and Lemeshow's test (1980): squared differences over their variance, summed, are
    distributed like chi squared when every confidence is true.
    """
    confidence, accuracy, count = (of_bin[count > 0] for of_bin in (confidence, accuracy, count))
    variance = np.maximum(confidence * (1 - confidence) / count, 1e-12)
    chance = chi2.sf(np.sum((accuracy - confidence) ** 2 / variance), len(count))
    too_sure = (confidence - accuracy) @ count / count.sum()
    if chance > 0.05:
        return "well calibrated, within noise"
    if ece < 0.02:
        return "well calibrated"
    if abs(too_sure) < ece / 2:  # most of it cancels out
        return "honest on average, but not at every confidence"
    return "overconfident" if too_sure > 0 else "underconfident"


def _reliability_bars(axes, confidence, accuracy, count):
    width, filled = 1 / len(count), count > 0
    middle = ((np.arange(len(count)) + 0.5) * width)[filled]
    confidence, accuracy, count = np.minimum(confidence, 1)[filled], accuracy[filled], count[filled]
    low, high = np.array(binom.interval(0.95, count, confidence)) / count
    honest = (low <= accuracy) & (accuracy <= high)
    axes.bar(middle, accuracy, 0.92 * width, color=np.where(honest, BLUE, ORANGE))
    spread = np.clip([confidence - low, high - confidence], 0, None)
    axes.errorbar(middle, confidence, spread, fmt="_", color="black", capsize=3, label=SAYS)
    axes.set(xlim=(0, 1), ylim=(0, 1.02), ylabel="accuracy")


def top_bars(images, probabilities, names, path, top=5):
    """Each picture with the probabilities of its `top` classes beside it; MOST_PICTURES at most.

    probabilities: [n, classes].
    """
    top, count = min(top, len(names)), len(images)
    images, probabilities = images[:MOST_PICTURES], probabilities[:MOST_PICTURES]
    guesses = [f"{short(names[row.argmax()])} {row.max():.2f}" for row in probabilities[:4]]
    title = "Taken for " + "; ".join(guesses) + ("; ..." if count > len(guesses) else "")
    title += f" (the first {len(images)} of {count:,})" if count > len(images) else ""
    with figure(path, 0.2 + max(1.5, 0.28 * top) * len(images), title) as drawn:
        grid = drawn.subplots(len(images), 2, squeeze=False, width_ratios=[1, 2.6])
        for (left, right), image, row in zip(grid, images, probabilities, strict=True):
            show(left, picture(image))
            best = np.argsort(-row, kind="stable")[:top]
            bars = right.barh(range(top), row[best], color=[BLUE] + ["#8FC1E0"] * (top - 1))
            right.bar_label(bars, fmt="%.3f", padding=3, fontsize=9)
            right.set_yticks(range(top), [short(names[label], 28) for label in best], fontsize=9)
            right.set(xlim=(0, 1.25), xticks=[])
            right.invert_yaxis()
            right.spines["bottom"].set_visible(False)
    return drawn
