"""Files fetched so that a broken, lying or slow server never leaves a wrong file behind.

Everything unfinished lies in a folder `NAME.part` beside the file NAME that is wanted: the bytes
so far, a note of where they come from, and a lock. Only what passed its check leaves that folder,
by a rename. A download that was stopped goes on where it stopped.
"""

import errno
import json
import math
import os
import re
import shutil
import stat
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import requests
from urllib3.exceptions import HTTPError, NameResolutionError, ReadTimeoutError

from lab.console import notice, one_line, progress, readable
from lab.downloads.connections import Session, TooSlow
from lab.files import FULL
from lab.locks import clear, locked, remove

BLOCK = 1 << 16  # bytes
BUSY = {408, 425, 429}  # and every 5xx: worth asking again
WEB_PAGE = "a web page came instead of the file"


@dataclass(frozen=True)
class Patience:
    """How long to wait for a server, and how often to ask it again."""

    connect: float = 5  # seconds
    read: float = 30  # seconds without a byte
    headers: float = 60  # seconds until the file itself begins, redirects and all
    minute: float = 60  # seconds in which `speed` must be reached
    speed: float = 1_000  # bytes a second
    attempts: int = 4  # in a row without progress
    pause: float = 1  # seconds before the second attempt; doubles each time


class MirrorError(Exception):
    """This mirror does not deliver; the next one may."""

    attempts = 1


class NoHost(MirrorError):
    """The name of the host is unknown: most often there is no network at all."""


class NoConnection(MirrorError):
    """Nobody answers. Where packets are dropped each attempt takes seconds, so there are few."""

    attempts = 2


class TryAgain(MirrorError):
    """This attempt failed; the same mirror may do better."""

    attempts = math.inf


class Unavailable(OSError):
    """No mirror delivered."""


class Part:
    """The bytes of a file so far, and beside them (`.json`) where they come from."""

    def __init__(self, path):
        self.path = path
        self.note = path.with_name(path.name + ".json")

    @property
    def size(self):
        return self.path.stat().st_size if self.path.exists() else 0

    def source(self):
        """The note: url, validator and total of the reply the bytes come from; {} if unknown."""
        try:
            with self.note.open() as file:
                note = json.loads(file.read(BLOCK))
        except (OSError, ValueError, RecursionError):  # none yet, or cut short by a kill, or worse
            return {}
        return note if is_note(note) else {}

    def begin(self, url, headers, total):
        """Empty the file, then note the source: the other order could pair old bytes with it."""
        self.path.write_bytes(b"")
        note = {"url": url, "validator": validator_of(headers), "total": total}
        self.note.write_text(json.dumps(note))

    def discard(self):
        self.path.unlink(missing_ok=True)
        self.note.unlink(missing_ok=True)


def is_note(note):
    """Whether it is one of ours; others may have come to lie here."""
    kinds = {"url": str, "validator": str | None, "total": int | None}
    return (
        isinstance(note, dict)
        and note.keys() == kinds.keys()
        and all(isinstance(note[key], kind) for key, kind in kinds.items())
        and (note["validator"] or "").isascii()
        and (note["validator"] or "").isprintable()
    )


def validator_of(headers):
    """What tells editions of a file apart: a strong tag, else the date, else None."""
    tag = headers.get("ETag", "")
    return tag if tag.startswith('"') else headers.get("Last-Modified")


class Client:
    """Fetches files; remembers the servers nobody answers at, to ask them once only."""

    def __init__(self, patience=None):
        self.patience = patience or Patience()
        self.silent = {}
        self.answered = False  # whether any server ever replied
        self.session = Session()

    def fetch(self, path, places, size, check, exact=True):
        """Bring to `path` the file from the first of `places` whose bytes pass `check`.

        `places` are URLs (str) or files (Path); `size` in bytes is an estimate unless `exact`;
        `check(path)` raises ValueError or OSError. Raises Unavailable, or OSError (disk full).
        """
        for place in places:
            try:
                return self._fetch_from(place, path, size, check, exact)
            except MirrorError as error:
                notice(f"  {one_line(f'{where(place)}: {error}')}")
        raise Unavailable(f"{path.name}: none of {len(places)} mirrors delivered it")

    def _fetch_from(self, place, path, size, check, exact):
        part = Part(path)
        if isinstance(place, Path):
            copy(place, part, most(size, exact))
            return verify(part, check)
        transfer = Transfer(self, place, part, size, exact)
        transfer.run()
        try:
            return verify(part, check)
        except MirrorError:
            if not transfer.spliced:
                raise
        notice(f"  {where(place)}: the resumed file is wrong, starting over")
        transfer.run()
        return verify(part, check)


