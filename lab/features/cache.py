"""Features on disk: computed once, found again by every later run, complete or not.

Those of an array of pictures are kept here, whole; those of files in `by_picture`, one by one. An
entry is a folder, named by the caller's key and the shape, with one file `features.f16`: the
rows, and after them a checksum for every CHUNK rows. A chunk stands if its checksum does, else it
is computed, be it new or damaged. So a run that was killed goes on from its last whole chunk.
There is no journal to disagree with the data, and nothing waits for the disk: what a power cut
loses fails its checksum, and so does a chunk never written, as the CRC-32 of zeros is not 0.

ALEXNET_LAB_CACHE names another folder, ALEXNET_LAB_CACHE_LIMIT overrides LIMIT.
"""

import errno
import os
import shutil
import zlib
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path

import numpy as np

from lab import cache_folder
from lab.console import notice, readable
from lab.locks import claim, clear, locked

LIMIT = 8  # GB, all entries together
CHUNK = 1024  # rows; 8 MB of fc7


def fill(key, shape, compute, folder=None):
    """The features called `key`: a read-only map of their file, float16 of `shape` [n > 0, width].

    key: names all that the features depend on, by a digest in hexadecimal.
    compute: called with the row ranges (slices) that are missing, if any; a generator of their
        features, float16 [rows, width], in this order. What it raises comes through; the chunks
        it yielded before are kept.
    Raises OSError when the folder cannot be written or the disk is full, ValueError when the
        limit is no number or `compute` yields something else.
    """
    home = Path(folder or cache_folder.path())
    entry = home / f"{key}-{shape[0]}x{shape[1]}"
    with ExitStack() as stack:
        with explained(home):
            home.mkdir(parents=True, exist_ok=True)
            stack.enter_context(locked(entry, "at work on the same features"))
            rows = stack.enter_context(closing(Rows(entry / "features.f16", shape)))
            missing = rows.missing()
            if missing:
                make_room(home, sum(rows.features[chunk].nbytes for chunk in missing))
        if missing:
            computed = stack.enter_context(closing(compute(missing)))
            for chunk, features in zip(missing, computed, strict=True):
                rows.check(chunk, features)
                with explained(home):
                    rows.put(chunk, features)
    return rows.features


class Rows:
    """The file of an entry: float16 rows, then the CRC-32 of each chunk."""

    def __init__(self, path, shape):
        """Open the file, made if need be. Its modification time tells when it was last used."""
        path.touch()
        starts = range(0, shape[0], CHUNK)
        self.chunks = [slice(start, min(start + CHUNK, shape[0])) for start in starts]
        self.file = path.open("r+b", buffering=0)
        self.file.truncate(2 * shape[0] * shape[1] + 4 * len(self.chunks))  # bytes
        self.features = np.memmap(self.file, np.float16, "r", shape=shape)

    def missing(self):
        """The chunks whose checksum is wrong.

        Not read through the map: where a file not yet written has no room, that kills the program.
        """
        self.file.seek(0)
        found = [zlib.crc32(self.file.read(self.features[chunk].nbytes)) for chunk in self.chunks]
        expected = np.frombuffer(self.file.read(), "<u4")
        return [chunk for chunk, a, b in zip(self.chunks, found, expected, strict=True) if a != b]

    def check(self, chunk, features):
        """ValueError unless `features` fit in their place."""
        expected = self.features[chunk]
        if (features.dtype, features.shape) != (expected.dtype, expected.shape):
            raise ValueError(
                f"features of rows {chunk.start} to {chunk.stop}: "
                f"expected {expected.dtype} {expected.shape}, "
                f"found {features.dtype} {features.shape}"
            )

    def put(self, chunk, features):
        content = np.ascontiguousarray(features)
        checksum = zlib.crc32(content).to_bytes(4, "little")
        write(self.file, chunk.start * content[0].nbytes, content)
        write(self.file, self.features.nbytes + 4 * (chunk.start // CHUNK), checksum)

    def close(self):
        """The map stays."""
        self.file.close()


def write(file, place, content):
    """Not through a map: on a full disk that would kill the program."""
    file.seek(place)
    left = memoryview(content).cast("B")
    while left:
        left = left[file.write(left) :]


def make_room(home, missing, growth=0):
    """Remove the entries unused for longest until the limit holds; keep those some program fills.

    growth: bytes by which files are going to grow. OSError unless the disk then has the `missing`.
    """
    found = []
    for path in home.glob("*/features.f16"):
        with suppress(FileNotFoundError):  # another program may be removing it
            stat = path.stat()
            found.append((stat.st_mtime_ns, stat.st_size, path.parent))
    excess = sum(size for _, size, _ in found) + growth - limit()
    for _, size, entry in sorted(found):
        if excess > 0 and evict(entry):
            excess -= size
    if excess > 0:
        notice(
            f"{home}: {readable(excess)} more than its limit of {readable(limit())}, which "
            "ALEXNET_LAB_CACHE_LIMIT (GB) can change"
        )
    free = shutil.disk_usage(home).free
    if free < missing:
        raise OSError(errno.ENOSPC, f"{readable(missing)} needed, {readable(free)} free")


def limit():
    """Bytes that all entries may take together."""
    text = os.environ.get("ALEXNET_LAB_CACHE_LIMIT") or LIMIT
    try:
        return float(text) * 1e9
    except ValueError:
        message = f"ALEXNET_LAB_CACHE_LIMIT: expected a number of GB, found {text}"
        raise ValueError(message) from None


def evict(entry):
    """Remove an entry nobody fills; True if it is gone. Maps of it stay good until they close."""
    # Somebody else's; or mapped, on Windows; or a link.
    with suppress(PermissionError, FileExistsError):
        lock = claim(entry)
        if lock:
            with lock:
                clear(entry)
            return True
    return False


@contextmanager
def explained(home):
    """Errors of the system as one line that says where, why, and what to do about it."""
    try:
        yield
    except OSError as error:
        raise OSError(
            f"{home}: features cannot be kept here ({error.strerror or error}); "
            "set ALEXNET_LAB_CACHE to another folder, or give --no-cache"
        ) from error
