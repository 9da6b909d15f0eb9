"""A folder with one subfolder of pictures a class, as one Dataset or one line."""

import io
import os

import numpy as np
import pytest
from picture_files import picture, write_folder
from PIL import Image

from lab.data.sources import load

FLOWERS = {
    "tulip/a.jpg": picture(format="JPEG"),
    "tulip/b.png": picture(format="PNG"),
    "rose/B.JPG": picture(format="JPEG"),
    "rose/.hidden.jpg": b"",
    "rose/notes.txt": b"",
    ".cache/x/y.jpg": b"",
}


def test_a_folder_gives_one_class_a_subfolder_and_paths_not_pixels(tmp_path):
    data = load(write_folder(tmp_path, FLOWERS))
    assert data.names == ["rose", "tulip"]
    assert data.labels.tolist() == [0, 1, 1]
    assert data.labels.dtype == np.int64
    assert data.images == [tmp_path / name for name in ("rose/B.JPG", "tulip/a.jpg", "tulip/b.png")]
    assert data.tracks is None


def test_a_broken_picture_in_a_folder_is_named_and_can_be_left_out(tmp_path, capsys):
    write_folder(tmp_path, FLOWERS | {"rose/empty.jpg": b"", "rose/text.png": b"hello"})
    with pytest.raises(ValueError, match=r"2 of 5 .*rose/empty\.jpg, rose/text\.png.*--skip-bro"):
        load(tmp_path)
    assert len(load(tmp_path, skip_broken=True)) == 3
    assert "rose/empty.jpg, rose/text.png; left out" in capsys.readouterr().err


def test_skipping_finds_pictures_that_are_cut_behind_their_head(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(noise).save(file, "JPEG")
    write_folder(tmp_path, FLOWERS | {"rose/cut.jpg": file.getvalue()[:1500]})
    assert len(load(tmp_path, skip_broken=True)) == 3


def test_many_broken_pictures_are_counted_not_listed(tmp_path):
    write_folder(tmp_path, FLOWERS | {f"rose/{i}.jpg": b"" for i in range(50)})
    with pytest.raises(ValueError, match="50 of 53 pictures") as error:
        load(tmp_path)
    assert len(str(error.value)) < len(str(tmp_path)) + 200


@pytest.mark.parametrize(
    ("files", "complaint"),
    [
        ({"a.jpg": picture()}, "expected one subfolder .* found 0"),
        ({"rose/a.jpg": picture()}, "at least two, found 1"),
        (FLOWERS | {"daisy/notes.txt": b""}, "1 subfolders hold no picture: daisy"),
        (FLOWERS | {"daisy/deeper/a.png": picture()}, "hold no picture: daisy"),
        ({"a/x.txt": b"", "b/x.txt": b""}, "2 subfolders hold no picture: a, b"),
    ],
)
def test_a_folder_without_two_classes_of_pictures_is_one_line(tmp_path, files, complaint):
    with pytest.raises(ValueError, match=complaint):
        load(write_folder(tmp_path, files))


HOSTILE = [
    b"a\nValidation Accuracy = 1.0",
    b"\x1b[2Ja",
    b"caf\xe9",  # latin1, where file names are UTF-8
    "\u202ea".encode(),
    b"a\x7f",
]


@pytest.mark.parametrize("name", HOSTILE)
def test_names_that_cannot_be_printed_are_refused_before_any_picture_is_read(tmp_path, name):
    name = os.fsdecode(name)
    for number, file in enumerate([f"{name}/a.png", f"rose/{name}.png"]):
        path = tmp_path / str(number)
        write_folder(path, FLOWERS | {file: b"broken"})
        with pytest.raises(ValueError, match="found control characters or bytes") as error:
            load(path)
        assert repr(name)[1:-1] in str(error.value)
        assert str(error.value).isprintable()


@pytest.mark.parametrize(
    "name", ["Grüße", "花", "می\u200cخواهم", "a b-c_d(e)", "👩\u200d🌾", "%s{}"]
)
def test_names_in_any_language_are_class_names(tmp_path, name):
    data = load(write_folder(tmp_path, FLOWERS | {f"{name}/{name}.png": picture(format="PNG")}))
    assert name in data.names


@pytest.mark.parametrize("skip_broken", [False, True])
def test_pipes_and_links_to_nothing_are_broken_pictures_not_waited_for(
    tmp_path, capsys, skip_broken
):
    write_folder(tmp_path, FLOWERS)
    os.mkfifo(tmp_path / "rose/pipe.png")
    os.mkfifo(tmp_path / "pipe.png")  # beside the classes: no concern of ours
    (tmp_path / "rose/link.png").symlink_to("nothing")
    (tmp_path / "rose/loop.png").symlink_to("loop.png")
    (tmp_path / "rose/device.png").symlink_to("/dev/zero")
    (tmp_path / "rose/folder.png").mkdir()
    if skip_broken:
        assert len(load(tmp_path, skip_broken=True)) == 3
    else:
        with pytest.raises(ValueError, match=r"5 of 8 .* read: rose/device\.png, rose/folder\.png"):
            load(tmp_path)
