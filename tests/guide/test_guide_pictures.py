"""The pictures of the guide are there, can be read on a telephone, and come from code."""

import numpy as np
import pytest
from matplotlib.text import Text
from PIL import Image

import alexnet
from guide.drawings import __main__, canvas, networks
from guide.drawings.pictures import PICTURES

CHEAP = [
    "architecture", "codes", "features-once", "four-cases", "methods", "new-layer", "no-none",
    "one-track", "own-folder", "receptive-fields", "split-random", "split-track", "two-methods",
    "ways-out",
]  # fmt: skip


def test_every_picture_of_the_guide_is_one_that_is_drawn():
    assert {path.stem for path in __main__.OUT.iterdir()} == set(PICTURES)


@pytest.mark.parametrize("name", PICTURES)
def test_a_picture_is_sharp_small_light_and_not_blank(name):
    path = __main__.OUT / f"{name}.png"
    picture = Image.open(path).convert("RGBA")
    assert picture.width == canvas.WIDTH * canvas.DOTS / canvas.UNITS
    assert path.stat().st_size < 150_000
    pixels = np.asarray(picture)
    assert pixels[0, 0, 3] == 0, "round corners"
    assert pixels[20:-20, 20:-20, 3].min() == 255, "a dark page does not shine through"
    light = pixels[..., :3].mean(2)
    assert light[40:-40, 8:20].min() > 230, "nothing reaches into the margin"
    assert 0.02 < (light < 180).mean() < 0.9, "something is on it"


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """Name of a cheap picture -> its file and its figure."""
    folder, found = tmp_path_factory.mktemp("pictures"), {}
    with pytest.MonkeyPatch.context() as patch:
        write = canvas.write
        for name in CHEAP:
            patch.setattr(canvas, "write", lambda figure, path: found.update({name: figure}))  # noqa: B023
            PICTURES[name](folder / f"{name}.png")
            write(found[name], folder / f"{name}.png")
    return {name: (folder / f"{name}.png", figure) for name, figure in found.items()}


@pytest.mark.parametrize("name", CHEAP)
def test_no_letter_is_small_cut_or_under_another(name, drawn):
    figure = drawn[name][1]
    words = [part for part in figure.findobj(Text) if part.get_visible() and part.get_text()]
    assert min(part.get_fontsize() for part in words) >= canvas.SMALL * canvas.POINTS - 0.01
    boxes = [part.get_window_extent() for part in words]
    for part, box in zip(words, boxes, strict=True):
        assert box.x0 >= 5, part.get_text()
        assert box.x1 <= figure.bbox.x1 - 5, part.get_text()
        assert box.y0 >= 5, part.get_text()
        assert box.y1 <= figure.bbox.y1 - 5, part.get_text()
    clashes = [
        (a.get_text(), b.get_text())
        for i, a in enumerate(words)
        for j, b in enumerate(words[:i])
        if boxes[i].padded(-2).overlaps(boxes[j].padded(-2))
    ]
    assert not clashes


@pytest.mark.parametrize("name", ["no-none", "receptive-fields", "split-track"])
def test_a_picture_is_drawn_to_the_same_bytes(name, drawn, tmp_path):
    __main__.main([name, "--out", str(tmp_path)])
    assert (tmp_path / f"{name}.png").read_bytes() == drawn[name][0].read_bytes()


@pytest.mark.parametrize("name", CHEAP)
def test_the_picture_in_the_guide_is_what_the_code_draws(name, drawn):
    """Another version of Matplotlib may set a letter a little to the side."""
    now, then = (
        np.asarray(Image.open(path).convert("L"), float)
        for path in (drawn[name][0], __main__.OUT / f"{name}.png")
    )
    assert now.shape == then.shape
    assert np.abs(now - then).mean() < 3


def test_units_see_as_much_as_their_layers_let_them():
    maps = {name: shape for name, shape in networks.shapes(alexnet).items() if len(shape) == 3}
    fields = networks.receptive_fields(maps)
    sizes = {name: size for name, (_, size) in fields.items() if not name.startswith("norm")}
    assert sizes == {
        "conv1": 11, "pool1": 19, "conv2": 51, "pool2": 67, "conv3": 99, "conv4": 131,
        "conv5": 163, "pool5": 195,
    }  # fmt: skip
    first, size = fields["conv5"]  # 13 pixels wide, so that one is in the middle
    assert first + size // 2 == alexnet.INPUT_SIZE // 2


def test_a_name_that_is_no_picture_is_one_line(capsys, tmp_path):
    with pytest.raises(SystemExit) as ended:
        __main__.main(["no-such", "--out", str(tmp_path)])
    assert ended.value.code == 2
    error = capsys.readouterr().err.strip()
    assert "no-such: expected one of door, " in error
    assert "\n" not in error
