"""What there is to embed: files, folders, patterns; here, or in object storage through fsspec.

A picture is a file of its own, a member of a tar or zip archive, or a row of a Parquet file.
"""

from glob import has_magic
from typing import NamedTuple

from fsspec.core import url_to_fs
from fsspec.implementations.local import LocalFileSystem

from lab.data import images

TARS = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")
ZIPS = (".zip",)
TABLES = (".parquet",)
PICTURES = tuple(sorted(images.SUFFIXES))
EXPECTED = "pictures, .tar, .zip or .parquet"


class Source(NamedTuple):
    """A file: its path, absolute or a URL, and its bytes."""

    path: str
    size: int

    @property
    def is_picture(self):
        return self.path.lower().endswith(PICTURES)


def listed(names, leave_out):
    """All Sources that files, folders, patterns and URLs name: each once, sorted within a name.

    leave_out: a folder whose files are none, be it below one that is named.
    Raises OSError or ValueError, one line, for a name that stands for nothing.
    """
    found = {}
    for name in names:
        files = _found(name, leave_out.rstrip("/") + "/")
        if not files:
            raise ValueError(f"{name}: expected {EXPECTED}, found none")
        found |= dict.fromkeys(sorted(files))
    return [*found]


def opened(url):
    """The file system that has `url`, and its path there. ValueError when it needs a package."""
    try:
        return url_to_fs(url)
    except (ImportError, ValueError) as error:  # said by fsspec: Install s3fs to access S3
        raise ValueError(f"{url}: {error}") from error


def absolute(url):
    """The one name that `url` has in a plan: an absolute path, or a URL."""
    return _named(*opened(url))


def _named(fs, path):
    return path if isinstance(fs, LocalFileSystem) else fs.unstrip_protocol(path)


def _found(name, leave_out):
    fs, path = opened(name)
    try:
        entries = _entries(fs, path, name)
    except (OSError, ValueError):
        raise
    except Exception as error:  # each store has exceptions of its own: keys, regions, networks
        raise OSError(f"{name}: cannot be listed: {error}") from error
    files = [Source(_named(fs, entry["name"]), entry["size"] or 0) for entry in entries]
    return [_readable(file) for file in files if not file.path.startswith(leave_out)]


def _entries(fs, path, name):
    """What fsspec says of each file to embed that `path` stands for."""
    if not fs.exists(path):
        if not has_magic(path):
            raise FileNotFoundError(f"{name} is not there: name files, folders, patterns or URLs")
        return _known(fs.glob(path, detail=True))
    info = fs.info(path)
    if info["type"] == "directory":
        return _known(fs.find(path, detail=True))
    if not _known({path: info}):
        raise ValueError(f"{name}: expected {EXPECTED}, found another kind of file")
    return [info]


def _known(entries):
    """Those entries that are files of a kind that is read."""
    kinds = (*PICTURES, *TARS, *ZIPS, *TABLES)
    return [
        entry
        for path, entry in entries.items()
        if entry["type"] == "file" and path.lower().endswith(kinds)
    ]


def _readable(file):
    try:
        file.path.encode()
    except UnicodeEncodeError:
        found = ascii(file.path)
        raise ValueError(f"{found}: expected a name that is text; rename it") from None
    return file
