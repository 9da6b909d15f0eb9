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
    elif sha256 != record.data.sha256:
        found = _other_picture(folder, dataset.images)
    else:
        return
    raise ValueError(
        f"{folder}: {record.data.path} is not what the run was begun with: {found}; {remedy}"
    )


def _other_class(then, now):
    for name in then:
        if name not in now:
            return f"the class {name} is gone"
    return "the classes are others"


def _other_picture(folder, images):
    """What is another among picture files, as far as their names tell."""
    if not isinstance(images, list):
        return "it holds other pictures"
    try:
        then = records.text(folder / NAMES).splitlines()
    except (OSError, ValueError):  # of a run begun before names were noted
        return "its pictures are others"
    now, place = {_name(path) for path in images}, images[0].parents[1]
    for name in then:
        if name not in now and not (place / name).exists():
            return f"{name} is gone"
    for name in sorted(now.difference(then)):
        return f"{name} was not there"
    changed = max(images, key=lambda path: path.stat().st_mtime)
    return f"{_name(changed)} was changed last"


def _name(path):
    """Of a picture file: its class and its own name."""
    return str(Path(*path.parts[-2:]))
