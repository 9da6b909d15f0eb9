"""The folders of runs: `OUT/NAME`, and `OUT/latest` for the one begun last.

Nothing here needs TensorFlow, so that what is wrong with a name is said at once.
"""

from contextlib import contextmanager
from datetime import UTC
from difflib import get_close_matches
from pathlib import Path
from shutil import rmtree
from tempfile import TemporaryFile

from lab import locks
from lab.console import notice, one_line
from lab.files import explained
from lab.runs import record as records

LATEST = "latest"
BOARD = "tensorboard"  # in OUT, curves of all runs; in the run's own folder `latest` doubled them


def found(folder):
    """The folder of a run; `OUT/latest` is the one begun last, also where links are not allowed."""
    folder = Path(folder)
    if folder.name == LATEST and (folder.is_symlink() or not folder.exists()):
        return latest(folder.parent) or folder
    return folder


def latest(out):
    """The folder in `out` whose training was begun last, or None."""
    return max(all_in(out), key=_begun, default=None)


def near(folder):
    """The run that was meant by a folder that is not there; None when no name is like it."""
    runs = [*all_in(folder.parent), *all_in(folder.parent / "runs")]
    alike = get_close_matches(folder.name, [run.name for run in runs], 1)
    return next((run for run in runs if run.name in alike), None)


def all_in(out):
    """The folders of runs in `out`, by name."""
    folders = (path.parent for path in Path(out).glob("*/run.json"))
    return sorted(folder for folder in folders if folder.name != LATEST)


def _begun(folder):
    """When a run was begun, in seconds; of a damaged record, when it was written."""
    try:
        return records.read(folder).started.timestamp()
    except (OSError, ValueError):
        return (folder / "run.json").lstat().st_mtime


def listing(out):
    """Lines about the runs in `out`, the one begun last below. FileNotFoundError without any."""
    folders = sorted(all_in(out), key=_begun)
    if not folders:
        remedy = "train one with `python train_feature_extraction.py`"
        raise FileNotFoundError(f"{out}: expected training runs, found none yet: {remedy}")
    rows = [("run", "begun (UTC)", "network", "method", "data", "validation accuracy")]
    rows += [(one_line(folder.name), *_described(folder)) for folder in folders]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def _described(folder):
    try:
        record = records.read(folder)
    except (OSError, ValueError):
        return "damaged", "", "", "", ""
    return (
        record.started.astimezone(UTC).strftime("%Y-%m-%d %H:%M"),
        f"{record.network} {record.layer}",
        record.method,
        one_line(record.data.path),
        f"{record.metrics.validation.accuracy:.3f}" if record.ended else "not ended",
    )


def stopped(out, name=None):
    """The folder and the record of the training to go on with: the one called `name`, or the last.

    Raises FileNotFoundError or ValueError when there is none, or none that was stopped.
    """
    if name:
        _check_name(name)
    folder = found(Path(out, name or LATEST))
    if not name and not folder.exists():
        raise FileNotFoundError(
            f"{folder}: expected a training run to go on with, found none: leave --resume out"
        )
    record = records.read(folder)
    if record.ended:
        rmtree(folder / "checkpoints", ignore_errors=True)  # left by a program that was killed
        raise ValueError(f"{folder}: this training has ended; leave --resume out to start another")
    return folder, record


def check_free(out, name):
    """ValueError when a new run in `out` cannot be called `name`."""
    _check_name(name)
    folder = Path(out, name)
    # A program killed before it wrote the record leaves the lock alone.
    stillborn = (folder / "lock").exists() and not (folder / "run.json").exists()
    if name in (LATEST, BOARD) or (folder.exists() and not stillborn):
        raise ValueError(f"{folder} is there already: give the run another --name")


def _check_name(name):
    if {"/", "\\"} & set(name) or name in (".", ".."):
        raise ValueError(f"--name {name}: expected a name, found a path: use --out for it")
    if name.startswith("."):
        raise ValueError(f"--name {name}: expected a name that shows, found a dot before it")


def check_writable(out):
    """Make the folder for runs if need be. OSError when nothing can be written there."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=out):
            pass
    except OSError as error:
        raise OSError(
            f"{out}: runs cannot be kept here ({error.strerror}): name another folder with --out"
        ) from error


@contextmanager
def held(folder):
    """Work in a folder, made if need be, as the only program; OSError while another one does."""
    lock = locks.claim(folder.resolve())
    if lock is None:
        raise OSError(f"{folder}: another program is at work in this run: wait for it to end")
    with lock:
        yield


@contextmanager
def whole(folder):
    """A folder to fill in place of `folder`, which it becomes when the block ends well.

    Otherwise `folder` stays as it was. Raises OSError while another program fills it.
    """
    unfinished = folder.with_name(f"unfinished-{folder.name}")
    with explained(folder), held(unfinished):
        try:
            for left in unfinished.iterdir():  # by a program that was killed
                if left.name != "lock":
                    locks.remove(left)
            yield unfinished
            former = folder.with_name(f"former-{folder.name}")
            if folder.exists():
                rmtree(former, ignore_errors=True)
                folder.replace(former)
            try:
                (unfinished / "lock").unlink()
                unfinished.replace(folder)
            except OSError:
                if former.exists():
                    former.replace(folder)
                raise
            rmtree(former, ignore_errors=True)
        finally:
            if unfinished.exists():
                locks.clear(unfinished)


def point(out, name):
    """Let `OUT/latest` be a link to the run begun last: for people, programs find it without."""
    link = out / LATEST
    unfinished = link.with_name(f"{LATEST}-{name}")
    try:
        unfinished.symlink_to(name, target_is_directory=True)
        unfinished.replace(link)
    except OSError:  # Windows allows links to few
        if unfinished.is_symlink():
            unfinished.unlink()
        if link.is_dir() and not link.is_symlink():
            notice(f"{link} is a folder, not a link to the run begun last: give it another name")
        else:
            notice(f"{link} cannot be a link here; as the name of a run it works all the same")
