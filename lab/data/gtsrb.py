"""The official archives of the German Traffic Sign Recognition Benchmark, zipped or unpacked.

lab/downloads/assets.py has their addresses.
"""

import csv
import io
import math
import os
import re
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from lab.console import counted
from lab.data.dataset import Dataset, check_labels, shown, sign_names, without
from lab.formats import files, zips

ROOT = r"GTSRB|Final_Training|Final_Test|Images"
ROOTS = rf"(?:(?:{ROOT})/)*"
FOLDER = re.compile(rf"{ROOT}|\d{{5}}")
TRAINING_PICTURE = re.compile(ROOTS + r"(?P<label>\d{5})/(?P<track>\d{5})_\d{5}\.ppm")
TEST_PICTURE = re.compile(ROOTS + r"(?P<file>\d{5}\.ppm)")
TEST_LABELS = "GT-final_test.csv"
TEST_LABELS_ARCHIVE = "GTSRB_Final_Test_GT.zip"
SPACE = rb"(?:\s|#[^\n]*\n)+"
SIGN = re.compile(
    SPACE.join([rb"P6", rb"(?P<width>[1-9]\d{0,3})", rb"(?P<height>[1-9]\d{0,3})", rb"255\s"])
)
ENDINGS = (".ppm", TEST_LABELS)
LARGEST_MEMBER = 2**20  # bytes unpacked; no training picture has over 243 x 225 pixels, 164 kB
LARGEST_ARCHIVE = 2**30
AGAIN = "download it again"
MOST_PICTURES = 100_000


def from_zip(path, skip_broken):
    """An official archive, read in place: no name in it ever becomes a path on disk."""
    with zips.opened(path, LARGEST_ARCHIVE, AGAIN) as archive:
        dataset = _official(path, archive.namelist(), partial(_unzip, path, archive), skip_broken)
    if dataset is None:
        raise ValueError(
            f"{path}: expected the pictures of an official GTSRB archive, found none; unpack it "
            "and name a .p file or a folder with one subfolder of pictures a class"
        )
    return dataset


def _unzip(path, archive, name):
    """The content of member `name`."""
    size = archive.getinfo(name).file_size
    if size > LARGEST_MEMBER:
        raise ValueError(f"{path}: {shown(name)} has {size:,} bytes, too many for a sign")
    return zips.unpacked(path, archive, name, AGAIN)


def _official(path, members, content_of, skip_broken):
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
        labels, tracks = _test_labels(path, members, content_of, test), None
    else:
        return None
    labels, names = np.array(labels, np.int64), sign_names()
    check_labels(path, labels, names)
    pictures, broken = _decode(path, [match[0] for match in training or test], content_of)
    whole = without(path, broken, len(labels), skip_broken)
    return Dataset(pictures, labels, names, tracks).take(whole)


def _decode(path, members, content_of):
    """uint8 [n, 32, 32, 3] as in train.p: the whole picture, resized bilinearly; what is broken."""
    pictures, broken = np.zeros((len(members), 32, 32, 3), np.uint8), {}
    for row, name in enumerate(counted(members, len(members), path.name, "pictures")):
        try:
            picture = Image.fromarray(_sign(content_of(name)))
            pictures[row] = picture.resize((32, 32), Image.Resampling.BILINEAR)
        except (OSError, ValueError):
            broken[row] = name
    return pictures, broken


def _sign(content):
    """uint8 RGB [h, w, 3] from a PPM file of 8 bits, which all official pictures are.

    Its pixels are there as they are. A small archive can hold a hundred thousand pictures of other
    kinds, each of which would take Pillow seconds.
    """
    head = SIGN.match(content[:200])
    shape = (int(head["height"]), int(head["width"]), 3) if head else (0,)
    if not head or math.prod(shape) > len(content) - head.end():
        raise ValueError("no whole sign")
    return np.frombuffer(content, np.uint8, math.prod(shape), head.end()).reshape(shape)


def _test_labels(path, members, content_of, test):
    """Labels of the matches `test`, from the list in the archive or beside it."""
    inside = [name for name in members if name.split("/")[-1] == TEST_LABELS]
    labels = _read_labels(path, content_of(inside[0])) if inside else _labels_beside(path)
    pictures = {match["file"] for match in test}
    if pictures != labels.keys():
        raise ValueError(
            f"{path}: holds {len(pictures)} pictures, its {TEST_LABELS} lists {len(labels)}, and "
            f"they differ in {shown(min(pictures ^ labels.keys()))}; unpack or download it again"
        )
    return [labels[match["file"]] for match in test]


def _labels_beside(path):
    for folder in [path.resolve(), *path.resolve().parents[:3]]:
        if (found := folder / TEST_LABELS).exists():
            return _read_labels(found, _from_disk(found))
        if (found := folder / TEST_LABELS_ARCHIVE).exists():
            with zips.opened(found, LARGEST_MEMBER, AGAIN) as archive:
                if TEST_LABELS in archive.namelist():
                    return _read_labels(found, _unzip(found, archive, TEST_LABELS))
    raise FileNotFoundError(
        f"{path}: holds test pictures without labels; put {TEST_LABELS_ARCHIVE}, from the same "
        f"address, or its {TEST_LABELS} beside it"
    )


def _read_labels(path, content):
    """File name -> label, from a list with semicolons between Filename, ..., ClassId."""
    try:
        lines = io.StringIO(content.decode("utf-8"), newline="")
        rows = csv.DictReader(lines, delimiter=";")
        return {str(row["Filename"]): np.int64(row["ClassId"]) for row in rows}
    except (KeyError, TypeError, ValueError, OverflowError, csv.Error) as error:
        raise ValueError(
            f"{path}: {TEST_LABELS}: expected columns Filename and ClassId, found {error!r:.200}"
        ) from error


def from_folder(path, skip_broken):
    """An official archive that was unpacked; None when the folder holds something else."""
    members = []
    for folder, inside, names in os.walk(path):
        inside[:] = filter(FOLDER.fullmatch, inside)  # of other folders nothing is wanted
        below = Path(folder).relative_to(path)
        members += [(below / name).as_posix() for name in names if name.endswith(ENDINGS)]
    return _official(path, members, lambda name: _from_disk(path / name), skip_broken)


def _from_disk(path):
    """The content of a file; of one too large for a sign only the beginning."""
    with files.opened(path) as file:
        return file.read(LARGEST_MEMBER)
