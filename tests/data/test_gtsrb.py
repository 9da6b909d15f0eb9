"""The official archives, zipped or unpacked, however hostile, as one Dataset or one line."""

import io
import os
import zipfile

import numpy as np
import pytest
from picture_files import picture, write_folder, write_zip
from PIL import Image

from lab.data.dataset import sign_names
from lab.data.sources import load

TRAINING = "GTSRB/Final_Training/Images/"
TEST = "GTSRB/Final_Test/Images/"


def training_files(tracks=((0, 2), (13, 1)), frames=3):
    return {
        f"{TRAINING}{label:05}/{track:05}_{frame:05}.ppm": picture((label, track, frame))
        for label, count in tracks
        for track in range(count)
        for frame in range(frames)
    } | {f"{TRAINING}00000/GT-00000.csv": b"Filename;ClassId\n", "GTSRB/Readme-Images.txt": b""}


TEST_FILES = {f"{TEST}{row:05}.ppm": picture((row, 0, 0)) for row in range(3)} | {
    f"{TEST}GT-final_test.test.csv": b"Filename;Width\n00000.ppm;40\n"
}
TEST_LIST = b"Filename;Width;Height;ClassId\r\n" + b"".join(
    b"%05d.ppm;40;36;%d\r\n" % (row, label) for row, label in enumerate([16, 1, 38])
)
WRITERS = {"zip": write_zip, "folder": write_folder}


@pytest.mark.parametrize("form", WRITERS)
def test_training_pictures_come_class_by_class_with_tracks(tmp_path, form):
    data = load(WRITERS[form](tmp_path / "training", training_files()))
    assert data.images.shape == (9, 32, 32, 3)
    assert data.images[:, 0, 0].tolist() == [
        [label, track, frame] for label, track in ((0, 0), (0, 1), (13, 0)) for frame in range(3)
    ]
    assert data.labels.tolist() == [0] * 6 + [13] * 3
    assert data.tracks.tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2]
    assert data.names == sign_names()


@pytest.mark.parametrize("part", ["GTSRB", "GTSRB/Final_Training", "GTSRB/Final_Training/Images"])
def test_any_folder_above_the_training_pictures_will_do(tmp_path, part):
    write_folder(tmp_path, training_files())
    assert len(load(tmp_path / part)) == 9


def test_the_whole_picture_is_resized_bilinearly(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (50, 44, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PPM")
    data = load(
        write_zip(tmp_path / "a.zip", {f"{TRAINING}00000/00000_00000.ppm": file.getvalue()})
    )
    # The definition: a triangle as wide as two source pixels, normalised where it leaves the edge.
    weights = [np.maximum(0, 1 - abs((np.arange(n) + 0.5) * 32 / n - np.arange(32)[:, None] - 0.5))
               for n in (50, 44)]  # fmt: skip
    rows, columns = (weight / weight.sum(1, keepdims=True) for weight in weights)
    expected = np.einsum("yh,xw,hwc->yxc", rows, columns, pixels)
    np.testing.assert_allclose(data.images[0], expected, atol=2)


@pytest.mark.parametrize("form", WRITERS)
@pytest.mark.parametrize("place", ["inside", "beside", "archive"])
def test_test_pictures_find_their_labels(tmp_path, form, place):
    inside = {f"{TEST}GT-final_test.csv": TEST_LIST} if place == "inside" else {}
    if place == "beside":
        (tmp_path / "GT-final_test.csv").write_bytes(TEST_LIST)
    if place == "archive":
        write_zip(tmp_path / "GTSRB_Final_Test_GT.zip", {"GT-final_test.csv": TEST_LIST})
    data = load(WRITERS[form](tmp_path / "test", TEST_FILES | inside))
    assert data.labels.tolist() == [16, 1, 38]
    assert data.images[:, 5, 5, 0].tolist() == [0, 1, 2]
    assert data.tracks is None


@pytest.mark.parametrize("form", WRITERS)
def test_test_pictures_without_labels_name_the_archive_that_has_them(tmp_path, form):
    path = WRITERS[form](tmp_path / "test", TEST_FILES)
    with pytest.raises(FileNotFoundError, match=r"put GTSRB_Final_Test_GT\.zip"):
        load(path)


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (TEST_LIST + b"00003.ppm;40;36;5\r\n", r"holds 3 pictures, .* lists 4, .* 00003\.ppm"),
        (b"Filename;Width\n00000.ppm;40\n", "expected columns Filename and ClassId"),
        (TEST_LIST.replace(b";38", b";many"), "expected columns Filename and ClassId"),
        (TEST_LIST.replace(b";38", b";43"), "expected labels 0-42"),
        (TEST_LIST.replace(b";38", b";1" + 30 * b"0"), "found OverflowError"),
        (TEST_LIST.replace(b"00002.", b"\x1b2m\x07."), r"differ in .*\\x1b2m\\x07\.ppm"),
        (b"\xff\xfe\x00", "expected columns Filename and ClassId"),
    ],
)
def test_a_list_of_labels_that_does_not_fit_is_one_line(tmp_path, content, complaint):
    files = TEST_FILES | {f"{TEST}GT-final_test.csv": content}
    with pytest.raises(ValueError, match=complaint):
        load(write_zip(tmp_path / "test.zip", files))


