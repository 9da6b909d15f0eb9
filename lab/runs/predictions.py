"""What a script says about pictures: the course's lines on stdout, or a table in a file."""

import csv
from io import StringIO

from lab.console import say
from lab.files import replace_text
from lab.runs import plots


def tell(pictures, probabilities, names, args, strangeness=None):
    """Print what the pictures show, or write it where `args.csv` says; draw it into `args.figure`.

    pictures: name -> array or path. probabilities: [n, classes]. args: has pictures, top, csv and
    figure; a picture's file is told where it was named on the command line. strangeness: [n], above
    1 the names are not to be believed; None where it is unknown.
    """
    if args.csv:
        write_table(args.csv, pictures, probabilities, names, args.top, strangeness)
        say(args.csv)
    else:
        files = [*pictures] if args.pictures else None
        print_top(probabilities, names, args.top, files, strangeness)
    if args.figure:
        plots.top_bars([*pictures.values()], probabilities, names, args.figure, args.top)


def best(row, top):
    """The `top` most probable labels of a row of probabilities, the first of equals first."""
    return (-row).argsort(kind="stable")[:top]


def print_top(probabilities, names, top, files=None, strangeness=None):
    """For each picture its number, and its file if it has one, then its `top` most probable names.

    probabilities: array [n, classes]; names: one for each class. strangeness: [n], said above 1.
    """
    for number, row in enumerate(probabilities):
        say(f"Image {number}")
        if files:
            say(f"File: {files[number]}")
        if strangeness is not None and strangeness[number] > 1:
            say(f"Unlike anything it was trained on (strangeness {strangeness[number]:.1f})")
        for label in best(row, top):
            say(f"{names[label]}: {row[label]:.3f}")
        say()


def write_table(path, files, probabilities, names, top, strangeness=None):
    """Write a CSV: file, rank from 1, name, probability; `top` rows for each picture.

    strangeness: [n], one more column where it is known.
    """
    known = strangeness is not None
    last = [[f"{value:.3f}"] for value in strangeness] if known else [[]] * len(probabilities)
    text = StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(["file", "rank", "name", "probability"] + ["strangeness"] * known)
    for file, row, strange in zip(files, probabilities, last, strict=True):
        for rank, label in enumerate(best(row, top), 1):
            table.writerow([file, rank, names[label], f"{row[label]:.6f}", *strange])
    replace_text(path, text.getvalue())
