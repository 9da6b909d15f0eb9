"""The official archives of the German Traffic Sign Recognition Benchmark, zipped or unpacked.

lab/downloads/assets.py has their addresses.
"""

import csv
import io
import re
import zipfile
import zlib
from functools import partial

import numpy as np
from PIL import Image
from tqdm import tqdm

from lab.data import images
from lab.data.dataset import Dataset, check_labels, shown, sign_names, without

ROOTS = r"(?:(?:GTSRB|Final_Training|Final_Test|Images)/)*"
TRAINING_PICTURE = re.compile(ROOTS + r"(?P<label>\d{5})/(?P<track>\d{5})_\d{5}\.ppm")
TEST_PICTURE = re.compile(ROOTS + r"(?P<file>\d{5}\.ppm)")
TEST_LABELS = "GT-final_test.csv"
TEST_LABELS_ARCHIVE = "GTSRB_Final_Test_GT.zip"
LARGEST_MEMBER = 2**20  # bytes unpacked; no training picture has over 243 x 225 pixels, 164 kB
LARGEST_ARCHIVE = 2**31
# What zipfile raises for damaged archives; found by damaging some thousands.
DAMAGE = (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError, ValueError)
MOST_PICTURES = 100_000


def from_zip(path, skip_broken):
    """An official archive, read in place: no name in it ever becomes a path on disk."""
    with _open_zip(path) as archive:
        dataset = _official(path, archive.namelist(), partial(_unzip, path, archive), skip_broken)
    if dataset is None:
        raise ValueError(
            f"{path}: expected the pictures of an official GTSRB archive, found none; unpack it "
            "and name a .p file or a folder with one subfolder of pictures a class"
        )
    return dataset


def _open_zip(path):
    try:
        archive = zipfile.ZipFile(path)
    except DAMAGE as error:
        raise ValueError(f"{path}: cut or damaged ({error}); download it again") from error
    members = archive.infolist()
    encrypted = any(member.flag_bits & 1 for member in members)
    if encrypted or sum(member.file_size for member in members) > LARGEST_ARCHIVE:
        archive.close()
        found = "encrypted" if encrypted else f"over {LARGEST_ARCHIVE:,} bytes when unpacked"
        raise ValueError(f"{path}: {found}, so no official archive; download it again")
    return archive


def _unzip(path, archive, name):
    """Member `name` as a file in memory; its declared size, which ends the reading, is bounded."""
    info, named = archive.getinfo(name), f"{path}: {shown(name)}"
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise ValueError(f"{named} is packed in another way than the official archives")
    if info.file_size > LARGEST_MEMBER:
        raise ValueError(f"{named} has {info.file_size:,} bytes, too many for a sign")
    try:
        return io.BytesIO(archive.read(info))
    except DAMAGE as error:
        raise ValueError(f"{named} is damaged ({error})") from error


def _official(path, members, open_member, skip_broken):
    """The Dataset among `members`, relative names with slashes; None when these are others."""
    training = [m for name in sorted(set(members)) if (m := TRAINING_PICTURE.fullmatch(name))]
    test = [m for name in sorted(set(members)) if (m := TEST_PICTURE.fullmatch(name))]
    if training and test:
        raise ValueError(f"{path}: holds Final_Training and Final_Test; name one of them")
    if len(training) + len(test) > MOST_PICTURES:
        raise ValueError(f"{path}: over {MOST_PICTURES} pictures, no official archive has so many")
    if training:
        labels = [int(match["label"]) for match in training]
        tracks = np.unique([m["label"] + m["track"] for m in training], return_inverse=True)[1]
    elif test:
        labels, tracks = _test_labels(path, members, open_member, test), None
    else:
        return None
    labels, names = np.array(labels, np.int64), sign_names()
    check_labels(path, labels, names)
    pictures, broken = _decode(path, [match[0] for match in training or test], open_member)
    whole = without(path, broken, len(labels), skip_broken)
    return Dataset(pictures, labels, names, tracks).take(whole)


def _decode(path, members, open_member):
    """uint8 [n, 32, 32, 3] as in train.p: the whole picture, resized bilinearly; what is broken."""
    pictures, broken = np.zeros((len(members), 32, 32, 3), np.uint8), {}
    for row, name in enumerate(tqdm(members, path.name, unit=" pictures", disable=None)):
        try:
            with open_member(name) as file:
                picture = Image.fromarray(images.read(file))
            pictures[row] = picture.resize((32, 32), Image.Resampling.BILINEAR)
        except ValueError:
            broken[row] = name
    return pictures, broken


def _test_labels(path, members, open_member, test):
    """Labels of the matches `test`, from the list in the archive or beside it."""
    inside = [name for name in members if name.split("/")[-1] == TEST_LABELS]
    labels = _read_labels(path, open_member(inside[0])) if inside else _labels_beside(path)
    files = {match["file"] for match in test}
    if files != labels.keys():
        raise ValueError(
            f"{path}: holds {len(files)} pictures, its {TEST_LABELS} lists {len(labels)}, and "
            f"they differ in {shown(min(files ^ labels.keys()))}; unpack or download it again"
        )
    return [labels[match["file"]] for match in test]


def _labels_beside(path):
    for folder in [path.resolve(), *path.resolve().parents[:3]]:
        if (folder / TEST_LABELS).exists():
            return _read_labels(folder / TEST_LABELS, (folder / TEST_LABELS).open("rb"))
        if (found := folder / TEST_LABELS_ARCHIVE).exists():
            with _open_zip(found) as archive:
                if TEST_LABELS in archive.namelist():
                    return _read_labels(found, _unzip(found, archive, TEST_LABELS))
    raise FileNotFoundError(
        f"{path}: holds test pictures without labels; put {TEST_LABELS_ARCHIVE}, from the same "
        f"address, or its {TEST_LABELS} beside it"
    )


def _read_labels(path, file):
    """File name -> label, from a list with semicolons between Filename, ..., ClassId."""
    with io.TextIOWrapper(file, encoding="utf-8", newline="") as text:
        try:
            rows = csv.DictReader(text, delimiter=";")
            return {str(row["Filename"]): np.int64(row["ClassId"]) for row in rows}
        except (KeyError, TypeError, ValueError, OverflowError, csv.Error) as error:
            raise ValueError(
                f"{path}: {TEST_LABELS}: expected columns Filename and ClassId, "
                f"found {error!r:.200}"
            ) from error


def from_folder(path, skip_broken):
    """An official archive that was unpacked; None when the folder holds something else."""
    members = [file.relative_to(path).as_posix() for file in path.rglob("*.ppm")]
    members += [file.relative_to(path).as_posix() for file in path.rglob(TEST_LABELS)]
    return _official(path, members, lambda name: (path / name).open("rb"), skip_broken)