def test_training_and_test_pictures_together_are_ambiguous(tmp_path):
    write_folder(tmp_path, training_files() | TEST_FILES)
    with pytest.raises(ValueError, match="name one of them"):
        load(tmp_path)
    assert len(load(tmp_path / "GTSRB/Final_Training")) == 9


@pytest.mark.parametrize("form", WRITERS)
def test_a_broken_sign_is_named_and_can_be_left_out(tmp_path, form, capsys):
    files = training_files() | {f"{TRAINING}00000/00001_00001.ppm": b"P6 40 36 255\n"}
    path = WRITERS[form](tmp_path / "training", files)
    with pytest.raises(ValueError, match=r"1 of 9 .*00001_00001\.ppm.*--skip-broken"):
        load(path)
    data = load(path, skip_broken=True)
    assert data.tracks.tolist() == [0, 0, 0, 1, 1, 2, 2, 2]
    assert data.images[4, 0, 0].tolist() == [0, 1, 2]
    assert "00001_00001.ppm; left out" in capsys.readouterr().err


@pytest.mark.parametrize("prefix", ["../", "/", "GTSRB/../../", "C:/"])
def test_names_that_leave_the_archive_are_not_read(tmp_path, prefix):
    hostile = {f"{prefix}00007/00000_00000.ppm": picture()}
    data = load(write_zip(tmp_path / "a.zip", training_files() | hostile))
    assert 7 not in data.labels
    assert [file.name for file in tmp_path.iterdir()] == ["a.zip"]


def test_a_link_in_an_archive_is_not_followed(tmp_path):
    (tmp_path / "secret.ppm").write_bytes(picture())
    path = write_zip(tmp_path / "a.zip", training_files())
    with zipfile.ZipFile(path, "a") as archive:
        link = zipfile.ZipInfo(f"{TRAINING}00001/00000_00000.ppm")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, str(tmp_path / "secret.ppm"))
    with pytest.raises(ValueError, match="1 of 10 pictures cannot be read"):
        load(path)


def test_a_member_that_unpacks_to_too_much_is_not_unpacked(tmp_path):
    bomb = {f"{TRAINING}00001/00000_00000.ppm": b"P6 9000 9000 255\n" + bytes(10_000_000)}
    path = write_zip(tmp_path / "a.zip", bomb, compression=zipfile.ZIP_DEFLATED)
    assert path.stat().st_size < 20_000
    with pytest.raises(ValueError, match="1 of 1 pictures cannot be read"):
        load(path)


@pytest.mark.parametrize("form", WRITERS)
@pytest.mark.parametrize(
    "content",
    [
        picture(format="PNG"),
        picture(format="BMP"),
        b"P3 1 1 255 1 2 3 ",
        b"P6 1 1 254 abc",
        b"P6 9999 9999 255 abc",
        b"P6 " + b" " * 300 + b"1 1 255 abc",
    ],
)
def test_pictures_of_another_kind_than_the_official_ones_are_not_decoded(tmp_path, form, content):
    files = training_files() | {f"{TRAINING}00001/00000_00000.ppm": content}
    with pytest.raises(ValueError, match="1 of 10 pictures cannot be read"):
        load(WRITERS[form](tmp_path / "training", files))


def test_a_sign_may_have_remarks_in_its_head_and_bytes_behind_its_end(tmp_path):
    content = b"P6\n# by a camera\n2 1\n255\n" + bytes([9] * 6) + b"behind"
    data = load(write_zip(tmp_path / "a.zip", {f"{TRAINING}00001/00000_00000.ppm": content}))
    assert (data.images == 9).all()


