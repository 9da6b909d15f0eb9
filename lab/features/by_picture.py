"""Features of files on disk, picture by picture: one more in a folder costs one, not all anew.

Whatever goes the same way through the same network is one entry, a folder with two files:
`features.f16`, a row a picture, and `pictures`, for each row the digest of its picture and a CRC-32
of both. Rows are only ever added, each before its digest: what a killed program or a power cut left
half done is not found, or fails its checksum, and is computed again.

An entry is locked while it is read or written, not while a network computes. So two programs may
compute the same picture, but who wants a single one need not wait for another's thousands.
"""

import os
import struct
import zlib
from contextlib import closing, contextmanager
from pathlib import Path

import numpy as np

from lab import cache_folder
from lab.features.cache import explained, limit, make_room, write
from lab.locks import locked

KNOWN = struct.Struct("<32sI")  # of a row: the digest of its picture, the checksum


def fill(key, digests, width, compute, folder=None):
    """The features of pictures: float16 [n, width], in memory.

    key: names all that features depend on beside the picture. digests: of each picture, 32 bytes.
    compute: called with the positions of the pictures that are missing, if any; a generator of
        their features, float16 [some, width], in this order. What it raises comes through; what it
        yielded before is kept.
    Raises OSError when the folder cannot be written or the disk is full, ValueError when the limit
        is no number.
    """
    home = Path(folder or cache_folder.path())
    features = np.empty((len(digests), width), np.float16)
    with explained(home), opened(home / key, width) as rows:
        missing = rows.read(digests, features)
        if missing:
            growth = len(missing) * rows.size
            if rows.end() + growth > limit():  # of one entry, only what is wanted now may stay
                rows.keep(np.setdiff1d(np.arange(len(digests)), missing), digests, features)
            make_room(home, growth, growth)
    if missing:
        with closing(compute(missing)) as computed:
            for part in computed:
                added, missing = missing[: len(part)], missing[len(part) :]
                features[added] = part
                with explained(home), opened(home / key, width) as rows:
                    rows.add(added, digests, features)
    return features


@contextmanager
def opened(entry, width):
    """The Rows of an entry, made if need be, locked until the block ends."""
    with locked(entry, "at work on kept features"):
        paths = entry / "features.f16", entry / "pictures"
        for path in paths:
            path.touch()  # the time tells when the entry was last used
        with paths[0].open("r+b", buffering=0) as rows, paths[1].open("r+b", buffering=0) as known:
            yield Rows(rows, known, width)


class Rows:
    """The two files of an entry: float16 rows, and what is known of them."""

    def __init__(self, rows, known, width):
        self.rows, self.known, self.size = rows, known, 2 * width  # bytes of a row

    def count(self):
        """Whole rows: those whose digest is there."""
        return os.fstat(self.known.fileno()).st_size // KNOWN.size

    def end(self):
        """Bytes of all whole rows."""
        return self.count() * self.size

    def read(self, digests, features):
        """Fill in the features that are kept, and return the positions of the others."""
        self.known.seek(0)
        known = KNOWN.iter_unpack(self.known.read(self.count() * KNOWN.size))
        places = {digest: (row, checksum) for row, (digest, checksum) in enumerate(known)}
        missing = []
        for position, digest in enumerate(digests):
            row, checksum = places.get(digest, (0, None))
            self.rows.seek(row * self.size)
            content = self.rows.read(self.size)
            if len(content) == self.size and _checksum(digest, content) == checksum:
                features[position] = np.frombuffer(content, np.float16)
            else:
                missing.append(position)
        return missing

    def add(self, positions, digests, features):
        """Keep what was computed at these positions of `features`."""
        rows = features[positions]
        known = [
            KNOWN.pack(digests[position], _checksum(digests[position], row))
            for position, row in zip(positions, rows, strict=True)
        ]
        end = self.count() * KNOWN.size
        write(self.rows, self.end(), rows.tobytes())
        write(self.known, end, b"".join(known))

    def keep(self, positions, digests, features):
        """Remove all rows but these."""
        self.known.truncate(0)
        self.rows.truncate(0)
        self.add(positions, digests, features)


def _checksum(digest, row):
    return zlib.crc32(row, zlib.crc32(digest))
