"""How good a classifier is, and how far its figures can be believed.

`labels` are int64 [n], positions in the names; `probabilities` are [n, classes].
"""

import hashlib

import numpy as np


def picture_hashes(pictures):
    """64 bits that name each picture's content: uint64 [n].

    pictures: uint8 [n, height, width, 3], named by their pixels, or a list of paths, named by the
        bytes of their files; the two are not comparable.
    """
    arrays = isinstance(pictures, np.ndarray)
    contents = map(np.ascontiguousarray, pictures) if arrays else (p.read_bytes() for p in pictures)
    digests = b"".join(hashlib.blake2b(content, digest_size=8).digest() for content in contents)
    return np.frombuffer(digests, "<u8").astype(np.uint64)


def duplicates(training_hashes, hashes):
    """Rows of `hashes` whose pictures were also trained on: int64, ascending."""
    return np.flatnonzero(np.isin(hashes, training_hashes))