def where(place):
    """A folder as it is; of a URL the server, which is what fails and what fits on a line."""
    return place if isinstance(place, Path) else "{}://{}".format(*urlsplit(place)[:2])


class Transfer:
    """One file from one URL, in as many attempts as it takes."""

    def __init__(self, client, url, part, size, exact):
        self.client, self.patience, self.url = client, client.patience, url
        self.part, self.size, self.exact = part, size, exact
        self.spliced = part.size > 0  # from more than one reply, perhaps more than one mirror

    def run(self):
        """Returns when all bytes are there, else raises MirrorError.

        Not urllib3's Retry: that ends where the body begins, and most of what fails here is there.
        """
        server = urlsplit(self.url)[:2]
        if server in self.client.silent:
            raise MirrorError(self.client.silent[server])
        failures, furthest = 0, self.part.size
        while not (self.exact and self.part.size == self.size):
            try:
                return self._attempt()
            except MirrorError as error:
                failures = 1 if self.part.size > furthest + BLOCK else failures + 1
                if failures >= min(error.attempts, self.patience.attempts):
                    if isinstance(error, (NoHost, NoConnection)):  # here or where it redirects
                        self.client.silent[urlsplit(error.__cause__.request.url)[:2]] = str(error)
                    raise
            furthest = max(furthest, self.part.size)
            time.sleep(self.patience.pause * 2 ** (failures - 1))
        return None

    def _attempt(self):
        with reasons(self.patience), self._ask() as response:
            self._write(response.raw, self._start(response))
        if self.exact and self.part.size < self.size:
            raise TryAgain(f"stopped after {self.part.size} of {self.size} bytes")

    def _ask(self):
        session, patience = self.client.session, self.patience
        session.deadline.allow(patience.headers, f"no file after {patience.headers:g} seconds")
        timeout = (patience.connect, patience.read)
        return session.ask(self.url, headers=self._range(), timeout=timeout)

    def _range(self):
        """Headers that ask for the missing bytes, provided they will fit those that are here."""
        source, start = self.part.source(), self.part.size
        same = source.get("url") == self.url and source.get("validator")
        if not start or not (same or self.exact):  # what is `exact` has a hash to find a misfit
            return {}
        condition = {"If-Range": source["validator"]} if same else {}
        return {"Range": f"bytes={start}-", **condition}

    def _start(self, response):
        """The place of the reply's first byte in the file; raises when the reply is no use."""
        self.client.answered = True
        status = response.status_code
        if status == 206 and "Range" in response.request.headers:
            return self._resumed(response.headers)
        if status == 416:
            self.part.discard()
            raise TryAgain("refused to resume")
        if status != 200:
            error = TryAgain if status >= 500 or status in BUSY else MirrorError
            raise error(f"HTTP {status} {response.reason}")
        if "html" in response.headers.get("Content-Type", ""):
            raise MirrorError(WEB_PAGE)
        total = response.raw.length_remaining
        if self.exact and total not in (None, self.size):
            raise MirrorError(f"offers {total} bytes, expected {self.size}")
        self.part.begin(self.url, response.headers, total)
        self.spliced = False
        return 0

    def _resumed(self, headers):
        """The same for a reply that goes on; the part is gone when it goes on in another file."""
        source, content_range = self.part.source(), headers.get("Content-Range", "")
        found = re.fullmatch(r"bytes ([0-9]{1,15})-([0-9]{1,15})/([0-9]{1,15})", content_range)
        start, end, total = map(int, found.groups()) if found else (-1, -1, -1)
        expected = self.size if self.exact else source.get("total") or total
        fits = (start, end, total) == (self.part.size, expected - 1, expected)
        # Some servers do not mind If-Range. What is `exact` has a hash to find that out.
        same = self.exact or validator_of(headers) == source.get("validator")
        if not (fits and same):
            self.part.discard()
            raise TryAgain(f"resumed {'another edition' if fits else 'at the wrong place'}")
        self.spliced = True
        return start

    def _write(self, body, start):
        limit = most(self.size, self.exact)
        path = self.part.path
        with path.open("ab") as file, progress(self.size, path.name, "bytes", start) as advance:
            for block in self._paced(body):
                if not file.tell() and block.lstrip().startswith(b"<"):  # none of our files does
                    raise MirrorError(WEB_PAGE)
                file.write(block)
                advance(len(block))
                if file.tell() > limit:
                    self.part.discard()
                    raise MirrorError(f"sent more than {limit} bytes")

    def _paced(self, body):
        """The blocks of `body` as they come; each minute must bring enough of them."""
        deadline, patience = self.client.session.deadline, self.patience
        complaint = f"slower than {readable(patience.speed)} a second"
        missing = 0
        while True:
            if missing <= 0:
                missing = patience.speed * patience.minute
                deadline.allow(patience.minute, complaint)
            block = body.read1(BLOCK, decode_content=False)
            if not block:
                return
            missing -= len(block)
            yield block


