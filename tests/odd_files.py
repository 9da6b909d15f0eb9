"""What may stand where a file or a folder is expected."""

import os

NO_FILES_OR_FOLDERS = ["pipe", "link to a folder", "link to a device", "link to nothing"]


def put(path, kind):
    """Make a thing of this kind called `path`."""
    if kind == "file":
        path.write_bytes(b"kept")
    elif kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "link to a folder":
        (path.parent / "elsewhere").mkdir()
        path.symlink_to(path.parent / "elsewhere")
    else:
        path.symlink_to({"link to a device": "/dev/zero", "link to nothing": "nothing"}[kind])
