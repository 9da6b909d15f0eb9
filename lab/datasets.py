"""Labelled pictures from the course's pickle, the official GTSRB archives or a folder.

All come out as one `Dataset`, whatever they were read from.
"""

import csv
import io
import re
import zipfile
import zlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image
from tqdm import tqdm

from lab import images, pickles
from lab.command_line import notice

SIGN_NAMES = Path(__file__).resolve().parent.parent / "signnames.csv"
REMEDY = "`python download.py train` gets the course's file, --demo needs none"


@dataclass(frozen=True, eq=False)
class Dataset:
    """Labelled pictures: of row i the picture, its label, and the track it was taken from.

    `images`: uint8 [n, 32, 32, 3] RGB, or a list of n paths to pictures of any size, decoded later.
    `labels`: int64 [n], positions in `names`.
    `names`: one name for each label.
    `tracks`: int64 [n], equal for pictures of one physical sign; None when unknown.
    """

    images: np.ndarray | list[Path]
    labels: np.ndarray
    names: list[str]
    tracks: np.ndarray | None = None

    def __len__(self):
        return len(self.labels)

    def take(self, indices):
        """The rows `indices` alone, in that order."""
        images = self.images
        return Dataset(
            images[indices] if isinstance(images, np.ndarray) else [images[i] for i in indices],
            self.labels[indices],
            self.names,
            None if self.tracks is None else self.tracks[indices],
        )


