"""Where labelled pictures come from: a file or a folder, told apart by looking."""

from pathlib import Path

from lab.data import course, folders, gtsrb, images
from lab.data.dataset import REMEDY, check_name
from lab.formats import files


def load(path, skip_broken=False):
    """The Dataset in `path`, told apart by looking: a pickle, a GTSRB archive or its folder, or
    a folder with one subfolder of pictures a class.

    A broken picture is an error; with `skip_broken` it is named on stderr and left out. In a folder
    the heads of the files are checked, with `skip_broken` all they hold.
    Raises FileNotFoundError when nothing is there, ValueError when it holds something else.
    """
    path = Path(path)
    check_name(path)
    if not path.exists():
        raise FileNotFoundError(f"{path}: no such file or folder of pictures; {REMEDY}")
    if path.suffix.lower() in images.SUFFIXES and not path.is_dir():
        raise ValueError(
            f"{path}: is a picture; expected the course's train.p, a GTSRB archive, or a folder "
            "with one subfolder of pictures a class"
        )
    if path.is_dir():
        dataset = gtsrb.from_folder(path, skip_broken)
        return folders.load(path, skip_broken) if dataset is None else dataset
    with files.opened(path) as file:
        zipped = file.read(2) == b"PK"
    return gtsrb.from_zip(path, skip_broken) if zipped else course.load(path)
