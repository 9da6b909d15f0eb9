"""Every source of labelled pictures comes out as one Dataset, or as one line that says why not."""

import io
import pickle
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lab.data.course import find_tracks
from lab.data.dataset import Dataset, load, sign_names

TRAINING = "GTSRB/Final_Training/Images/"
TEST = "GTSRB/Final_Test/Images/"


def filmed(tracks_by_class, seed=0):
    """Labels and sizes as in train.p: class by class, 30 frames a track, sizes growing, shaking."""
    random = np.random.default_rng(seed)
    labels = np.repeat(np.arange(len(tracks_by_class)), 30 * np.array(tracks_by_class))
    sides = np.tile(np.geomspace(28, 120, 30), sum(tracks_by_class))
    sizes = sides[:, None] * random.uniform(0.97, 1.03, (len(sides), 2))
    return labels, sizes.astype(np.uint8)


def course_file(path, **changes):
    """A file like the course's at `path`, 4 tracks in 2 classes; None takes a key out."""
    labels, sizes = filmed([1, 3])
    features = np.zeros((len(labels), 32, 32, 3), np.uint8)
    features[..., 0] = np.arange(len(labels))[:, None, None]
    content = {"features": features, "labels": labels.astype(np.uint8), "sizes": sizes} | changes
    content = {key: value for key, value in content.items() if value is not None}
    path.write_bytes(pickle.dumps(content, protocol=4))
    return path


def picture(colour=(10, 20, 30), size=(40, 36), format="PPM"):
    file = io.BytesIO()
    Image.new("RGB", size, colour).save(file, format)
    return file.getvalue()


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


def write_zip(path, files, **options):
    with zipfile.ZipFile(path, "w", **options) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def write_folder(path, files):
    for name, content in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(content)
    return path


WRITERS = {"zip": write_zip, "folder": write_folder}
FLOWERS = {
    "tulip/a.jpg": picture(format="JPEG"),
    "tulip/b.png": picture(format="PNG"),
    "rose/B.JPG": picture(format="JPEG"),
    "rose/.hidden.jpg": b"",
    "rose/notes.txt": b"",
    ".cache/x/y.jpg": b"",
}

# ---- the Dataset --------------------------------------------------------------------------------


def test_rows_are_taken_in_the_order_asked_for():
    images = np.arange(3 * 3072, dtype=np.uint8).reshape(3, 32, 32, 3)
    data = Dataset(images, np.array([5, 6, 7]), ["name"] * 8, np.array([0, 1, 1]))
    taken = data.take(np.array([2, 0]))
    assert (len(taken), taken.labels.tolist(), taken.tracks.tolist()) == (2, [7, 5], [1, 0])
    np.testing.assert_array_equal(taken.images, images[[2, 0]])


def test_paths_are_taken_like_arrays():
    data = Dataset([Path("a"), Path("b")], np.array([0, 1]), ["x", "y"])
    taken = data.take(np.array([1]))
    assert (taken.images, taken.labels.tolist(), taken.tracks) == ([Path("b")], [1], None)


def test_there_are_43_names_of_signs():
    assert len(sign_names()) == 43
    assert sign_names()[14] == "Stop"


# ---- the course's pickles -----------------------------------------------------------------------


def test_the_course_file_is_read_with_names_and_tracks(tmp_path):
    data = load(course_file(tmp_path / "train.p"))
    assert (data.images.shape, data.images.dtype) == ((120, 32, 32, 3), np.uint8)
    assert data.labels.dtype == np.int64
    assert data.names == sign_names()
    assert data.tracks.tolist() == (np.arange(120) // 30).tolist()


@pytest.mark.parametrize("sizes", [None, [[40, 40]] * 120, [[0, 0]] * 120, [[40, 40]] * 7])
def test_without_telling_sizes_the_tracks_are_unknown(tmp_path, sizes):
    assert load(course_file(tmp_path / "train.p", sizes=sizes)).tracks is None


FEATURES = np.zeros((120, 32, 32, 3), np.uint8)


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"features": None}, r"expected a dict with features and labels, found keys \['labels'"),
        ({"features": FEATURES / 255}, "features: expected uint8 .*, found float64"),
        ({"features": FEATURES[..., 0]}, r"features: .* found uint8 \[120, 32, 32\]"),
        ({"features": FEATURES[:0], "labels": []}, r"found uint8 \[0, 32, 32, 3\]"),
        ({"features": [[1], [2, 3]]}, "features: expected"),
        ({"labels": [1] * 119}, r"labels: expected whole numbers \[120\], found int64 \[119\]"),
        ({"labels": np.eye(120, dtype=int)}, r"found int64 \[120, 120\]"),
        ({"labels": [np.nan] * 120}, "labels: expected whole numbers .* found float64"),
        ({"labels": ["x" * 9999] + [""] * 119}, "labels: expected .* found other values"),
        ({"labels": [43] * 120}, "expected labels 0-42, the rows of signnames.csv, found 43-43"),
        ({"labels": [-1] * 120}, "found -1--1"),
    ],
)
def test_a_course_file_with_other_content_is_one_line(tmp_path, changes, complaint):
    path = course_file(tmp_path / "train.p", **changes)
    with pytest.raises(ValueError, match=complaint) as error:
        load(path)
    assert str(error.value).startswith(f"{path}: ")
    assert "\n" not in str(error.value)


