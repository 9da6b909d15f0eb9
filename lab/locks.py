"""Folders that one program at a time may work in.

The lock is a file `lock` in the folder, held by the system: it goes with the program that holds
it, even when that is killed. Whoever removes the folder removes the lock last.
"""

import shutil
import stat
import time
from contextlib import contextmanager, suppress

from filelock import FileLock, Timeout

from lab.console import notice


@contextmanager
def locked(folder, work):
    """Hold the lock of `folder`, made if need be; while another program has it, say so and wait.

    `work` says for people what that other program is doing.
    """
    lock = claim(folder)
    if lock is None:
        notice(f"another program is {work}; waiting for it")
    while lock is None:
        time.sleep(0.1)
        lock = claim(folder)
    with lock:
        yield


def claim(folder):
    """The lock of `folder`, held until its `with` block ends; None while another program has it.

    The folder is made if need be; FileExistsError when something else has its name.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    # The program before may remove the folder itself between any two of these steps.
    with suppress(FileNotFoundError):
        if not stat.S_ISDIR(folder.lstat().st_mode):
            found = "a file" if folder.is_file() else "something else"
            raise FileExistsError(f"{folder}: a folder is needed here, found {found}; remove it")
    with suppress(Timeout, FileNotFoundError, FileExistsError):
        return FileLock(folder / "lock").acquire(blocking=False)
    return None


def clear(folder):
    """Remove a folder whose lock is held; another program may move in from then on."""
    for path in folder.iterdir():
        if path.name != "lock":
            remove(path)
    with suppress(OSError):  # Windows keeps a lock that is open
        (folder / "lock").unlink(missing_ok=True)
        folder.rmdir()


def remove(path):
    """Remove a file, or a folder and all in it; of a link only the link."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)  # others try the lock with files of a moment
