"""Pictures of every kind become upright RGB; what is no picture is one line."""

import io
import subprocess
import sys

import numpy as np
import pytest
from conftest import PROJECT
from PIL import Image

from lab.data import images

COLOURS = np.array([[[200, 10, 30], [0, 255, 0], [1, 2, 3]], [[9, 8, 7], [255] * 3, [0] * 3]], "u1")
GREY = np.arange(6, dtype=np.uint8).reshape(2, 3) * 50


def saved(picture, kind="PNG", **options):
    """The picture as an open file of this kind."""
    file = io.BytesIO()
    picture.save(file, kind, **options)
    file.seek(0)
    return file


def grey3(grey):
    return np.stack([grey] * 3, axis=-1)


@pytest.mark.parametrize("kind", ["PNG", "PPM", "BMP"])
def test_lossless_pictures_come_back_to_the_bit(kind):
    found = images.read(saved(Image.fromarray(COLOURS), kind))
    assert found.dtype == np.uint8
    assert found.flags.writeable
    np.testing.assert_array_equal(found, COLOURS)


@pytest.mark.parametrize("kind", ["JPEG", "WEBP", "GIF"])
def test_other_pictures_come_back_nearly(kind):
    smooth = np.full((16, 24, 3), [200, 100, 50], np.uint8)
    found = images.read(saved(Image.fromarray(smooth), kind))
    assert found.shape == smooth.shape
    np.testing.assert_allclose(found, smooth.astype(float), atol=6)


def test_grey_is_repeated_and_black_and_white_is_0_and_255():
    np.testing.assert_array_equal(images.read(saved(Image.fromarray(GREY))), grey3(GREY))
    mask = Image.fromarray(GREY > 100)
    np.testing.assert_array_equal(images.read(saved(mask)), grey3((GREY > 100) * np.uint8(255)))


@pytest.mark.parametrize("alpha", [0, 128, 255])
def test_alpha_is_dropped_and_the_colours_below_it_stand(alpha):
    covered = np.dstack([COLOURS, np.full((2, 3), alpha, np.uint8)])
    np.testing.assert_array_equal(images.read(saved(Image.fromarray(covered))), COLOURS)
    covered = np.dstack([GREY, np.full((2, 3), alpha, np.uint8)])
    np.testing.assert_array_equal(images.read(saved(Image.fromarray(covered))), grey3(GREY))


@pytest.mark.parametrize("transparency", [3, bytes([0, 10, 20, 30])])
def test_a_palette_gives_its_colours_transparent_or_not(transparency):
    picture = Image.new("P", (3, 2), 3)
    picture.putpalette(range(30))
    found = images.read(saved(picture, transparency=transparency))
    np.testing.assert_array_equal(found, np.broadcast_to([9, 10, 11], (2, 3, 3)))


def test_16_bit_grey_is_scaled_not_clipped():
    deep = np.array([[0, 128, 257], [32896, 65279, 65535]], np.uint16)
    expected = grey3(np.array([[0, 0, 1], [128, 254, 255]], np.uint8))
    np.testing.assert_array_equal(images.read(saved(Image.fromarray(deep))), expected)
    portable = io.BytesIO(b"P5 3 2 65535\n" + deep.astype(">u2").tobytes())
    np.testing.assert_array_equal(images.read(portable), expected)


def test_cmyk_becomes_rgb():
    ink = Image.new("CMYK", (16, 16), (0, 255, 255, 0))
    found = images.read(saved(ink, "JPEG"))
    np.testing.assert_allclose(found[8, 8], [255, 0, 0], atol=6)


@pytest.mark.parametrize(
    ("orientation", "upright"),
    [
        (1, lambda picture: picture),
        (2, lambda picture: picture[:, ::-1]),
        (3, lambda picture: picture[::-1, ::-1]),
        (4, lambda picture: picture[::-1]),
        (5, lambda picture: picture.swapaxes(0, 1)),
        (6, lambda picture: np.rot90(picture, -1)),
        (7, lambda picture: picture[::-1, ::-1].swapaxes(0, 1)),
        (8, lambda picture: np.rot90(picture)),
    ],
)
def test_a_picture_taken_sideways_is_turned_upright(orientation, upright):
    exif = Image.Exif()
    exif[0x0112] = orientation
    found = images.read(saved(Image.fromarray(COLOURS), exif=exif))
    np.testing.assert_array_equal(found, upright(COLOURS))


