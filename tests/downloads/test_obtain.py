"""From an entry in the table of assets to a file the lessons can use."""

import errno
import gzip
import io
import pickle
import re
import tarfile
import zipfile
from dataclasses import replace

import numpy as np
import pytest
from odd_files import NO_FILES_OR_FOLDERS, put
from served import asset_of, fetch, names, unhashed

from lab.data import sources
from lab.downloads import obtain, transfers
from lab.formats import zips
from tests import broken_server as broken
from tests.broken_server import BODY

# ---- what is here already -----------------------------------------------------------------------


def test_a_good_file_is_not_fetched_again(server, tmp_path):
    (tmp_path / "file.bin").write_bytes(BODY)
    assert fetch(asset_of(server), tmp_path) is False
    assert server.asked == []
    assert names(tmp_path) == ["file.bin"]


def test_a_bad_file_is_replaced_by_a_good_one_only(server, tmp_path):
    (tmp_path / "file.bin").write_bytes(b"something else")
    server.script("/file.bin", broken.sends_wrong_bytes)
    with pytest.raises(transfers.Unavailable):
        fetch(asset_of(server), tmp_path)
    assert (tmp_path / "file.bin").read_bytes() == b"something else"
    fetch(asset_of(server), tmp_path)
    assert (tmp_path / "file.bin").read_bytes() == BODY


def test_without_a_hash_the_content_check_decides(server, tmp_path, monkeypatch, capsys):
    def check(path):
        if path.read_bytes() != BODY:
            raise ValueError("no signs in it")

    asset = unhashed(server, monkeypatch, check)
    server.script("/file.bin", broken.truncates_without_a_length)
    with pytest.raises(transfers.Unavailable):
        fetch(asset, tmp_path)
    assert "not the right file: no signs in it" in capsys.readouterr().err
    assert names(tmp_path) == []
    assert fetch(asset, tmp_path) is True
    assert fetch(asset, tmp_path) is False


@pytest.mark.parametrize("kind", ["folder", *NO_FILES_OR_FOLDERS])
def test_what_is_no_file_where_the_file_belongs_is_named_and_stays(kind, server, tmp_path):
    put(tmp_path / "file.bin", kind)
    before = names(tmp_path)
    with pytest.raises(ValueError, match=r"file\.bin: expected a file, found .* move it away"):
        fetch(asset_of(server), tmp_path)
    assert server.asked == []
    assert names(tmp_path) == before


@pytest.mark.parametrize("kind", ["file", "pipe", "link to a device", "link to nothing"])
def test_what_is_no_folder_where_a_folder_belongs_is_named_and_stays(kind, server, tmp_path):
    put(tmp_path / "flower_photos", kind)
    asset = made_of(server, BODY, "flower_photos.tgz", "flower_photos")
    with pytest.raises(ValueError, match="flower_photos: expected a folder, found"):
        fetch(asset, tmp_path)
    assert server.asked == []
    assert names(tmp_path) == ["flower_photos"]


@pytest.mark.parametrize("kind", ["pipe", "link to a device", "link to nothing"])
def test_what_is_no_file_is_not_taken_for_one_that_was_put_there_by_hand(
    kind, server, tmp_path, converter
):
    put(tmp_path / "bvlc_alexnet.caffemodel", kind)
    asset = made_of(server, BODY, "bvlc_alexnet.caffemodel", "bvlc-alexnet.npy")
    assert fetch(asset, tmp_path) is True


# ---- mirrors of one's own -----------------------------------------------------------------------


def test_a_folder_given_as_mirror_is_asked_alone(server, tmp_path):
    shelf, here = tmp_path / "shelf", tmp_path / "here"
    shelf.mkdir()
    with pytest.raises(transfers.Unavailable):
        fetch(asset_of(server), here, mirror=str(shelf))
    (shelf / "file.bin").write_bytes(BODY)
    assert fetch(asset_of(server), here, mirror=str(shelf)) is True
    assert (here / "file.bin").read_bytes() == BODY
    assert names(shelf) == ["file.bin"]
    assert server.asked == []


def test_a_url_given_as_mirror_is_asked_alone(server, tmp_path):
    asset = asset_of(server, "/elsewhere.bin")
    assert fetch(asset, tmp_path, mirror=f"{server.url}/") is True
    assert [path for path, _ in server.asked] == ["/file.bin"]


# ---- making something of a file -----------------------------------------------------------------


def made_of(server, body, file, makes):
    server.files[f"/{file}"] = body
    return replace(asset_of(server, f"/{file}", body=body), file=file, makes=makes)


