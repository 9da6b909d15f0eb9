"""How far it is: by bytes, as nobody knows how many pictures are in an archive not yet read."""

import os
import sys
import time

from tqdm import tqdm

from lab.console import LINE_EVERY, duration, notice

STYLE = "{desc} {percentage:3.0f}%|{bar}| [{elapsed}<{remaining}{postfix}]"


class Bar:
    """A bar on a terminal, elsewhere a line every half minute; nothing with TQDM_DISABLE.

    what: is said before it. total: bytes, `done` of them before.
    """

    def __init__(self, what, total, done, clock=time.monotonic):
        terminal, silent = sys.stderr.isatty(), bool(os.environ.get("TQDM_DISABLE"))
        self.what, self.total, self.done, self.clock = what, max(1, total), done, clock
        self.lines = not terminal and not silent
        self.pictures, self.bytes, self.begun, self.told = 0, 0, None, clock()
        style = {"bar_format": STYLE, "disable": silent or not terminal}
        self.bar = tqdm(desc=what, total=total, initial=done, **style)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.bar.close()

    def advance(self, pictures, size):
        """So many pictures more, of so many bytes. The first do not count for the speed."""
        if self.begun is None:
            self.begun = self.clock()  # until now the network was compiled
        else:
            self.pictures += pictures
            self.bytes += size
        self.done += size
        self.bar.set_postfix_str(self.speed(), refresh=False)
        self.bar.update(size)
        if self.lines and self.pictures and self.clock() - self.told > LINE_EVERY:
            self.told = self.clock()
            left = (self.total - self.done) / max(1, self._rate(self.bytes))
            notice(
                f"{self.what}: {self.done / self.total:.0%}, {self.speed()}, {duration(left)} left"
            )

    def speed(self):
        """Pictures a second, as text; empty before it is known."""
        return f"{self._rate(self.pictures):,.0f} pictures/s" if self.pictures else ""

    def _rate(self, count):
        return count / max(1e-9, self.clock() - self.begun)
