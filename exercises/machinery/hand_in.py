"""What a learner hands in, and what an instructor makes of thirty of them.

    python -m exercises.machinery.hand_in FOLDER    from all archives in it: FOLDER/marks.csv

The marks of an archive are those of the checks run anew: nothing a learner wrote is believed. It
runs the learners' code: do it where that can do no harm.
"""

import csv
import io
import json
import sys
import tempfile
import zipfile
import zlib
from pathlib import Path

from exercises.machinery import catalogue, run
from lab.command_line import parser, user_errors
from lab.console import notice, say
from lab.files import replace, replace_text

ARCHIVE, MARKS = "hand-in.zip", "marks.json"
VERSION = "1.0.0"  # of the checks; raise it when an exercise changes what it asks for
LARGEST = 1_000_000  # bytes of a learner's file


def marks(outcomes):
    """The results of all checks, as check50 writes them; the name begins with the exercise's."""
    results = [result for outcome in outcomes for result in outcome.results]
    return {"slug": "exercises", "results": results, "version": VERSION}


def pack(outcomes, folder, to):
    """Write `marks.json`, and `hand-in.zip` with it and the learner's files, to a folder."""
    text = json.dumps(marks(outcomes), indent=2, ensure_ascii=False)
    replace_text(to / MARKS, text)

    def write(path):
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(MARKS, text)
            for outcome in outcomes:
                file = folder / f"{outcome.name}.py"
                if file.is_file():
                    archive.write(file, file.name)

    replace(to / ARCHIVE, write)


def unpack(path, folder):
    """The learner's files in an archive, into the folder; ValueError when it is none."""
    try:
        with zipfile.ZipFile(path) as archive:
            for name in catalogue.EXERCISES:
                if f"{name}.py" in archive.namelist():
                    with archive.open(f"{name}.py") as file:
                        (folder / f"{name}.py").write_bytes(file.read(LARGEST))
    except (zipfile.BadZipFile, zlib.error, RuntimeError, EOFError) as error:
        raise ValueError(f"{path}: expected an archive of `make hand-in`, found {error}") from error


def collected(paths):
    """A row of the table for each archive: its name, checks passed, exercises done."""
    for path in paths:
        with tempfile.TemporaryDirectory() as folder:
            notice(str(path))
            try:
                unpack(path, Path(folder))
            except ValueError as error:
                notice(str(error))
                continue
            outcomes = run.run(catalogue.EXERCISES, Path(folder), Path(folder) / "drawn")
            done = sum(outcome.passed for outcome in outcomes)
            yield [path.stem, *[outcome.right for outcome in outcomes], done]


def main(argv=None):
    options = parser(__doc__)
    options.add_argument("folder", type=Path, help="with the archives, named after their authors")
    folder = options.parse_args(argv).folder
    with user_errors():
        if not folder.is_dir():
            raise ValueError(f"{folder}: expected a folder that is there")
        paths = sorted(folder.glob("*.zip"))
        if not paths:
            raise ValueError(f"{folder}: expected archives of `make hand-in`, found none")
        table = io.StringIO()
        writer = csv.writer(table, lineterminator="\n")
        writer.writerow(["hand-in", *catalogue.EXERCISES, "done"])
        writer.writerows(collected(paths))
        replace_text(folder / "marks.csv", table.getvalue())
    say(folder / "marks.csv")


if __name__ == "__main__":
    sys.exit(main())