def pack(members):
    """A .tgz of names and contents."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as tar:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return file.getvalue()


def zipped(members, compression=zipfile.ZIP_STORED):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression, compresslevel=1) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return file.getvalue()


def signs(count=3):
    features = np.zeros((count, 32, 32, 3), np.uint8)
    return pickle.dumps({"features": features, "labels": np.arange(count)})


def test_flowers_are_unpacked_and_stay_where_they_are(server, tmp_path, monkeypatch):
    monkeypatch.setattr(obtain, "FLOWERS", 2)
    body = pack({f"flower_photos/{kind}/1.jpg": b"jpg" for kind in ("daisy", "tulips")})
    asset = made_of(server, body, "flower_photos.tgz", "flower_photos")
    assert fetch(asset, tmp_path) is True
    assert names(tmp_path) == ["flower_photos"]
    assert fetch(asset, tmp_path) is False
    (tmp_path / "flower_photos/daisy/1.jpg").unlink()
    with pytest.raises(ValueError, match=r"expected 2 pictures, found 1; move it away"):
        fetch(asset, tmp_path)
    assert names(tmp_path) == ["flower_photos"]


@pytest.mark.parametrize("name", ["flower_photos/../../outside.jpg", "../outside.jpg", "lock"])
def test_an_archive_cannot_write_outside_its_folder(name, server, tmp_path):
    asset = made_of(server, pack({name: b"jpg"}), "flower_photos.tgz", "flower_photos")
    with pytest.raises(ValueError, match=r"outside|expected 3670 pictures"):
        fetch(asset, tmp_path / "here")
    assert names(tmp_path) == ["here"]
    assert names(tmp_path / "here") == []


MEMBERS = {
    "link": {"type": tarfile.SYMTYPE, "linkname": "daisy"},
    "hard link": {"type": tarfile.LNKTYPE, "linkname": "flower_photos.tgz"},
    "pipe": {"type": tarfile.FIFOTYPE},
    "device": {"type": tarfile.CHRTYPE},
    "holes": {"pax_headers": {"GNU.sparse.size": "1" + 15 * "0", "GNU.sparse.map": "0,0"}},
    "size": {"size": 10**10},
}


@pytest.mark.parametrize("kind", MEMBERS)
def test_an_archive_unpacks_to_files_of_a_bounded_size_only(kind, server, tmp_path):
    info = tarfile.TarInfo("flower_photos/daisy/1.jpg")
    for name, value in MEMBERS[kind].items():
        setattr(info, name, value)
    body = gzip.compress(info.tobuf(tarfile.PAX_FORMAT) + bytes(1024))
    asset = made_of(server, body, "flower_photos.tgz", "flower_photos")
    with pytest.raises(ValueError, match=r"neither a file nor a folder|far more than 3670"):
        fetch(asset, tmp_path)
    assert names(tmp_path) == []


def test_an_archive_of_very_many_files_is_not_unpacked(server, tmp_path, monkeypatch):
    monkeypatch.setattr(obtain, "FLOWERS", 2)
    body = pack({f"flower_photos/daisy/{number}": b"" for number in range(5)})
    with pytest.raises(ValueError, match="far more than 2 pictures"):
        fetch(made_of(server, body, "flower_photos.tgz", "flower_photos"), tmp_path)


@pytest.mark.parametrize(
    "body",
    [b"", b"no gzip", gzip.compress(b"no tar", mtime=0), gzip.compress(b"", mtime=0)[:9]],
    ids=["nothing", "no gzip", "no tar", "cut"],
)
def test_an_archive_that_is_none_is_one_line(body, server, tmp_path):
    asset = made_of(server, body, "flower_photos.tgz", "flower_photos")
    with pytest.raises((ValueError, transfers.Unavailable)):
        fetch(asset, tmp_path)
    assert names(tmp_path) == []


def test_the_later_course_data_does_not_touch_train_p(server, tmp_path):
    (tmp_path / "train.p").write_bytes(b"the course's")
    members = {name: signs() for name in obtain.SIGNS} | {"../evil": b""}
    assert fetch(zip_of_signs(server, zipped(members)), tmp_path) is True
    assert names(tmp_path) == ["traffic-signs-data", "train.p"]
    assert names(tmp_path / "traffic-signs-data") == ["test.p", "train.p", "valid.p"]
    assert len(sources.load(tmp_path / "traffic-signs-data/valid.p")) == 3


def with_bit(body, place, bit):
    """A zip with a bit set in every header of its list, or before every member."""
    body = bytearray(body)
    for header, offset in ((b"PK\3\4", place), (b"PK\1\2", place + 2)):
        for found in re.finditer(re.escape(header), body):
            body[found.start() + offset] |= bit
    return bytes(body)


ALL_SIGNS = {name: signs() for name in obtain.SIGNS}
ZIPS = {
    "no zip": (b"PK no zip", "damaged"),
    "cut": (zipped(ALL_SIGNS)[:-30], "damaged"),
    "another": (zipped({"train.p": b""}), "missing"),
    "encrypted": (with_bit(zipped(ALL_SIGNS), 6, 1), "encrypted"),
    "no signs": (zipped(ALL_SIGNS | {"test.p": b"no pickle"}), "test.p"),
    "bzip2": (zipped(ALL_SIGNS, zipfile.ZIP_BZIP2), "another packing"),
    "lzma": (zipped(ALL_SIGNS, zipfile.ZIP_LZMA), "another packing"),
    "forged": (zipped({"\x1b[2J\nfetched, verified": b""}, zipfile.ZIP_LZMA), "another packing"),
}


def zip_of_signs(server, body):
    asset = made_of(server, body, "traffic-signs-data.zip", "traffic-signs-data")
    return replace(asset, hash="", exact=False, size=2_000_000)


@pytest.mark.parametrize("kind", ZIPS)
def test_a_zip_that_is_not_the_right_one_is_one_line_and_the_next_mirror_is_asked(
    kind, server, tmp_path, capsys
):
    body, complaint = ZIPS[kind]
    good = zip_of_signs(server, zipped(ALL_SIGNS))
    server.files["/bad.zip"] = body
    bad = replace(good, mirrors=(f"{server.url}/bad.zip",))
    with pytest.raises(transfers.Unavailable):
        fetch(bad, tmp_path)
    said = capsys.readouterr().err
    assert "not the right file" in said
    assert complaint in said
    assert said.count("\n") == 1
    assert said.rstrip("\n").isprintable()
    assert names(tmp_path) == []
    assert fetch(replace(good, mirrors=(*bad.mirrors, *good.mirrors)), tmp_path) is True
    assert names(tmp_path) == ["traffic-signs-data"]


def test_a_zip_that_would_fill_the_disk_is_not_unpacked(server, tmp_path, capsys, monkeypatch):
    bomb = ALL_SIGNS | {"train.p": bytes(obtain.SIGNS_SIZE)}
    body = zipped(bomb, zipfile.ZIP_DEFLATED)
    monkeypatch.setattr(zips, "unpacked", None)
    with pytest.raises(transfers.Unavailable):
        fetch(zip_of_signs(server, body), tmp_path)
    assert "expected at most 250,000,000 bytes, found 250,0" in capsys.readouterr().err
    assert names(tmp_path) == []


def test_a_disk_that_fills_up_while_unpacking_is_no_mirrors_fault(server, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(zips, "unpacked", full)
    with pytest.raises(OSError, match=r"traffic-signs-data: the disk is full"):
        fetch(zip_of_signs(server, zipped(ALL_SIGNS)), tmp_path)
    assert names(tmp_path) == []


LAYERS = {"fc8": (np.eye(3, dtype=np.float32), np.arange(3, dtype=np.float32))}


@pytest.fixture
def converter(monkeypatch):
    """Stands in for reading 244 MB of caffemodel and for TensorFlow."""
    caffemodel = pytest.importorskip("lab.formats.caffemodel")
    monkeypatch.setattr(caffemodel, "load", lambda path: LAYERS)
    monkeypatch.setitem(obtain.CHECKS, "bvlc-alexnet.npy", np.load)


def test_the_caffemodel_becomes_a_file_in_the_courses_layout(server, tmp_path, converter):
    asset = made_of(server, BODY, "bvlc_alexnet.caffemodel", "bvlc-alexnet.npy")
    assert fetch(asset, tmp_path) is True
    assert names(tmp_path) == ["bvlc-alexnet.npy"]
    layers = np.load(tmp_path / "bvlc-alexnet.npy", allow_pickle=True).item()
    assert isinstance(layers["fc8"], list)
    np.testing.assert_array_equal(layers["fc8"][1], [0, 1, 2])


def test_a_caffemodel_fetched_by_hand_is_converted_and_kept(server, tmp_path, converter):
    asset = made_of(server, BODY, "bvlc_alexnet.caffemodel", "bvlc-alexnet.npy")
    (tmp_path / "bvlc_alexnet.caffemodel").write_bytes(BODY)
    assert fetch(asset, tmp_path) is True
    assert names(tmp_path) == ["bvlc-alexnet.npy", "bvlc_alexnet.caffemodel"]
    assert server.asked == []


def test_the_stand_in_is_fetched_when_no_mirror_has_the_first_choice(server, tmp_path, monkeypatch):
    stand_in = unhashed(server, monkeypatch)
    first = replace(
        asset_of(server, "/nowhere"), file="first", makes="file.bin", otherwise=stand_in
    )
    assert fetch(first, tmp_path) is True
    assert (tmp_path / "file.bin").read_bytes() == BODY
