"""From an entry in the table of assets to a file the lessons can use: fetched, checked, ready."""

import hashlib
import os
import tarfile
import zlib
from functools import partial
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory

import numpy as np

from lab.console import notice
from lab.downloads import transfers
from lab.formats import zips

FLOWERS = 3670  # pictures in flower_photos.tgz
FLOWERS_SIZE = 400_000_000  # bytes at most when unpacked; they have 229 million
SIGNS = ("train.p", "valid.p", "test.p")  # in traffic-signs-data.zip
SIGNS_SIZE = 250_000_000  # bytes at most when unpacked; 51,839 signs have 162 million


def obtain(asset, folder, mirror, client):
    """See to it that the asset's result is in `folder` and good; True if it had to be fetched.

    `mirror`, a URL or a folder, is asked alone; None means the asset's own mirrors. Raises
    transfers.Unavailable when none delivers, other OSErrors when the disk does not play along.
    """
    result = folder / asset.result
    check_kind(asset, result)
    with transfers.workspace(result) as work:
        if is_good(asset, result):
            return False
        transfers.settle(make(asset, folder, mirror, client, work), result)
    return True


def check_kind(asset, result):
    """ValueError unless the path `result` is free, or has what the asset makes: file or folder."""
    unpacked = asset.makes and asset.file.endswith((".tgz", ".zip"))
    kind, fits = ("folder", result.is_dir()) if unpacked else ("file", result.is_file())
    if os.path.lexists(result) and not fits:
        raise ValueError(f"{result}: expected a {kind}, found something else; move it away")


def make(asset, folder, mirror, client, work):
    """The path of the finished result in the folder `work`, from the asset or its stand-in."""
    file = work / asset.file
    need = asset.size * (2 if asset.makes else 1) - transfers.Part(file).size
    transfers.make_room(work, need)
    try:
        client.fetch(file, places(asset, folder, mirror), asset.size, check_of(asset), asset.exact)
    except transfers.Unavailable:
        if not asset.otherwise:
            raise
        return make(asset.otherwise, folder, mirror, client, work)
    if not asset.makes:
        return file
    notice(f"  making {asset.makes} from {asset.file}")
    made = work / asset.makes
    MAKERS[asset.makes](file, made)
    return made


def places(asset, folder, mirror):
    """Where to look for the file: what somebody put into `folder` by hand, then the mirrors."""
    by_hand = [folder / asset.file] if asset.makes and (folder / asset.file).is_file() else []
    if not mirror:
        return [*by_hand, *asset.mirrors]
    if mirror.startswith(("http://", "https://")):
        return [*by_hand, f"{mirror.rstrip('/')}/{asset.file}"]
    return [*by_hand, Path(mirror) / asset.file]


def is_good(asset, result):
    """Whether the result is there and passes its check; a bad folder is the user's to judge."""
    if not result.exists():
        return False
    check = CHECKS.get(result.name) or check_of(asset)
    try:
        check(result)
    except (ValueError, OSError) as error:
        if result.is_dir():
            raise ValueError(f"{error}; move it away to get it anew") from error
        notice(f"{result.name} is here, but it is not good: {error}")
        return False
    return True


# Checks raise ValueError or OSError when a file is not the right one.


def check_of(asset):
    """The check for an asset's file as it comes from a mirror."""
    if asset.hash:
        return partial(check_hash, expected=asset.hash)
    return check_zip if asset.file.endswith(".zip") else CHECKS[asset.file]


def check_hash(path, expected):
    method = expected.partition(":")[0]
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, lambda: hashlib.new(method, usedforsecurity=False))
    found = f"{method}:{digest.hexdigest()}"
    if found != expected:
        raise ValueError(f"{path}: expected {expected}, found {found}")


def check_zip(path):
    with TemporaryDirectory(dir=path.parent) as folder:
        unzip(path, Path(folder))


def check_weights(path):
    from lab import device  # first, so that TensorFlow, which takes seconds, loads quietly

    device.prepare()
    from alexnet import load_weights

    load_weights(path)


def check_signs(path):
    from lab.data import sources

    for file in [path / name for name in SIGNS] if path.is_dir() else [path]:
        sources.load(file)


def check_flowers(path):
    count = sum(picture.is_file() for picture in path.glob("*/*.jpg"))
    if count != FLOWERS:
        raise ValueError(f"{path}: expected {FLOWERS} pictures, found {count}")


CHECKS = {
    "bvlc-alexnet.npy": check_weights,
    "train.p": check_signs,
    "traffic-signs-data": check_signs,
    "flower_photos": check_flowers,
}


# Makers turn a checked file into the result the lessons use.


def convert(caffemodel, npy):
    """In the layout of the course's file: a pickled dict from layer to [kernel, bias]."""
    from lab.formats.caffemodel import load

    layers = {layer: list(arrays) for layer, arrays in load(caffemodel).items()}
    np.save(npy, layers, allow_pickle=True)


def untar(archive, folder):
    """What is below the name of `folder` in the archive."""
    try:
        with tarfile.open(archive, "r:gz") as tar:
            for member in bounded(archive, tar):
                if PurePosixPath(member.name).parts[:1] == (folder.name,):
                    tar.extract(member, folder.parent, filter="data")
    except (tarfile.TarError, zlib.error, EOFError) as error:
        raise ValueError(f"{archive}: {error}") from error
    check_flowers(folder)


def bounded(archive, tar):
    """The members of `tar`, one by one; ValueError when it holds more or other than pictures."""
    size = 0
    for count, member in enumerate(tar, start=1):
        size += member.size
        if count > 2 * FLOWERS or size > FLOWERS_SIZE:
            raise ValueError(f"{archive}: holds far more than {FLOWERS} pictures")
        if member.issparse() or not (member.isreg() or member.isdir()):
            raise ValueError(f"{archive}: {member.name} is neither a file nor a folder")
        yield member


def unzip(archive, folder):
    folder.mkdir(exist_ok=True)
    remedy = "perhaps another mirror has it whole"
    with zips.opened(archive, SIGNS_SIZE, remedy) as source:
        missing = sorted({*SIGNS} - {*source.namelist()})
        if missing:
            raise ValueError(f"{archive}: {', '.join(missing)} missing in it; {remedy}")
        for name in SIGNS:  # these by name, whatever else is in it
            (folder / name).write_bytes(zips.unpacked(archive, source, name, remedy))
    check_signs(folder)


MAKERS = {"bvlc-alexnet.npy": convert, "flower_photos": untar, "traffic-signs-data": unzip}
