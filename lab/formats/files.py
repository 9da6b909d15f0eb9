"""Opening files from strangers."""

import stat
from pathlib import Path


def opened(path):
    """The file `path`, to read bytes from.

    Raises OSError when it is not there or cannot be read, ValueError when it is no file: a pipe
    would let the program wait for ever, a device could give bytes without end.
    """
    path = Path(path)
    mode = path.stat().st_mode
    if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):  # of a folder the system says so itself
        raise ValueError(f"{path}: expected a file, found a pipe, a device or a socket")
    return path.open("rb")
