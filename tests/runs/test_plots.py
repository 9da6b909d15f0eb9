"""Plots say what they found, read at any number of classes, and survive what data can be."""

from itertools import combinations, pairwise
from unittest.mock import patch

import numpy as np
import pandas as pd
import pytest
from matplotlib.text import Text
from PIL import Image

from lab.runs import plots

NAMES = ["cat", "dog", "owl"]
LABELS = np.array([0, 0, 0, 1, 1, 2])
PREDICTIONS = np.array([0, 1, 1, 1, 1, 0])
IMAGES = [np.full((size, 2 * size, 3), 40 * size, np.uint8) for size in range(1, 7)]


def sure(predictions, confidence, classes=3):
    """Probabilities [n, classes] with `confidence` [n] for the class predicted."""
    rest = (1 - np.asarray(confidence)) / (classes - 1)
    probabilities = np.repeat(rest[:, None], classes, axis=1)
    probabilities[np.arange(len(rest)), predictions] = confidence
    return probabilities


def title(figure):
    return " ".join(figure.get_suptitle().split())


def written(figure):
    """The texts of a figure as they are drawn; ticks out of sight are not."""
    with patch.object(Text, "draw", autospec=True) as draw:
        figure.draw_without_rendering()
    return {call.args[0] for call in draw.call_args_list if call.args[0].get_text()}


def check_readable(figure):
    """All that is written is inside of the figure, and nothing over another."""
    boxes = [(text.get_text(), text.get_window_extent().extents) for text in written(figure)]
    for text, box in boxes:
        assert (box[:2] >= -1).all(), text
        assert (box[2:] <= figure.bbox.extents[2:] + 1).all(), text
    for (one, a), (other, b) in combinations(boxes, 2):
        assert (a[2:] <= b[:2] + 1).any() or (b[2:] <= a[:2] + 1).any(), (one, other)


@pytest.fixture
def history():
    return pd.DataFrame(
        {
            "epoch": [1, 2, 3],
            "loss": [2.0, 1.0, 0.5],
            "accuracy": [0.5, 0.7, 0.9],
            "val_loss": [1.5, 1.1, 1.2],
            "val_accuracy": [0.4, 0.62, 0.6],
        }
    )


def test_learning_curves_say_by_what_an_epoch_is_the_best(history, tmp_path):
    figure = plots.learning_curves(history, tmp_path / "curves.png")
    assert title(figure) == (
        "Epoch 2 (of 3) has the lowest validation loss: accuracy 0.620, 0.700 on the training set"
    )
    history["val_accuracy"] = [0.4, 0.62, 0.63]
    figure = plots.learning_curves(history, tmp_path / "curves.png")
    assert title(figure).endswith("training set. Epoch 3 has the highest accuracy: 0.630")


def test_of_penalties_the_curves_speak_of_penalties(history, tmp_path):
    figure = plots.learning_curves(history.assign(l2=[0.1, 0.01, 0.001]), tmp_path / "curves.png")
    assert title(figure).startswith("L2 penalty 0.01 (of 3) has the lowest validation loss")
    assert figure.axes[1].get_xlabel() == "L2 penalty"
    assert [t.get_text() for t in figure.axes[1].get_xticklabels()] == ["0.1", "0.01", "0.001"]


def test_the_legend_of_learning_curves_covers_no_data(history, tmp_path):
    figure = plots.learning_curves(history, tmp_path / "curves.png")
    legend = figure.legends[0].get_window_extent()
    assert not any(axes.bbox.overlaps(legend) for axes in figure.axes)
    check_readable(figure)


def test_learning_curves_show_loss_above_accuracy(history, tmp_path):
    figure = plots.learning_curves(history, tmp_path / "curves.png")
    loss, accuracy = figure.axes
    assert (accuracy.get_xlabel(), loss.get_ylabel()) == ("epoch", "loss (lower is better)")
    training, validation = accuracy.get_lines()[:2]
    assert list(training.get_ydata()) == list(history["accuracy"])
    assert list(validation.get_ydata()) == list(history["val_accuracy"])


def test_one_epoch_can_be_drawn(history, tmp_path):
    plots.learning_curves(history[:1], tmp_path / "curves.png")
    assert Image.open(tmp_path / "curves.png").size == (1024, 960)


