"""Files that are written whole or not at all."""

import errno
from contextlib import contextmanager, suppress

FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


@contextmanager
def explained(path):
    """Errors of the system while `path` is written: OSError that says what to do, in one line."""
    try:
        yield
    except OSError as error:
        if error.errno is None:  # said by us
            raise
        remedy = "free some space" if error.errno in FULL else "make this folder writable"
        reason = error.strerror or error
        raise OSError(f"{path}: cannot be written ({reason}); {remedy}") from error


def replace(path, write):
    """Let `write` make the file beside `path`, and move it there when it is whole.

    Raises OSError that says what is full or forbidden and what to do; `path` is then as it was.
    """
    unfinished = path.with_name(f"unfinished-{path.name}")
    try:
        with explained(path):
            write(unfinished)
            unfinished.replace(path)
    finally:
        with suppress(OSError):
            unfinished.unlink(missing_ok=True)


def replace_text(path, text):
    """`replace` with `text`, in UTF-8."""
    replace(path, lambda file: file.write_text(text, encoding="utf-8"))
