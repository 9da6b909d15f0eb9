"""What all figures share: names cut short, pictures no larger than can be shown."""

import numpy as np
from PIL import Image

from lab.runs import canvas


def test_a_picture_is_no_larger_than_a_figure_shows(tmp_path):
    Image.new("RGB", (4000, 3000)).save(tmp_path / "large.png")
    assert canvas.picture(tmp_path / "large.png").shape == (768, 1024, 3)


def test_a_small_picture_keeps_its_pixels():
    picture = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)
    np.testing.assert_array_equal(canvas.picture(picture), picture)


def test_a_long_name_is_cut_and_shows_that_it_was():
    assert canvas.short("a rather long name", 10) == "a rather…"
    assert canvas.short("in two\nlines") == "in two lines"