def load(path, skip_broken=False):
    """The Dataset in `path`, told apart by looking: a pickle, a GTSRB archive or its folder, or
    a folder with one subfolder of pictures a class.

    A broken picture is an error; with `skip_broken` it is named on stderr and left out. In a folder
    the heads of the files are checked, with `skip_broken` all they hold.
    Raises FileNotFoundError when nothing is there, ValueError when it holds something else.
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"{path}: no such file or folder of pictures; {REMEDY}")
    if path.is_dir():
        return _from_folder(path, skip_broken)
    with path.open("rb") as file:
        zipped = file.read(2) == b"PK"
    return _from_zip(path, skip_broken) if zipped else _from_pickle(path)


def sign_names():
    """The 43 names of the German traffic signs, by label."""
    with SIGN_NAMES.open(newline="", encoding="utf-8") as file:
        return [row["SignName"] for row in csv.DictReader(file)]


# ---- the course's pickles: train.p of 2016; train.p, valid.p and test.p of 2017 ----------------


def _from_pickle(path):
    content = pickles.load(path)
    if not isinstance(content, dict) or not {"features", "labels"} <= content.keys():
        found = f"keys {[*content]!s:.200}" if isinstance(content, dict) else type(content).__name__
        raise ValueError(
            f"{path}: expected a dict with features and labels, found {found}; {REMEDY}"
        )
    features = _array(path, content, "features", "uint8 [n, 32, 32, 3]")
    if features.dtype != np.uint8 or features.shape[1:] != (32, 32, 3) or not len(features):
        raise _unexpected(path, "features", "uint8 [n, 32, 32, 3]", features)
    labels = _array(path, content, "labels", "whole numbers [n]")
    if labels.dtype.kind not in "iu" or labels.shape != features.shape[:1]:
        raise _unexpected(path, "labels", f"whole numbers [{len(features)}]", labels)
    names = sign_names()
    _check_labels(path, labels, names)
    labels = labels.astype(np.int64)
    tracks = None
    if content.get("sizes") is not None:
        tracks = find_tracks(labels, _array(path, content, "sizes", "numbers [n, 2]"))
    return Dataset(features, labels, names, tracks)


def _array(path, content, key, expected):
    if not _are_numbers(content[key]):  # of texts NumPy makes room for the longest in every row
        raise ValueError(f"{path}: {key}: expected {expected}, found other values; {REMEDY}")
    try:
        return np.asarray(content[key])
    except ValueError as error:  # rows of different lengths
        raise ValueError(f"{path}: {key}: expected {expected}, found {error}; {REMEDY}") from error


def _are_numbers(value):
    """Is it a number, an array of them, or a list of such?"""
    if isinstance(value, list | tuple):
        return all(map(_are_numbers, value))
    if isinstance(value, np.ndarray):
        return value.dtype.kind in "biuf"
    return isinstance(value, int | float | np.number)


def _unexpected(path, key, expected, array):
    found = f"{array.dtype} {list(array.shape)}"
    return ValueError(f"{path}: {key}: expected {expected}, found {found}; {REMEDY}")


def _check_labels(path, labels, names):
    low, high = labels.min(), labels.max()
    if low < 0 or high >= len(names):
        raise ValueError(
            f"{path}: expected labels 0-{len(names) - 1}, the rows of {SIGN_NAMES.name}, "
            f"found {low}-{high}; for other classes name a folder with one subfolder a class"
        )


TRACK_LENGTH = 30  # frames; one track of the official training set has lost one


def find_tracks(labels, sizes):
    """Which rows were filmed from one physical sign: int64 [n], numbered from 0, or None.

    A GTSRB track is 30 frames taken while driving towards a sign, and in the course's files they
    stand class by class, track by track, frame by frame. So tracks are the slices of 30 rows of a
    class, and `sizes` [n, 2], the pixels of each picture before it became 32x32, tell whether the
    file still has that order: sizes grow inside a track and fall where the next one begins.

    None means unknown. It is the answer for rows that were shuffled (also inside their tracks,
    where nothing is left to tell tracks from chance), repeated, or left out: a wrong guess would
    put frames of one sign into training and validation, and nobody would notice.
    """
    if sizes.shape != (len(labels), 2) or sizes.dtype.kind not in "iuf" or not (sizes > 0).all():
        return None
    firsts = np.flatnonzero(np.diff(labels, prepend=-1))
    lasts = np.append(firsts[1:], len(labels))
    missing = -(lasts - firsts) % TRACK_LENGTH
    if len(firsts) > len(np.unique(labels)) or missing.sum() > 1:
        return None
    growth = np.diff(np.log(sizes.astype(float)).sum(1) / 2)  # of the side, from row to row
    starts = np.concatenate(
        [_track_starts(growth, *rows) for rows in zip(firsts, lasts, strict=True)]
    )
    if not _look_like_tracks(growth, starts):
        return None
    return np.cumsum(np.isin(np.arange(len(labels)), starts)) - 1


def _track_starts(growth, first, last):
    """First rows of the tracks in rows first:last; a short one is where sizes then fall deepest."""
    starts = np.arange(first, last, TRACK_LENGTH)
    if (last - first) % TRACK_LENGTH == 0:
        return starts
    places = np.arange(len(starts))
    candidates = [starts - (places > short) for short in places]
    return min(candidates, key=lambda starts: growth[starts[1:] - 1].sum())


def _look_like_tracks(growth, starts):
    """Do sizes grow in 99 % of the tracks, and fall at 80 % of the starts?

    In the official training set no size falls below 0.8 of the one before in 1,305 of 1,307 tracks
    (measuring the sign shakes; two jump), and 98 % of the starts fall below 0.9.
    """
    inside = growth.copy()
    inside[starts[1:] - 1] = np.inf
    smallest = np.minimum.reduceat(np.append(inside, np.inf), starts)
    falls = growth[starts[1:] - 1] < np.log(0.9)
    return np.mean(smallest > np.log(0.8)) >= 0.99 and (not falls.size or np.mean(falls) >= 0.8)


# ---- the official archives (lab/assets.py has their addresses), zipped or unpacked --------------

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


def _from_zip(path, skip_broken):
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
    info, shown = archive.getinfo(name), f"{path}: {_shown(name)}"
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise ValueError(f"{shown} is packed in another way than the official archives")
    if info.file_size > LARGEST_MEMBER:
        raise ValueError(f"{shown} has {info.file_size:,} bytes, too many for a sign")
    try:
        return io.BytesIO(archive.read(info))
    except DAMAGE as error:
        raise ValueError(f"{shown} is damaged ({error})") from error


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
    _check_labels(path, labels, names)
    pictures, broken = _decode(path, [match[0] for match in training or test], open_member)
    whole = _without(path, broken, len(labels), skip_broken)
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


def _without(path, broken, count, skip_broken):
    """The rows that are whole, of `count`; `broken` maps the others to their names."""
    if broken:
        named = ", ".join(_shown(name) for name in list(broken.values())[:3])
        found = f"{path}: {len(broken)} of {count} pictures cannot be read: {named}"
        found += ", ..." if len(broken) > 3 else ""
        if not skip_broken or len(broken) == count:
            raise ValueError(f"{found}; mend them or leave them out with --skip-broken")
        notice(f"{found}; left out")
    return np.setdiff1d(np.arange(count), list(broken))


def _shown(name):
    """A name from a file for a message: short, without control characters."""
    return repr(str(name)[:80])[1:-1]


def _test_labels(path, members, open_member, test):
    """Labels of the matches `test`, from the list in the archive or beside it."""
    inside = [name for name in members if name.split("/")[-1] == TEST_LABELS]
    labels = _read_labels(path, open_member(inside[0])) if inside else _labels_beside(path)
    files = {match["file"] for match in test}
    if files != labels.keys():
        raise ValueError(
            f"{path}: holds {len(files)} pictures, its {TEST_LABELS} lists {len(labels)}, and "
            f"they differ in {_shown(min(files ^ labels.keys()))}; unpack or download it again"
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


# ---- a folder with one subfolder of pictures a class -------------------------------------------


def _from_folder(path, skip_broken):
    members = [file.relative_to(path).as_posix() for file in path.rglob("*.ppm")]
    members += [file.relative_to(path).as_posix() for file in path.rglob(TEST_LABELS)]
    dataset = _official(path, members, lambda name: (path / name).open("rb"), skip_broken)
    return _from_class_folders(path, skip_broken) if dataset is None else dataset


def _from_class_folders(path, skip_broken):
    folders = sorted(file for file in _visible(path) if file.is_dir())
    if len(folders) < 2:
        raise ValueError(
            f"{path}: expected one subfolder of pictures a class, at least two, found "
            f"{len(folders)}; {REMEDY}"
        )
    pictures = [
        sorted(file for file in _visible(folder) if file.suffix.lower() in images.SUFFIXES)
        for folder in folders
    ]
    paths = [file for files in pictures for file in files]
    labels = np.repeat(np.arange(len(folders)), [len(files) for files in pictures])
    with ThreadPoolExecutor() as pool:
        flags = pool.map(partial(_is_broken, decode=skip_broken), paths)
        broken = {row: paths[row].relative_to(path) for row, flag in enumerate(flags) if flag}
    whole = _without(path, broken, len(paths), skip_broken)
    dataset = Dataset(paths, labels, [folder.name for folder in folders]).take(whole)
    empty = np.setdiff1d(np.arange(len(folders)), dataset.labels)
    if empty.size:
        named = ", ".join(_shown(folders[label].name) for label in empty[:5])
        raise ValueError(f"{path}: {len(empty)} subfolders hold no picture: {named}; remove them")
    return dataset


def _visible(folder):
    return (file for file in folder.iterdir() if not file.name.startswith("."))


def _is_broken(file, decode):
    """Is `file` no picture? Only its head is looked at, or, slowly, with `decode` all of it."""
    try:
        if decode:
            images.read(file)
        else:
            Image.open(file, formats=images.FORMATS).close()
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        return True
    return False