@pytest.mark.parametrize("packing", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_an_archive_in_another_packing_is_refused(tmp_path, packing):
    path = write_zip(tmp_path / "a.zip", training_files(), compression=packing)
    with pytest.raises(ValueError, match=r"expected it stored or deflated.*; download it again"):
        load(path)


def test_pipes_and_links_to_nothing_among_the_signs_are_named(tmp_path):
    write_folder(tmp_path, training_files())
    os.mkfifo(tmp_path / TRAINING / "00000/00009_00000.ppm")
    (tmp_path / TRAINING / "00000/00009_00001.ppm").symlink_to("nothing")
    with pytest.raises(ValueError, match=r"2 of 11 .*00009_00000\.ppm, .*00009_00001\.ppm; mend"):
        load(tmp_path)


@pytest.mark.parametrize("name", ["GT-final_test.csv", "GTSRB_Final_Test_GT.zip"])
def test_a_pipe_in_place_of_the_labels_is_refused_not_waited_for(tmp_path, name):
    os.mkfifo(tmp_path / name)
    with pytest.raises(ValueError, match=f"{name}: expected a file, found a pipe"):
        load(write_folder(tmp_path / "test", TEST_FILES))


def test_only_folders_of_an_official_archive_are_walked_through(tmp_path):
    write_folder(tmp_path / "elsewhere/GTSRB", training_files())
    with pytest.raises(ValueError, match="expected one subfolder of pictures a class"):
        load(tmp_path)


def lie(path, name, offset, field):
    """Overwrite bytes of the central directory's entry for `name`, `offset` bytes into it."""
    content = bytearray(path.read_bytes())
    entry = content.rindex(name.encode()) - 46
    content[entry + offset : entry + offset + len(field)] = field
    path.write_bytes(content)


def test_a_member_that_lies_about_its_size_is_broken(tmp_path):
    name = f"{TRAINING}00001/00000_00000.ppm"
    path = write_zip(tmp_path / "a.zip", {name: bytes(5_000_000)}, compression=zipfile.ZIP_DEFLATED)
    lie(path, name, 24, (1000).to_bytes(4, "little"))
    with pytest.raises(ValueError, match="1 of 1 pictures cannot be read"):
        load(path)


def test_an_archive_that_declares_too_much_is_refused(tmp_path):
    path = write_zip(tmp_path / "a.zip", training_files())
    for frame in range(2):
        lie(path, f"{TRAINING}00000/00000_0000{frame}.ppm", 24, b"\xff\xff\xff\x7f")
    with pytest.raises(ValueError, match=r"expected at most .* bytes when unpacked; download"):
        load(path)


def test_an_encrypted_archive_is_refused(tmp_path):
    path = write_zip(tmp_path / "a.zip", training_files())
    lie(path, f"{TRAINING}00000/00000_00000.ppm", 8, b"\x01")
    with pytest.raises(ValueError, match="encrypted"):
        load(path)


def test_a_cut_archive_is_one_line(tmp_path):
    path = write_zip(tmp_path / "a.zip", training_files())
    path.write_bytes(path.read_bytes()[:-300])
    with pytest.raises(ValueError, match=r"a\.zip: cut or damaged.*download it again"):
        load(path)


def test_an_archive_of_other_files_says_to_unpack_it(tmp_path):
    with pytest.raises(ValueError, match=r"found none; unpack it and name a \.p file"):
        load(write_zip(tmp_path / "traffic-signs-data.zip", {"train.p": b"", "../x.ppm": b""}))


def test_a_label_beyond_the_43_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"expected labels 0-42, .* found 0-43"):
        load(write_zip(tmp_path / "a.zip", training_files(((0, 1), (43, 1)))))


def test_no_damage_to_an_archive_escapes_as_anything_but_a_line(tmp_path):
    whole = write_zip(tmp_path / "a.zip", training_files(frames=1)).read_bytes()
    random = np.random.default_rng(0)
    for _ in range(150):
        damaged = bytearray(whole)
        for place in random.integers(0, len(whole), 4):
            damaged[place] = random.integers(256)
        (tmp_path / "b.zip").write_bytes(b"PK" + damaged[2:])
        try:
            assert len(load(tmp_path / "b.zip")) > 0
        except ValueError as error:
            assert "b.zip: " in str(error)  # noqa: PT017
