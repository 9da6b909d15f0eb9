"""Zip files from strangers: archives of pictures, and what ends in `.npz` or `.keras`."""

import io
import sys
import zipfile
import zlib
from contextlib import contextmanager

from lab.formats import files

LARGEST_DIRECTORY = 2**24  # bytes; that of the 51,839 signs has 7 million
# What zipfile raises for damaged files; found by damaging some thousands.
DAMAGE = (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError, ValueError)


def check(path, largest, remedy):
    """ValueError (one line, with the `remedy`) unless the zip file `path` is whole and harmless.

    Afterwards zipfile, and whatever reads with it, unpacks at most `largest` bytes from it. All is
    unpacked once, piece by piece, so that no member can be larger than it says.
    """
    with opened(path, largest, remedy) as archive:
        for member in archive.infolist():
            for _ in _pieces(path, archive, member, remedy):
                pass


@contextmanager
def opened(path, largest, remedy):
    """The zip file `path` as a ZipFile, to be read by `unpacked`.

    Raises OSError when it cannot be opened, ValueError when it is damaged or encrypted, says that
    it unpacks to more than `largest` bytes, or is packed so that this could not be bounded.
    """
    with _File(files.opened(path).detach()) as file:
        try:
            archive = zipfile.ZipFile(file)
        except DAMAGE as error:
            raise ValueError(f"{path}: cut or damaged ({_shown(error)}); {remedy}") from error
        file.largest = sys.maxsize
        _check_members(path, archive.infolist(), largest, remedy)
        yield archive


def unpacked(path, archive, name, remedy):
    """The content of the member `name`; never more than it says. ValueError when it is damaged."""
    return b"".join(_pieces(path, archive, archive.getinfo(name), remedy))


class _File(io.BufferedReader):
    """A file whose directory is not read where it is large: a member takes 1 kB of memory."""

    largest = LARGEST_DIRECTORY

    def read(self, size=-1):
        if size > self.largest:
            raise zipfile.BadZipFile(f"its directory has {size:,} bytes")
        return super().read(size)


def _check_members(path, members, largest, remedy):
    size = sum(member.file_size for member in members)
    if any(member.flag_bits & 1 for member in members):
        raise ValueError(f"{path}: expected an open zip file, found it encrypted; {remedy}")
    if size > largest:
        found = f"{size:,} bytes when unpacked"
        raise ValueError(f"{path}: expected at most {largest:,} bytes, found {found}; {remedy}")
    for member in members:
        # bzip2 and lzma make 4 GB of 3 kB in one step.
        if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise ValueError(
                f"{path}: {_shown(member.filename)}: expected it stored or deflated, found another "
                f"packing; {remedy}"
            )


def _pieces(path, archive, member, remedy):
    """The content of a member, a megabyte at a time.

    zipfile unpacks as much as is asked for before it cuts to the size the member is said to have,
    and `ZipFile.read` asks for 2 GB.
    """
    try:
        with archive.open(member) as file:
            while piece := file.read(2**20):
                yield piece
    except DAMAGE as error:
        raise ValueError(
            f"{path}: {_shown(member.filename)}: is damaged ({_shown(error)}); {remedy}"
        ) from error


def _shown(text):
    """Foreign text for a message: one short line, no control characters."""
    return ascii(str(text)[:80])[1:-1]
