"""The pictures a run was begun with, and what is another among them now."""

from pathlib import Path

from lab.files import replace_text
from lab.runs import record as records

NAMES = "pictures.txt"


def note(folder, images):
    """Write down the names of picture files, one a line; of an array there is nothing to note."""
    if isinstance(images, list):
        replace_text(folder / NAMES, "".join(f"{_name(path)}\n" for path in images))


def check_same(folder, record, dataset, sha256, remedy):
    """ValueError, which says what is another, unless the run in `folder` was begun with `dataset`.

    record: of the run. sha256: of the pictures there are now.
    """
    if dataset.names != record.names:
        found = _other_class(record.names, dataset.names)
    else:
        # Names too: a picture that was put in another class may still be the same in the row.
        found = _other_name(folder, dataset.images)
        if not found and sha256 != record.data.sha256:
            found = _other_content(folder, dataset.images)
    if found:
        raise ValueError(
            f"{folder}: {record.data.path} is not what the run was begun with: {found}; {remedy}"
        )


def _other_class(then, now):
    gone, new = ([name for name in a if name not in b] for a, b in ((then, now), (now, then)))
    if gone and new:
        return f"the class {gone[0]} is gone, {new[0]} was not there"
    if gone or new:
        return f"the class {gone[0]} is gone" if gone else f"the class {new[0]} was not there"
    return "the classes are others"


def _other_name(folder, images):
    """Which picture file is gone or new, by the names that were noted; None of what has none."""
    then = _noted(folder)
    if not then or not isinstance(images, list):
        return None
    now, place = {_name(path) for path in images}, images[0].parents[1]
    for name in then:
        if name not in now and not (place / name).exists():
            return f"{name} is gone"
    return next((f"{name} was not there" for name in sorted(now.difference(then))), None)


def _other_content(folder, images):
    """What is another among pictures whose names are the same, or unknown."""
    if not isinstance(images, list):
        return "it holds other pictures"
    if not _noted(folder):
        return "its pictures are others"
    changed = max(images, key=lambda path: path.stat().st_mtime)
    return f"{_name(changed)} was changed last"


def _noted(folder):
    """The names of picture files in a run folder; none of a run begun before they were noted."""
    try:
        return records.text(folder / NAMES).replace("\\", "/").splitlines()  # once Windows's
    except (OSError, ValueError):
        return []


def _name(path):
    """Of a picture file: its class and its own name."""
    return Path(*path.parts[-2:]).as_posix()
