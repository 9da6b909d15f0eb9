"""What people read: results as the course printed them on stdout, all else on stderr."""

import os
import sys
import time
from contextlib import contextmanager

LINE_EVERY = 30  # seconds, where no bar can be shown
LONG = 60  # seconds; of a longer task one is told beforehand
MEASURED = 5  # seconds after which the speed of a task is known


def say(text="", end="\n"):
    """A line of results, on stdout."""
    print(_spelled(printable(text)), end=end, flush=True)


def notice(text):
    """A line beside the results: stderr, never stdout."""
    print(printable(text), file=sys.stderr, flush=True)


def printable(text):
    """`text` as one line without what could command a terminal or forge a line.

    Names of files, classes and servers come from strangers: `say` and `notice` are the only doors.
    """
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in str(text))


def _spelled(text):
    """`text` in the letters that stdout has: as a pipe of Windows it has few."""
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    return text.encode(encoding, "backslashreplace").decode(encoding)


def one_line(text):
    """`text` without line breaks and what a damaged file could say to a terminal."""
    return printable(" ".join(text.split()))


def readable(size):
    """A number of bytes as people write it: 2123 -> '2.1 kB', 243862414 -> '244 MB'."""
    for unit in ("bytes", "kB", "MB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "bytes" or size >= 10 else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} GB"


def duration(seconds):
    """About how long, as people say it: 161 -> 'about 3 minutes'."""
    if seconds < 100:
        return f"about {max(10, 10 * round(seconds / 10))} seconds"
    if seconds < 5400:
        return f"about {seconds / 60:.0f} minutes"
    return f"about {seconds / 3600:.0f} hours"


# ---- while people wait --------------------------------------------------------------------------


@contextmanager
def progress(total, what, unit, done=0, outlook="", clock=time.monotonic):
    """Show on stderr how far a task is: a function, to be called with how much more was done.

    On a terminal a bar, elsewhere a line every half minute and nothing about what ends sooner. With
    TQDM_DISABLE in the environment nothing at all.

    total: how much there is to do, `done` of it before. unit: what is counted, in the plural;
        "bytes" are shown as MB. outlook: said once, when the speed is known, of a task that takes
        over a minute; {} stands for the time.
    """
    from tqdm import tqdm  # only here: --help need not wait for it

    terminal, silent = sys.stderr.isatty(), bool(os.environ.get("TQDM_DISABLE"))
    style = {"unit": f" {unit}", "disable": silent or not terminal}
    if unit == "bytes":
        style |= {"unit": "B", "unit_scale": True, "leave": False}
    task = _Task(total, one_line(what), unit, done, clock)
    with tqdm(total=total, desc=task.what, initial=done, **style) as bar:

        def advance(count):
            bar.update(count)
            task.advance(count)
            said = [task.outlook(outlook), "" if terminal else task.line()]
            for text in filter(None, [] if silent else said):
                bar.write(text, sys.stderr)

        yield advance


def counted(items, total, what, unit):
    """`items`, one after the other, with their `progress`."""
    with progress(total, what, unit) as advance:
        for item in items:
            yield item
            advance(1)


class _Task:
    """How far a task is, how long it takes, and what is to be said about it by now."""

    def __init__(self, total, what, unit, done, clock):
        self.total, self.what, self.unit, self.done, self.clock = total, what, unit, done, clock
        self.begun = self.told = clock()
        self.marks = [(self.begun, done)]  # of the first two steps: when they began, what was done
        self.foretold = False

    def advance(self, count):
        self.done += count
        if len(self.marks) < 3:
            self.marks.append((self.clock(), self.done))

    def measured(self):
        """Seconds at work, and how much was done in them.

        The first step is left out once there is a second: it compiles, or waits for a server.
        """
        when, before = self.marks[1 if len(self.marks) > 2 else 0]
        return self.clock() - when, max(1, self.done - before)

    def left(self):
        """Seconds still to come."""
        seconds, count = self.measured()
        return seconds / count * max(0, self.total - self.done)

    def outlook(self, text):
        """`text` with the time all of it takes, when that has just become known and is long."""
        if self.foretold or len(self.marks) < 3 or self.measured()[0] < MEASURED:
            return ""
        self.foretold = True
        seconds = self.clock() - self.begun + self.left()
        return text.format(duration(seconds)) if seconds > LONG else ""

    def line(self):
        """How far it is, when it is time to say so again."""
        if self.clock() - self.told < LINE_EVERY or self.done >= self.total:
            return ""
        self.told = self.clock()
        amount = f"{self.done:,} of {self.total:,} {self.unit}"
        if self.unit == "bytes":
            amount = f"{readable(self.done)} of {readable(self.total)}"
        return f"{self.what}: {amount}, {duration(self.left())} left"


# ---- results ------------------------------------------------------------------------------------


def print_epoch(epoch, seconds, loss, accuracy):
    """One epoch of training, numbered from 1, with its loss and accuracy on validation."""
    say(f"Epoch {epoch}")
    say(f"Time: {seconds:.3f} seconds")
    print_validation(loss, accuracy)


def print_validation(loss, accuracy):
    """How the model does on what it was not trained on."""
    say(f"Validation Loss = {loss:.6f}")
    say(f"Validation Accuracy = {accuracy:.6f}")
    say()
