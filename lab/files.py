"""Files that are written whole or not at all."""

import errno
from contextlib import suppress

FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


def replace(path, write):
    """Let `write` make the file beside `path`, and move it there when it is whole.

    Raises OSError that says what is full or forbidden and what to do; `path` is then as it was.
    """
    unfinished = path.with_name(f"unfinished-{path.name}")
    try:
        write(unfinished)
        unfinished.replace(path)
    except OSError as error:
        with suppress(OSError):
            unfinished.unlink(missing_ok=True)
        remedy = "free some space" if error.errno in FULL else "make this folder writable"
        reason = error.strerror or error
        raise OSError(
            error.errno, f"{path}: cannot be written ({reason}); {remedy}, then go on"
        ) from error


def replace_text(path, text):
    """`replace` with `text`, in UTF-8."""
    replace(path, lambda file: file.write_text(text, encoding="utf-8"))
