"""What people read: results as the course printed them on stdout, all else on stderr."""

import sys


def notice(text):
    """Say something beside the results: stderr, never stdout."""
    print(text, file=sys.stderr, flush=True)


def one_line(text):
    """`text` without line breaks and what a damaged file could say to a terminal."""
    text = " ".join(text.split())
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def readable(size):
    """A number of bytes as people write it: 2123 -> '2.1 kB', 243862414 -> '244 MB'."""
    for unit in ("bytes", "kB", "MB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "bytes" or size >= 10 else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} GB"


def print_epoch(epoch, seconds, loss, accuracy):
    """One epoch of training, numbered from 1, with its loss and accuracy on validation."""
    print(f"Epoch {epoch}")
    print(f"Time: {seconds:.3f} seconds")
    print_validation(loss, accuracy)


def print_validation(loss, accuracy):
    """How the model does on what it was not trained on."""
    print(f"Validation Loss = {loss:.6f}")
    print(f"Validation Accuracy = {accuracy:.6f}")
    print(flush=True)