def test_confusion_shows_shares_of_rows_and_leaves_zeros_blank(tmp_path):
    figure = plots.confusion(LABELS, PREDICTIONS, NAMES, tmp_path / "confusion.png")
    right, wrong = (image.get_array() for image in figure.axes[0].get_images())
    np.testing.assert_allclose(right.filled(0), np.diag([1 / 3, 1, 0]))
    np.testing.assert_allclose(wrong.filled(0), [[0, 2 / 3, 0], [0, 0, 0], [1, 0, 0]])
    assert right.mask.sum() == 7, "a class never found is blank, not dark"
    assert {"33", "67", "100"} <= {text.get_text() for text in figure.axes[0].texts}
    assert "0" not in {text.get_text() for text in figure.axes[0].texts}


def test_no_cell_with_a_mistake_says_zero_percent(tmp_path):
    labels, predictions = np.zeros(200, int), np.arange(200) // 199  # half a percent is wrong
    figure = plots.confusion(labels, predictions, NAMES, tmp_path / "confusion.png")
    assert [text.get_text() for text in figure.axes[0].texts] == ["100"]


def test_confusion_names_the_most_frequent_mistake(tmp_path):
    figure = plots.confusion(LABELS, PREDICTIONS, NAMES, tmp_path / "confusion.png")
    assert "3 of 6 pictures named right (50.0%)" in title(figure)
    assert "cat taken for dog, 2 of 3 times" in title(figure)


@pytest.mark.parametrize("classes", [2, 8, 43])
def test_confusion_puts_every_name_on_both_axes_without_overlap(classes, tmp_path):
    names = [f"a class with a rather long name {label}" for label in range(classes)]
    labels = np.arange(classes)
    figure = plots.confusion(labels, labels, names, tmp_path / "confusion.png")
    axes = figure.axes[0]
    assert len(axes.get_xticklabels()) == len(axes.get_yticklabels()) == classes
    boxes = [label.get_window_extent() for label in axes.get_yticklabels()]
    assert all(above.y0 >= below.y1 - 1 for above, below in pairwise(boxes))
    check_readable(figure)


def shown_labels(figure):
    return [int(t.get_text().split()[-1]) for t in figure.axes[0].get_yticklabels()]


def test_classes_taken_for_each_other_stand_together(tmp_path):
    labels = np.repeat(np.arange(20), 10)
    predictions = labels.copy()
    predictions[:5], predictions[-5:] = 19, 0  # the first and the last
    figure = plots.confusion(labels, predictions, list("abcdefghijklmnopqrst"), tmp_path / "c.png")
    turn = shown_labels(figure)
    assert sorted(turn) == list(range(20))
    assert abs(turn.index(0) - turn.index(19)) == 1
    right, wrong = (image.get_array() for image in figure.axes[0].get_images())
    assert right[turn.index(0), turn.index(0)] == wrong[turn.index(0), turn.index(19)] == 0.5


def test_of_many_classes_the_most_confused_are_drawn_and_the_figure_stays_small(tmp_path):
    labels = np.repeat(np.arange(1000), 4)
    predictions = labels.copy()
    predictions[4 * 700 : 4 * 700 + 3] = 13
    predictions[4 * 20] = 700  # a quarter of its row
    names = [f"class {label}" for label in range(1000)]
    figure = plots.confusion(labels, predictions, names, tmp_path / "confusion.png")
    turn = shown_labels(figure)
    assert {13, 20, 700} <= set(turn)
    assert len(turn) <= 50
    assert max(Image.open(tmp_path / "confusion.png").size) < 3000
    wrong = figure.axes[0].get_images()[1].get_array()
    assert wrong[turn.index(700), turn.index(13)] == 0.75
    assert "of 1,000" in figure.axes[0].get_xlabel()
    check_readable(figure)


def test_a_hundred_thousand_classes_need_no_matrix_of_them_all(tmp_path):
    names = [str(label) for label in range(100_000)]  # their square would be 80 GB
    labels = np.array([5, 5, 99_999])
    figure = plots.confusion(labels, np.array([5, 99_999, 5]), names, tmp_path / "confusion.png")
    assert {5, 99_999} <= set(shown_labels(figure))


def test_without_mistakes_confusion_says_so(tmp_path):
    figure = plots.confusion(LABELS, LABELS, NAMES, tmp_path / "confusion.png")
    assert title(figure) == "6 of 6 pictures named right (100.0%)"


