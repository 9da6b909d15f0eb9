"""Pictures of every kind become upright RGB; what is no picture is one line."""

import io
import os
import re
import struct
import subprocess
import sys
import time
import zlib
from concurrent.futures import ThreadPoolExecutor

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


@pytest.mark.parametrize("kind", images.FORMATS)
def test_a_picture_of_which_less_suffices_comes_smaller_and_looks_the_same(kind):
    rows, columns = np.mgrid[:300, :400] / 400
    smooth = np.stack([rows, columns, 1 - rows], axis=-1)
    whole = Image.fromarray(np.uint8(255 * smooth))
    file = saved(whole, kind, **({"quality": 95} if kind in ("JPEG", "WEBP") else {}))
    for at_least, factor in (400, 1), (151, 1), (150, 2), (64, 4), (37, 8), (30, 8):
        found = images.read(file, at_least)
        assert found.shape == (-(-300 // factor), -(-400 // factor), 3)
        means = whole.resize(found.shape[1::-1], Image.Resampling.BOX)
        np.testing.assert_allclose(found, np.asarray(means, float), atol=20 if kind == "GIF" else 8)


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_a_very_long_picture_is_shortened_to_sixteen_times_what_suffices(kind):
    grey = Image.new("L", (20_000, 5), 77)
    grey.paste(200, (10_000, 0, 20_000, 5))
    found = images.read(saved(grey, kind), at_least=10)
    assert found.shape[0] == 5
    assert 80 < found.shape[1] <= 160
    assert abs(found[2, 5, 0] - 77.0) < 3
    assert abs(found[2, -5, 0] - 200.0) < 3


def test_a_smaller_picture_is_turned_upright_too():
    exif = Image.Exif()
    exif[0x0112] = 6
    lying = Image.new("RGB", (64, 32))
    lying.paste((250, 0, 0), (0, 0, 64, 16))  # what is above comes to the right
    for kind in "JPEG", "PNG":
        found = images.read(saved(lying, kind, exif=exif), at_least=8)
        assert found.shape == (16, 8, 3)
        assert found[8, 7, 0] > 200 > 50 > found[8, 0, 0]


def test_colours_below_alpha_stand_in_a_smaller_picture():
    covered = np.zeros((16, 16, 4), np.uint8)
    covered[..., 1], covered[:8, :, 3] = 90, 255
    assert (images.read(saved(Image.fromarray(covered)), at_least=2)[..., 1] == 90).all()


def test_missing_files_and_folders_are_errors_of_the_system(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"absent\.png"):
        images.read(tmp_path / "absent.png")
    with pytest.raises(IsADirectoryError):
        images.read(tmp_path)


def test_a_pipe_is_refused_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "sign.png")
    for function in images.read, images.check, lambda path: images.digest([path]):
        with pytest.raises(ValueError, match=r"sign\.png: expected a file, found a pipe"):
            function(tmp_path / "sign.png")


def test_the_head_of_a_picture_is_checked_without_the_rest(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    (tmp_path / "cut.png").write_bytes(saved(Image.fromarray(noise)).getvalue()[:500])
    images.check(tmp_path / "cut.png")
    (tmp_path / "large.pgm").write_bytes(b"P5 60000 60000 255\n")
    (tmp_path / "text.jpg").write_bytes(b"hello")
    for name, kind in ("large.pgm", images.TooLarge), ("text.jpg", images.NoPicture):
        with pytest.raises(kind, match=name):
            images.check(tmp_path / name)


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


MEASURED = """
import resource, sys
from pathlib import Path
from lab.data import images
def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000
images.read(Path(sys.argv[1]))
before = peak()
paths = [Path(path) for path in sys.argv[2:]]
at_least = 64 if len(paths) > 1 else None
shapes = {found.shape for found in images.in_threads(lambda p: images.read(p, at_least), paths)}
print(peak() - before, *shapes)
"""


@pytest.fixture
def megabytes(tmp_path):
    """A function from a picture and how often to read it to the memory that takes, in MB."""
    Image.new("RGB", (3, 3)).save(tmp_path / "tiny.png")

    def measure(path, times):
        done = subprocess.run(
            [sys.executable, "-c", MEASURED, tmp_path / "tiny.png", *[path] * times],
            cwd=PROJECT,
            capture_output=True,
            text=True,
        )
        assert done.stderr == ""
        return float(done.stdout.split()[0])

    return measure


# Half as large as allowed: the same multiples show.
LARGE = {
    "black.png": ("RGB", {}),
    "alpha.png": ("RGBA", {}),
    "deep.png": ("I;16", {}),
    "black.webp": ("RGBA", {"method": 0}),
    "slow.jpg": ("CMYK", {"progressive": True, "subsampling": 0}),
}


@pytest.mark.parametrize("name", LARGE)
def test_six_large_pictures_in_threads_take_little_more_memory_than_one(tmp_path, name, megabytes):
    mode, options = LARGE[name]
    Image.new(mode, (8000, 4000)).save(tmp_path / name, **options)
    assert megabytes(tmp_path / name, 1) < 16 * 32 + 20
    assert megabytes(tmp_path / name, 6) < 800


def test_camera_jpegs_of_which_little_is_needed_take_hardly_any_memory(tmp_path, megabytes):
    Image.new("RGB", (4000, 3000)).save(tmp_path / "camera.jpg")
    assert megabytes(tmp_path / "camera.jpg", 24) < 60


def test_tags_that_share_their_bytes_are_not_copied_for_each(tmp_path, megabytes):
    count, size = 2000, 1_000_000
    place = 8 + 2 + 12 * count + 4
    tags = [struct.pack("<HHLL", 1000 + tag, 7, size, place) for tag in range(count)]
    exif = b"II*\0" + struct.pack("<LH", 8, count) + b"".join(tags) + bytes(4 + size)
    Image.new("RGB", (8, 8)).save(tmp_path / "tags.png", exif=b"Exif\0\0" + exif)
    assert megabytes(tmp_path / "tags.png", 1) < 50


def test_memory_that_is_used_up_is_waited_for_and_given_back():
    memory, order = images.Memory(10), []

    def use(amount):
        with memory.reserved(amount):
            order.append(amount)
            assert memory.left >= 0

    with ThreadPoolExecutor() as pool:
        with memory.reserved(8):
            waiting = pool.submit(use, 99)  # more than there is: all of it, then
            pool.submit(use, 2).result(timeout=60)
            assert order == [2]
        waiting.result(timeout=60)
    assert order == [2, 99]
    assert memory.left == 10


def test_threads_keep_the_order_and_pass_errors_on():
    numbers = list(range(2500))
    assert list(images.in_threads(lambda number: -number, numbers)) == [-n for n in numbers]
    with pytest.raises(ZeroDivisionError):
        list(images.in_threads(lambda number: 1 / number, numbers))


# ---- pictures made to use up time ---------------------------------------------------------------


def chunk(name, content):
    checksum = zlib.crc32(name + content)
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", checksum)


def png(*chunks):
    head = struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0)
    image = zlib.compress(b"\0\0")
    parts = [chunk(b"IHDR", head), *chunks, chunk(b"IDAT", image), chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


SLOW = {
    "profiles.png": png(*[chunk(b"iCCP", b"x\0\0" + zlib.compress(bytes(2**20)))] * 1500),
    "levels.ppm": b"P6 1000 1000 254\n" + bytes(3_000_000),
    "remark.ppm": b"P6 #" + b"x" * 6_000_000,
    "remarks.gif": b"GIF89a" + bytes(7) + b"!\xfe\x01a\0" * 1_000_000,
    "runs.bmp": b"BM" + struct.pack("<IHHI", 0, 0, 0, 1078)
    + struct.pack("<IiiHHIIiiII", 40, 2**20, 4, 1, 8, 1, 0, 0, 0, 256, 0)
    + bytes(1024) + b"\1\2" * 2_000_000,
}  # fmt: skip


@pytest.mark.parametrize("name", SLOW)
def test_a_picture_that_keeps_its_decoder_busy_is_given_up(tmp_path, name, monkeypatch):
    monkeypatch.setattr(images, "MAX_SECONDS", 0.2)
    (tmp_path / name).write_bytes(SLOW[name])
    with pytest.raises(ValueError, match=f"{name}: takes more than 0.2 seconds to decode"):
        images.read(tmp_path / name)


def test_remarks_in_a_picture_of_text_are_passed_over_at_once():
    remarks = b"#\n" * 500_000  # Pillow alone takes 10 s
    content = b"P3 #a\n 2 1 # b 9 \r 255 10 20 # 30\n 30 " + remarks + b"40 50 60"
    started = time.thread_time()
    found = images.read(io.BytesIO(content))
    assert time.thread_time() - started < 5
    assert found.tolist() == [[[10, 20, 30], [40, 50, 60]]]


def scans_of(jpeg):
    """Where each scan of a JPEG begins, and the end."""
    return [match.start() for match in re.finditer(rb"\xff[\xda\xd9]", jpeg)]


def test_a_jpeg_of_a_thousand_scans_is_refused_and_an_ordinary_progressive_one_is_not(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    jpeg = saved(Image.fromarray(noise), "JPEG", progressive=True).getvalue()
    assert images.read(io.BytesIO(jpeg)).shape == (64, 64, 3)
    *_, last, end = scans_of(jpeg)
    (tmp_path / "sign.jpg").write_bytes(jpeg[:end] + jpeg[last:end] * 1000 + jpeg[end:])
    with pytest.raises(ValueError, match=r"sign\.jpg: expected a JPEG of about ten scans"):
        images.read(tmp_path / "sign.jpg")


def test_pictures_and_films_behind_a_jpeg_are_no_scans_of_it():
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    for progressive in False, True:
        jpeg = saved(Image.fromarray(noise), "JPEG", progressive=progressive).getvalue()
        assert images.read(io.BytesIO(jpeg + b"\xff\xda\0\2" * 1000)).shape == (64, 64, 3)


def test_a_jpeg_of_empty_segments_is_refused(tmp_path):
    jpeg = saved(Image.new("RGB", (8, 8)), "JPEG").getvalue()
    (tmp_path / "sign.jpg").write_bytes(jpeg[:2] + b"\xff\xfe\0\2" * 20_000 + jpeg[2:])
    with pytest.raises(ValueError, match=r"sign\.jpg: expected a JPEG, found ten thousand segm"):
        images.read(tmp_path / "sign.jpg")


def test_a_file_too_large_for_a_picture_is_not_read(tmp_path):
    with (tmp_path / "sign.webp").open("wb") as file:
        file.write(b"RIFF\xff\xff\xff\xffWEBPVP8X")
        file.truncate(2**40)
    with pytest.raises(
        ValueError, match=r"sign\.webp: expected a picture of at most 268,435,456 b"
    ):
        images.read(tmp_path / "sign.webp")


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