def test_of_an_animation_the_first_picture_counts():
    frames = [Image.new("L", (4, 4), grey) for grey in (10, 200)]
    found = images.read(saved(frames[0], "GIF", save_all=True, append_images=frames[1:]))
    assert found.shape == (4, 4, 3)
    assert (found == 10).all()


def test_a_path_as_text_is_as_good_as_an_open_file(tmp_path):
    path = tmp_path / "sign.png"
    path.write_bytes(saved(Image.fromarray(COLOURS)).getvalue())
    with path.open("rb") as opened:
        for file in path, str(path), opened:
            np.testing.assert_array_equal(images.read(file), COLOURS)


@pytest.mark.parametrize("kind", images.FORMATS)
def test_a_picture_cut_short_is_one_line_that_names_it(tmp_path, kind):
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    whole = saved(Image.fromarray(noise), kind).getvalue()
    path = tmp_path / "sign"
    for part in 0.1, 0.5, 0.9:
        path.write_bytes(whole[: int(part * len(whole))])
        with pytest.raises(ValueError, match=r"sign: expected a .*picture") as error:
            images.read(path)
        assert "\n" not in str(error.value)


@pytest.mark.parametrize("content", [b"", b"<!DOCTYPE html>", b"%!PS-Adobe EPSF-3.0", b"II*\0"])
def test_what_is_no_picture_is_one_line_that_names_it(tmp_path, content):
    path = tmp_path / "sign.png"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"sign\.png: expected a picture \(PNG, .* something else"):
        images.read(path)


def test_missing_files_and_folders_are_errors_of_the_system(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"absent\.png"):
        images.read(tmp_path / "absent.png")
    with pytest.raises(IsADirectoryError):
        images.read(tmp_path)


def test_a_decompression_bomb_is_refused_unseen_and_without_a_warning(tmp_path):
    for side in 8001, 10_000, 60_000:  # beyond our bound; Pillow's warning; Pillow's error
        (tmp_path / f"{side}.pgm").write_bytes(b"P5 %d %d 255\n" % (side, side))
    program = """
import resource, sys
from lab.data import images
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for path in sys.argv[1:]:
    try:
        images.read(path)
    except ValueError as error:
        print(error)
assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000  # kB
"""
    done = subprocess.run(
        [sys.executable, "-c", program, *sorted(tmp_path.iterdir())],
        cwd=PROJECT,
        capture_output=True,
        text=True,
    )
    assert done.stdout.count("expected a picture of at most 64,000,000 pixels") == 3
    assert done.stderr == ""


def test_every_suffix_is_one_that_the_formats_write():
    Image.init()
    known = {suffix for suffix, kind in Image.EXTENSION.items() if kind in images.FORMATS}
    assert known >= images.SUFFIXES


@pytest.mark.parametrize("name", ["poodle.png", "weasel.png", "stop.jpg", "construction.jpg"])
def test_the_course_pictures_read(lab_file, name):
    found = images.read(lab_file(f"pictures/{name}"))
    assert found.shape == ((227, 227, 3) if name.endswith("png") else (32, 32, 3))


def test_the_digest_is_the_one_that_features_on_disk_are_named_by(tmp_path):
    arrays = np.arange(24, dtype=np.uint8).reshape(2, 2, 2, 3)
    expected = "97572b961ff010a7c6d2eff3baecacdc1064a751a43e5d01d16e401b648e5afb"
    assert images.digest(arrays) == expected
    assert images.digest(arrays.reshape(1, 4, 2, 3)) != expected
    paths = [tmp_path / name for name in ("one", "two")]
    for path in paths:
        path.write_text(path.name)
    expected = "11914c19a28a98c57d12f3cce6c32b7944784f4b4781a706c24eb1dc284e2856"
    assert images.digest(paths) == expected
    assert images.digest(paths[::-1]) != expected
