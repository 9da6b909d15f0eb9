"""Drawings keep what a network sees: its colours, its order, the whole picture, classes apart."""

import numpy as np
import pytest
from matplotlib.offsetbox import AnnotationBbox
from matplotlib.text import Annotation
from PIL import Image
from test_plots import IMAGES, NAMES, title

from lab.runs import drawings


def test_filters_are_tiles_that_keep_their_colours(tmp_path):
    kernel = np.zeros((11, 11, 3, 96), np.float32)
    kernel[..., 0, 1] = 5.0  # the second answers to red
    page = (
        drawings.filters(kernel + 1e-9, tmp_path / "conv1.png").axes[0].get_images()[0].get_array()
    )
    assert page.shape == (8 * 12 - 1, 12 * 12 - 1, 3)
    np.testing.assert_allclose(page[0, 12], [1, 0.5, 0.5], atol=1e-6)
    np.testing.assert_allclose(page[0, 11], 1)  # the line between tiles


def test_activations_show_the_strongest_channels_first(tmp_path):
    layer = np.zeros((5, 5, 12), np.float32)
    layer[2, 2] = np.arange(12)
    figure = drawings.activations(IMAGES[0], {"conv1": layer}, tmp_path / "a.png", tiles=3)
    tiles = [axes for axes in figure.axes if axes.get_title()]
    assert [axes.get_title() for axes in tiles] == ["11", "10", "9"]
    np.testing.assert_array_equal(tiles[0].get_images()[0].get_array(), layer[..., 11])
    assert tiles[0].get_ylabel() == "conv1\n5 x 5\n12 channels"


def test_the_map_of_a_decision_covers_the_whole_picture(tmp_path):
    heat = np.eye(13)
    figure = drawings.decision(IMAGES[3], heat, "owl", 0.75, tmp_path / "d.png")
    assert title(figure) == "Taken for owl (0.75): the orange parts spoke for it"
    picture, over = figure.axes[1].get_images()
    assert picture.get_extent() == list(over.get_extent())


def test_under_a_decision_even_a_dark_sign_can_be_seen(tmp_path):
    picture = np.full((32, 32, 3), 20, np.uint8)
    picture[8:24, 8:24] = 60
    figure = drawings.decision(picture, np.zeros((13, 13)), "owl", 0.4, tmp_path / "d.png")
    drawn = np.array(Image.open(tmp_path / "d.png").convert("L"), float)[::-1]
    box = figure.axes[1].bbox
    x, y = (np.array([0.5, 0.1])[:, None] * box.size + box.min).astype(int).T
    sign, night = drawn[y[0], x[0]], drawn[y[1], x[1]]
    assert sign > 230, "paper white"
    assert 60 < night < 150, "grey, not black"


def test_a_decision_that_nothing_spoke_for_can_be_drawn(tmp_path):
    drawings.decision(IMAGES[3], np.zeros((13, 13)), "owl", 0.4, tmp_path / "d.png")
    assert (tmp_path / "d.png").exists()


def test_a_feature_map_says_how_many_lie_next_to_their_own_kind(tmp_path):
    points = np.array([[0, 0], [0, 1], [9, 0], [9, 1], [0, 2.5], [5, 40]])
    labels = np.array([0, 0, 1, 1, 1, 0])
    figure = drawings.feature_map(points, IMAGES, labels, NAMES, tmp_path / "map.png")
    assert title(figure) == "6 pictures as the network sees them: 67% lie next to their own kind"
    legend = [text.get_text() for text in figure.legends[0].get_texts()]
    assert legend == ["0 cat", "1 dog"]


@pytest.fixture
def crowd():
    """A map of 43 classes, 30 pictures each, a cloud a class."""
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(43), 30)
    points = 20 * rng.normal(size=(43, 2))[labels] + rng.normal(size=(len(labels), 2))
    return points, [IMAGES[5]] * len(labels), labels, [f"class {label}" for label in range(43)]


def test_each_of_43_classes_has_a_mark_of_its_own_on_the_map(crowd, tmp_path):
    figure = drawings.feature_map(*crowd, tmp_path / "map.png")
    looks = {
        (mark.get_facecolor().tobytes(), mark.get_paths()[0].vertices.tobytes())
        for mark in figure.legends[0].legend_handles
    }
    assert len(looks) == 43


def test_no_number_on_the_map_is_under_a_picture_or_another_number(crowd, tmp_path):
    figure = drawings.feature_map(*crowd, tmp_path / "map.png")
    pictures = [box.get_window_extent() for box in figure.findobj(AnnotationBbox)]
    numbers = [number.get_window_extent() for number in figure.findobj(Annotation)]
    assert 20 < len(pictures) <= len(numbers)
    assert not any(number.overlaps(picture) for number in numbers for picture in pictures)
    assert not any(a.overlaps(b) for i, a in enumerate(numbers) for b in numbers[:i])


def test_of_300_classes_the_map_names_the_most_frequent(tmp_path):
    rng = np.random.default_rng(0)
    labels = np.concatenate([np.arange(300), np.repeat(np.arange(200, 240), 3)])
    points = rng.normal(size=(len(labels), 2))
    names = [f"class {label}" for label in range(300)]
    figure = drawings.feature_map(points, IMAGES * 70, labels, names, tmp_path / "map.png")
    legend = [text.get_text() for text in figure.legends[0].get_texts()]
    assert {f"{label} class {label}" for label in range(200, 240)} < set(legend)
    assert legend[-1] == "244 rarer classes"