def test_a_class_without_pictures_leaves_its_row_blank(tmp_path):
    figure = plots.confusion(np.array([0, 1]), np.array([0, 1]), NAMES, tmp_path / "confusion.png")
    assert figure.axes[0].get_images()[0].get_array().mask[2].all()


def test_mistakes_are_shown_once_a_kind_the_surest_first(tmp_path):
    probabilities = sure(PREDICTIONS, [0.9, 0.6, 0.8, 0.9, 0.9, 0.7])
    figure = plots.mistakes(IMAGES, LABELS, probabilities, NAMES, tmp_path / "mistakes.png")
    assert title(figure).startswith("3 of 6 pictures named wrong")
    shown = [axes for axes in figure.axes if axes.get_images()]
    assert [axes.get_title() for axes in shown] == ["dog 0.800", "cat 0.700"]
    assert shown[0].get_xlabel() == "is cat 0.100\nso mistaken 2 times"
    assert shown[1].get_xlabel() == "is owl 0.150\nso mistaken once"
    np.testing.assert_array_equal(shown[0].get_images()[0].get_array(), IMAGES[2])


def test_mistakes_of_any_shape_stand_in_lines_and_their_words_apart(tmp_path):
    names = [f"{name} of a kind whose name takes up more than two lines of text" for name in NAMES]
    images = [np.zeros(shape, np.uint8) for shape in [(9, 90, 3), (90, 9, 3), (50, 50, 3)] * 2]
    labels, predictions = np.array([0, 0, 1, 1, 2, 2]), np.array([1, 2, 0, 2, 0, 1])
    probabilities = sure(predictions, np.linspace(0.9, 0.5, 6))
    figure = plots.mistakes(images, labels, probabilities, names, tmp_path / "mistakes.png")
    check_readable(figure)
    boxes = np.array([axes.get_window_extent().extents for axes in figure.axes])
    np.testing.assert_allclose(boxes[:3, [1, 3]], boxes[:1, [1, 3]].repeat(3, 0), atol=1)
    assert "0.900" in figure.axes[0].get_title()


def test_no_mistakes_is_a_finding(tmp_path):
    figure = plots.mistakes(IMAGES, LABELS, sure(LABELS, [0.9] * 6), NAMES, tmp_path / "none.png")
    assert title(figure) == "0 of 6 pictures named wrong"
    assert not any(axes.get_images() for axes in figure.axes)


def test_only_the_pictures_that_are_shown_are_read(tmp_path):
    paths = [tmp_path / f"{row}.png" for row in range(6)]
    Image.fromarray(IMAGES[5]).save(paths[5])  # the others are not there
    probabilities = sure([0, 0, 0, 1, 1, 0], [0.9] * 6)
    figure = plots.mistakes(paths, LABELS, probabilities, NAMES, tmp_path / "mistakes.png")
    np.testing.assert_array_equal(figure.axes[0].get_images()[0].get_array(), IMAGES[5])


def test_class_balance_stacks_the_splits_and_names_the_extremes(tmp_path):
    splits = {"training": LABELS, "validation": np.array([0])}
    figure = plots.class_balance(splits, NAMES, tmp_path / "balance.png")
    assert title(figure) == "1 to 4 pictures a class: fewest owl, most cat"
    widths = [[bar.get_width() for bar in bars] for bars in figure.axes[0].containers]
    assert widths == [[1, 2, 3], [0, 0, 1]]  # the rarest class first, at the bottom
    assert [t.get_text() for t in figure.axes[0].get_yticklabels()] == [
        "owl  2",
        "dog  1",
        "cat  0",
    ]


@pytest.mark.parametrize("counts", [[5, 5, 5], [94, 93, 93]])
def test_a_class_balance_without_differences_is_not_drawn(counts, tmp_path):
    path = tmp_path / "balance.png"
    assert plots.class_balance({"training": np.repeat([0, 1, 2], counts)}, NAMES, path) is None
    assert not path.exists()


def test_of_many_classes_the_balance_shows_the_rarest_and_the_most_frequent(tmp_path):
    labels = np.repeat(np.arange(1000), np.arange(1, 1001))
    names = [f"class {label}" for label in range(1000)]
    figure = plots.class_balance({"training": labels}, names, tmp_path / "balance.png")
    widths = [bar.get_width() for bar in figure.axes[0].containers[0]]
    half = len(widths) // 2
    assert widths == [*range(1, half + 1), *range(1001 - half, 1001)]
    assert max(Image.open(tmp_path / "balance.png").size) < 2000
    check_readable(figure)


