"""Plots say what they found, read at any number of classes, and survive what data can be."""

from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
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


def texts(figure):
    """All that is written in a figure."""
    return {t.get_text() for t in figure.findobj(lambda artist: hasattr(artist, "get_text"))}


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


def test_learning_curves_name_the_epoch_with_the_lowest_validation_loss(history, tmp_path):
    figure = plots.learning_curves(history, tmp_path / "curves.png")
    assert "Validation accuracy 0.620 in epoch 2" in title(figure)
    loss, accuracy = figure.axes
    assert (loss.get_xlabel(), loss.get_ylabel()) == ("epoch", "loss (lower is better)")
    training, validation = accuracy.get_lines()[:2]
    assert list(training.get_ydata()) == list(history["accuracy"])
    assert list(validation.get_ydata()) == list(history["val_accuracy"])


def test_one_epoch_can_be_drawn(history, tmp_path):
    plots.learning_curves(history[:1], tmp_path / "curves.png")
    assert Image.open(tmp_path / "curves.png").size == (1000, 420)


def test_confusion_shows_shares_of_rows_and_leaves_zeros_blank(tmp_path):
    figure = plots.confusion(LABELS, PREDICTIONS, NAMES, tmp_path / "confusion.png")
    right, wrong = (image.get_array() for image in figure.axes[0].get_images())
    np.testing.assert_allclose(right.filled(0), np.diag([1 / 3, 1, 0]))
    np.testing.assert_allclose(wrong.filled(0), [[0, 2 / 3, 0], [0, 0, 0], [1, 0, 0]])
    assert right.mask.sum() == 7, "a class never found is blank, not dark"
    assert {"33", "67", "100"} <= texts(figure)
    assert "0" not in texts(figure)


def test_confusion_names_the_most_frequent_mistake(tmp_path):
    figure = plots.confusion(LABELS, PREDICTIONS, NAMES, tmp_path / "confusion.png")
    assert "3 of 6 pictures named right (50.0%)" in title(figure)
    assert "cat taken for dog, 2 of 3 times" in title(figure)


@pytest.mark.parametrize("classes", [2, 100])
def test_confusion_puts_every_name_on_both_axes_without_overlap(classes, tmp_path):
    names = [f"a class with a rather long name {label}" for label in range(classes)]
    labels = np.arange(classes)
    figure = plots.confusion(labels, labels, names, tmp_path / "confusion.png")
    axes = figure.axes[0]
    assert len(axes.get_xticklabels()) == len(axes.get_yticklabels()) == classes
    boxes = [label.get_window_extent() for label in axes.get_yticklabels()]
    assert all(above.y0 >= below.y1 - 1 for above, below in pairwise(boxes))


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


def test_a_name_that_looks_like_mathematics_is_printed_as_it_is(tmp_path):
    names = ["$5 or $10", r"\frac{", "a_b^c $"]
    figure = plots.confusion(LABELS, PREDICTIONS, names, tmp_path / "confusion.png")
    assert figure.axes[0].get_yticklabels()[0].get_text() == "$5 or $10  0"


def test_filters_are_tiles_that_keep_their_colours(tmp_path):
    kernel = np.zeros((11, 11, 3, 96), np.float32)
    kernel[..., 0, 1] = 5.0  # the second answers to red
    page = plots.filters(kernel + 1e-9, tmp_path / "conv1.png").axes[0].get_images()[0].get_array()
    assert page.shape == (8 * 12 - 1, 12 * 12 - 1, 3)
    np.testing.assert_allclose(page[0, 12], [1, 0.5, 0.5], atol=1e-6)
    np.testing.assert_allclose(page[0, 11], 1)  # the line between tiles


def test_activations_show_the_strongest_channels_first(tmp_path):
    layer = np.zeros((5, 5, 12), np.float32)
    layer[2, 2] = np.arange(12)
    figure = plots.activations(IMAGES[0], {"conv1": layer}, tmp_path / "a.png", tiles=3)
    tiles = [axes for axes in figure.axes if axes.get_title()]
    assert [axes.get_title() for axes in tiles] == ["11", "10", "9"]
    np.testing.assert_array_equal(tiles[0].get_images()[0].get_array(), layer[..., 11])
    assert tiles[0].get_ylabel() == "conv1\n5 x 5\n12 channels"


def test_the_map_of_a_decision_covers_the_whole_picture(tmp_path):
    heat = np.eye(13)
    figure = plots.decision(IMAGES[3], heat, "owl", 0.75, tmp_path / "d.png")
    assert title(figure) == "Taken for owl (0.75): the bright parts spoke for it"
    picture, over = figure.axes[1].get_images()
    assert picture.get_extent() == list(over.get_extent())


def test_a_decision_that_nothing_spoke_for_can_be_drawn(tmp_path):
    plots.decision(IMAGES[3], np.zeros((13, 13)), "owl", 0.4, tmp_path / "d.png")
    assert (tmp_path / "d.png").exists()


def test_a_feature_map_says_how_many_lie_next_to_their_own_kind(tmp_path):
    points = np.array([[0, 0], [0, 1], [9, 0], [9, 1], [0, 2.5], [5, 40]])
    labels = np.array([0, 0, 1, 1, 1, 0])
    figure = plots.feature_map(points, IMAGES, labels, NAMES, tmp_path / "map.png")
    assert title(figure) == "6 pictures as the network sees them: 67% lie next to their own kind"
    legend = [text.get_text() for text in figure.legends[0].get_texts()]
    assert legend == ["0 cat", "1 dog"]


def test_plots_leave_no_figures_open_and_no_settings_changed(history, tmp_path):
    from matplotlib import pyplot, rcParams

    before = dict(rcParams)
    plots.learning_curves(history, tmp_path / "curves.png")
    assert pyplot.get_fignums() == []
    assert dict(rcParams) == before
