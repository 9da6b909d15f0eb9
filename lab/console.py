"""What people read: results as the course printed them on stdout, all else on stderr."""

import sys


def say(text="", end="\n"):
    """A line of results, on stdout."""
    print(printable(text), end=end, flush=True)


def notice(text):
    """A line beside the results: stderr, never stdout."""
    print(printable(text), file=sys.stderr, flush=True)


def printable(text):
    """`text` as one line without what could command a terminal or forge a line.

    Names of files, classes and servers come from strangers: `say` and `notice` are the only doors.
    """
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in str(text))


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
