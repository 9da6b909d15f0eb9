"""The folder of a result, here or in object storage, in which a file is whole or not there."""

import os
import tempfile
import uuid
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path

from deploy.embed import sources
from lab import files, locks

UNFINISHED = ".unfinished-"  # readers of Parquet pass over what begins with a dot


class Folder:
    """A folder by its path or URL. Several processes may write into it at once."""

    def __init__(self, url):
        self.url = sources.absolute(url)
        self.fs, self.path = sources.opened(url)
        self.local = self.url == self.path

    def __str__(self):
        return self.url

    def __reduce__(self):
        return Folder, (self.url,)

    def names(self, below=""):
        """The names in the folder `below` this one, or in this; none where it is not there."""
        place = f"{self.path}/{below}".rstrip("/")
        self.fs.invalidate_cache(place)
        with suppress(FileNotFoundError):
            return {Path(path).name for path in self.fs.ls(place, detail=False)}
        return set()

    @contextmanager
    def reading(self, name):
        """The file `name`, open to read bytes from; None when it is not there."""
        try:
            file = self.fs.open(f"{self.path}/{name}", "rb")
        except FileNotFoundError:
            file = nullcontext()
        with file as content:
            yield content

    @contextmanager
    def writing(self, name):
        """A path on this machine to write to; when the block ends, that becomes the file `name`.

        Who is killed leaves at most a hidden file that nobody reads; of two who write the same file
        the later one wins.
        """
        if not self.local:
            with tempfile.TemporaryDirectory() as place:
                unfinished = Path(place, "unfinished")
                yield unfinished
                self.fs.put_file(str(unfinished), f"{self.path}/{name}")
            return
        path = Path(self.path, name)
        unfinished = path.with_name(f"{UNFINISHED}{uuid.uuid4().hex}-{path.name}")
        try:
            with files.explained(path):
                path.parent.mkdir(parents=True, exist_ok=True)
                yield unfinished
                with unfinished.open("rb") as file:
                    os.fsync(file.fileno())  # or a power cut might leave the name without content
                unfinished.replace(path)
        finally:
            with suppress(OSError):
                unfinished.unlink(missing_ok=True)

    @contextmanager
    def held(self):
        """Work in it as the only program, clear of what the killed left; OSError beside another.

        In object storage nothing can be held, and nothing is left.
        """
        if not self.local:
            yield
            return
        with files.explained(self.path):
            lock = locks.claim(Path(self.path))
        if lock is None:
            raise OSError(f"{self}: another program is at work here: wait for it to end")
        with lock:
            self._swept()
            yield
            self._swept()  # of actors that were killed

    def _swept(self):
        for left in Path(self.path).rglob(f"{UNFINISHED}*"):
            left.unlink(missing_ok=True)