def most(size, exact):
    """Bytes a file may have whose size is known, or estimated."""
    return size if exact else 2 * size


def copy(source, part, limit):
    """A mirror that is a folder."""
    try:
        found = source.stat()
        if not stat.S_ISREG(found.st_mode):
            raise MirrorError("no regular file")
        if found.st_size > limit:
            raise MirrorError(f"has more than {limit} bytes")
        part.discard()
        shutil.copyfile(source, part.path)
    except OSError as error:
        if is_full(error):
            raise
        raise MirrorError(error.strerror or str(error)) from error


def verify(part, check):
    """The path of the part if its check holds; else the part is gone and MirrorError raised."""
    try:
        check(part.path)
    except (ValueError, OSError) as error:
        if is_full(error):
            raise
        part.discard()
        raise MirrorError(f"not the right file: {error}") from error
    part.note.unlink(missing_ok=True)
    return part.path


@contextmanager
def reasons(patience):
    """What requests and urllib3 raise, in a few words, and whether to try again."""
    try:
        yield
    except TooSlow as error:
        raise TryAgain(str(error)) from error
    except requests.exceptions.SSLError as error:
        raise MirrorError("no secure connection (is its certificate valid?)") from error
    except requests.ConnectionError as error:
        reason = getattr(error.args[0], "reason", None) if error.args else None
        if isinstance(reason, NameResolutionError):
            raise NoHost("host not found") from error
        if reason:
            raise NoConnection("no connection") from error
        raise TryAgain("the connection broke off") from error
    except (requests.Timeout, ReadTimeoutError) as error:
        raise TryAgain(f"silent for {patience.read:g} seconds") from error
    except HTTPError as error:
        raise TryAgain("the connection broke off") from error
    except (requests.RequestException, ValueError) as error:  # a redirect to no address
        raise MirrorError(str(error)) from error


def is_full(error):
    """Whether it says that the disk is full."""
    return isinstance(error, OSError) and error.errno in FULL


@contextmanager
def workspace(result):
    """The folder `NAME.part` beside the path `result`, for this program alone until the block ends.

    It stays when the block was stopped and bytes worth resuming are in it; else it goes.
    """
    folder = result.with_name(result.name + ".part")
    with locked(folder, f"fetching {folder.stem}"):
        keep_files(folder)
        try:
            yield folder
        except BaseException as error:
            full = is_full(error)
            kept = [path for path in folder.iterdir() if path.suffix != ".json"]
            useless = full or isinstance(error, ValueError)  # trying again would change nothing
            if useless or not any(path.stat().st_size for path in kept):
                clear(folder)
            if full:
                raise OSError(f"{result}: the disk is full ({error.strerror})") from error
            raise
        clear(folder)


def keep_files(folder):
    """Remove what no download goes on from: folders half made, links, pipes and the like."""
    for path in folder.iterdir():
        if not stat.S_ISREG(path.lstat().st_mode):
            remove(path)


def settle(made, result):
    """Give the finished file or folder `made` its final name; on disk before it has that name."""
    if made.is_file():
        with made.open("rb+") as file:
            os.fsync(file.fileno())
    made.replace(result)


def make_room(folder, size):
    """OSError unless the disk of `folder` has `size` bytes left."""
    free = shutil.disk_usage(folder).free
    if free < size:
        raise OSError(errno.ENOSPC, f"{readable(size)} needed, {readable(free)} free")