def test_a_pickle_of_something_else_is_one_line(tmp_path):
    (tmp_path / "train.p").write_bytes(pickle.dumps([1, 2]))
    with pytest.raises(ValueError, match=r"expected a dict .*, found list.*download\.py train"):
        load(tmp_path / "train.p")


def test_a_missing_file_names_download_and_demo(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"train\.p.*download\.py train.*--demo"):
        load(tmp_path / "train.p")


# ---- tracks -------------------------------------------------------------------------------------


def true_tracks(labels):
    return np.arange(len(labels)) // 30


def test_tracks_are_found_whatever_the_order_of_classes():
    labels, sizes = filmed([2, 5, 3])
    assert find_tracks(40 - labels, sizes).tolist() == true_tracks(labels).tolist()


@pytest.mark.parametrize("lost", [31, 89, 60, 149])
def test_the_one_track_of_29_frames_is_found(lost):
    labels, sizes = filmed([1, 4, 3])
    labels, sizes, truth = (
        np.delete(rows, lost, 0) for rows in (labels, sizes, true_tracks(labels))
    )
    assert find_tracks(labels, sizes).tolist() == truth.tolist()


def shuffled(labels, tracks, random):
    return random.permutation(len(labels))


def shuffled_inside_classes(labels, tracks, random):
    return np.lexsort([random.random(len(labels)), labels])


def shuffled_inside_tracks(labels, tracks, random):
    return np.lexsort([random.random(len(labels)), tracks])


def half_the_rows(labels, tracks, random):
    return np.sort(random.choice(len(labels), len(labels) // 2, replace=False))


def thirty_a_class(labels, tracks, random):
    chosen = [random.choice(np.flatnonzero(labels == i), 30, replace=False) for i in set(labels)]
    return np.sort(np.concatenate(chosen))


def every_row_twice(labels, tracks, random):
    return np.repeat(np.arange(len(labels)), 2)


def a_second_copy_at_the_end(labels, tracks, random):
    return np.tile(np.arange(len(labels)), 2)


def two_rows_lost(labels, tracks, random):
    return np.delete(np.arange(len(labels)), [5, 100])


def begun_inside_a_track(labels, tracks, random):
    return np.roll(np.arange(90), 15)


CHANGES = [
    shuffled,
    shuffled_inside_classes,
    shuffled_inside_tracks,
    half_the_rows,
    thirty_a_class,
    every_row_twice,
    a_second_copy_at_the_end,
    two_rows_lost,
]


@pytest.mark.parametrize("change", [*CHANGES, begun_inside_a_track], ids=lambda f: f.__name__)
def test_tracks_of_a_file_that_lost_its_order_are_unknown(change):
    labels, sizes = filmed([3, 5, 4])
    rows = change(labels, true_tracks(labels), np.random.default_rng(0))
    assert find_tracks(labels, sizes) is not None
    assert find_tracks(labels[rows], sizes[rows]) is None


def test_the_real_file_has_1307_tracks_of_one_class_each_found_at_once(lab_file):
    with lab_file("train.p").open("rb") as file:
        content = pickle.load(file)
    labels, sizes = content["labels"].astype(np.int64), content["sizes"]
    start = time.perf_counter()
    tracks = find_tracks(labels, sizes)
    assert time.perf_counter() - start < 2
    assert np.bincount(np.bincount(tracks)).tolist() == [0] * 29 + [1, 1306]
    assert all(len(np.unique(labels[tracks == track])) == 1 for track in range(0, 1307, 50))


def test_pictures_change_where_tracks_of_the_real_file_change(lab_file):
    data = load(lab_file("train.p"))
    thumbnails = data.images.reshape(-1, 8, 4, 8, 4, 3).mean((2, 4)).reshape(len(data), -1)
    thumbnails -= thumbnails.mean(1, keepdims=True)
    thumbnails /= thumbnails.std(1, keepdims=True) + 1e-3
    likeness = (thumbnails[1:] * thumbnails[:-1]).mean(1)  # correlation of neighbouring rows
    starts = np.diff(data.tracks) > 0
    assert np.quantile(likeness[~starts], 0.1) > np.quantile(likeness[starts], 0.75)


@pytest.mark.parametrize("change", CHANGES, ids=lambda f: f.__name__)
def test_the_real_file_without_its_order_says_unknown(lab_file, change):
    with lab_file("train.p").open("rb") as file:
        content = pickle.load(file)
    labels, sizes = content["labels"].astype(np.int64), content["sizes"]
    rows = change(labels, find_tracks(labels, sizes), np.random.default_rng(0))
    assert find_tracks(labels[rows], sizes[rows]) is None


def test_the_real_file_keeps_its_tracks_when_whole_tracks_leave_and_classes_move(lab_file):
    data = load(lab_file("train.p"))
    with lab_file("train.p").open("rb") as file:
        sizes = pickle.load(file)["sizes"]
    random = np.random.default_rng(0)
    left = [random.choice(data.tracks[data.labels == label]) for label in range(43)]
    rows = np.argsort(random.permutation(43)[data.labels], kind="stable")
    rows = rows[~np.isin(data.tracks[rows], left)]
    found = find_tracks(data.labels[rows], sizes[rows])
    assert found.max() == 1307 - 43 - 1
    np.testing.assert_array_equal(np.diff(found) != 0, np.diff(data.tracks[rows]) != 0)


# ---- the official archives ----------------------------------------------------------------------


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
    with pytest.raises(ValueError, match="bytes when unpacked, so no official archive"):
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


# ---- folders ------------------------------------------------------------------------------------


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