def test_reliability_calls_a_boaster_overconfident(tmp_path):
    figure = plots.reliability(LABELS, sure(PREDICTIONS, [0.9] * 6), tmp_path / "reliability.png")
    assert title(figure) == "Says 90% sure, is right 50% of the time: overconfident (ECE 0.400)"
    above, below = figure.axes
    assert [bar.get_height() for bar in above.containers[0]] == [0.5]
    assert sum(bar.get_height() for bar in below.containers[0]) == 6


def test_reliability_calls_the_modest_underconfident_and_the_honest_calibrated(tmp_path):
    modest = plots.reliability(LABELS, sure(LABELS, [0.5] * 6), tmp_path / "modest.png")
    assert "underconfident" in title(modest)
    honest = plots.reliability(LABELS, sure(PREDICTIONS, [0.5] * 6), tmp_path / "honest.png")
    assert "well calibrated" in title(honest)


def test_a_difference_that_chance_explains_is_no_verdict(tmp_path):
    right = np.arange(100) < 60
    probabilities = sure(np.where(right, 0, 1), [0.59] * 100)
    figure = plots.reliability(np.zeros(100, int), probabilities, tmp_path / "reliability.png")
    said = title(figure)
    assert said.startswith("Says 59% sure, is right 60% of the time: well calibrated, within noise")
    check_readable(figure)


def test_too_sure_here_and_too_modest_there_is_neither_on_average(tmp_path):
    right = np.concatenate([np.arange(500) < 300, np.arange(500) < 400])  # 60 % and 80 %
    probabilities = sure(np.where(right, 0, 1), np.repeat([0.5, 0.9], 500))
    figure = plots.reliability(np.zeros(1000, int), probabilities, tmp_path / "reliability.png")
    assert "70% of the time: honest on average, but not at every confidence" in title(figure)


def test_bars_beyond_chance_have_another_colour_and_the_legend_says_so(tmp_path):
    right = np.concatenate([np.arange(500) < 250, np.arange(500) < 400])
    probabilities = sure(np.where(right, 0, 1), np.repeat([0.5, 0.9], 500))
    figure = plots.reliability(np.zeros(1000, int), probabilities, tmp_path / "reliability.png")
    honest, boasting = (bar.get_facecolor() for bar in figure.axes[0].containers[0])
    colours = [patch.get_facecolor() for patch in figure.legends[0].get_patches()]
    assert [honest, boasting] == colours
    assert figure.legends[0].get_texts()[0].get_text().startswith("right as often as it says")


def test_top_bars_stand_beside_their_picture_best_first(tmp_path):
    probabilities = np.array([[0.1, 0.7, 0.2], [0.5, 0.3, 0.2]])
    figure = plots.top_bars(IMAGES[:2], probabilities, NAMES, tmp_path / "top.png", top=2)
    assert title(figure) == "Taken for dog 0.70; cat 0.50"
    bars = figure.axes[1]
    assert [t.get_text() for t in bars.get_yticklabels()] == ["dog", "owl"]
    assert [bar.get_width() for bar in bars.containers[0]] == [0.7, 0.2]


def test_more_bars_than_classes_are_all_classes(tmp_path):
    figure = plots.top_bars(IMAGES[:1], np.array([[0.1, 0.7, 0.2]]), NAMES, tmp_path / "t.png")
    assert len(figure.axes[1].get_yticklabels()) == 3


def test_of_many_pictures_the_first_have_bars_and_the_title_says_so(tmp_path):
    probabilities = sure([0] * 600, [0.9] * 600)
    figure = plots.top_bars(IMAGES * 100, probabilities, NAMES, tmp_path / "top.png")
    assert title(figure).endswith("; ... (the first 15 of 600)")
    assert len(figure.axes) == 30


def test_a_name_that_looks_like_mathematics_is_printed_as_it_is(tmp_path):
    names = ["$5 or $10", r"\frac{", "a_b^c $"]
    figure = plots.confusion(LABELS, PREDICTIONS, names, tmp_path / "confusion.png")
    assert figure.axes[0].get_yticklabels()[0].get_text() == "$5 or $10  0"


def test_plots_leave_no_figures_open_and_no_settings_changed(history, tmp_path):
    from matplotlib import pyplot, rcParams

    before = dict(rcParams)
    plots.learning_curves(history, tmp_path / "curves.png")
    assert pyplot.get_fignums() == []
    assert dict(rcParams) == before
