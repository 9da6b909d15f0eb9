"""Folders that one program at a time may work in.

The lock is a file `lock` in the folder, held by the system: it goes with the program that holds
it, even when that is killed. Whoever removes the folder removes the lock last.
"""

import os
import shutil
import time
from contextlib import ExitStack, contextmanager, suppress

from lab.console import notice


@contextmanager
def locked(folder, work):
    """Hold the lock of `folder`, made if need be; while another program has it, say so and wait.

    `work` says for people what that other program is doing.
    """
    file = claim(folder)
    if file is None:
        notice(f"another program is {work}; waiting for it")
    while file is None:
        time.sleep(0.1)
        file = claim(folder)
    with file:
        yield


def claim(folder):
    """The lock of `folder`, open and held, or None while another program holds it."""
    if folder.is_file():
        raise FileExistsError(f"{folder}: a folder is needed here, found a file; remove it")
    path = folder / "lock"
    # The program before may remove the folder between any two of these steps.
    with suppress(FileNotFoundError, FileExistsError), ExitStack() as stack:
        folder.mkdir(parents=True, exist_ok=True)
        file = stack.enter_context(path.open("a"))
        if lock(file) and os.path.samestat(os.fstat(file.fileno()), path.stat()):
            stack.pop_all()
            return file
    return None


def lock(file):
    """Lock an open file; False if another program has it."""
    try:
        if os.name == "nt":
            import msvcrt

            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    return True


def clear(folder):
    """Remove a folder whose lock is held; another program may move in from then on."""
    for path in folder.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        elif path.name != "lock":
            path.unlink()
    with suppress(OSError):  # Windows keeps a lock that is open
        (folder / "lock").unlink()
        folder.rmdir()
