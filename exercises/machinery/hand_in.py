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
from pathlib import Path, PurePosixPath

from exercises.machinery import catalogue, run
from lab.command_line import parser, user_errors
from lab.console import notice, say
from lab.files import replace, replace_text

ARCHIVE, MARKS = "hand-in.zip", "marks.json"
VERSION = "1.1.0"  # of the checks; raise it when an exercise changes what it asks for
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
    """The learner's files in an archive, into the folder; ValueError when there are none."""
    try:
        with zipfile.ZipFile(path) as archive:
            members = _learners_files(archive.namelist())
            for name, member in members.items():
                with archive.open(member) as file:
                    (folder / name).write_bytes(file.read(LARGEST))
    except Exception as error:  # whatever a damaged archive makes zipfile trip over
        raise ValueError(f"{path}: expected an archive of `make hand-in`, found {error}") from error
    if not members:
        raise ValueError(f"{path}: expected resize.py or another exercise, found none")


def _learners_files(members):
    """File of an exercise -> its path in the archive, in whatever folder; the shallowest wins."""
    wanted, found = {f"{name}.py" for name in catalogue.EXERCISES}, {}
    for member in sorted(members, key=lambda path: path.count("/"), reverse=True):
        path = PurePosixPath(member)
        if path.name in wanted and path.parent.name not in ("answers", "checks"):
            found[path.name] = member
    return found


def collected(paths):
    """Archive -> the outcomes of its exercises, empty if unreadable; and what is said of those."""
    found, complaints = {}, []
    for path in paths:
        notice(str(path))
        with tempfile.TemporaryDirectory() as folder:
            try:
                unpack(path, Path(folder))
                drawn = Path(folder) / "drawn"
                found[path.stem] = run.run(catalogue.EXERCISES, Path(folder), drawn)
            except (OSError, ValueError) as error:
                notice(str(error))
                complaints.append(str(error))
                found[path.stem] = []
    return found, complaints


def table(found):
    """The rows of the table: how many checks there are, then how many pass in each archive."""
    yield ["hand-in", *catalogue.EXERCISES, "done"]
    readable = [outcomes for outcomes in found.values() if outcomes]
    for outcomes in readable[:1]:
        yield ["out of", *[len(each.counted) for each in outcomes], len(outcomes)]
    for author, outcomes in found.items():
        if outcomes:
            done = sum(each.passed for each in outcomes)
            yield [author, *[each.right for each in outcomes], done]
        else:
            yield [author, *[""] * len(catalogue.EXERCISES), "unreadable"]


def main(argv=None):
    options = parser(__doc__)
    options.add_argument("folder", type=Path, help="with the archives, named after their authors")
    folder = options.parse_args(argv).folder
    with user_errors():
        if not folder.is_dir():
            raise ValueError(f"{folder}: expected a folder that is there")
        paths = sorted(path for path in folder.iterdir() if path.suffix.lower() == ".zip")
        if not paths:
            raise ValueError(f"{folder}: expected archives of `make hand-in`, found none")
        found, complaints = collected(paths)
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows(table(found))
        replace_text(folder / "marks.csv", text.getvalue())
    say(folder / "marks.csv")
    for complaint in complaints:
        notice(complaint)
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
