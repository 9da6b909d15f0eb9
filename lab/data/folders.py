"""A folder with one subfolder of pictures a class."""

import numpy as np

from lab.data import images
from lab.data.dataset import REMEDY, Dataset, check_name, shown, without


def load(path, skip_broken):
    """The Dataset of the pictures in the subfolders of `path`, each named after its folder."""
    folders = sorted(file for file in _visible(path) if file.is_dir())
    if len(folders) < 2:
        raise ValueError(
            f"{path}: expected one subfolder of pictures a class, at least two, found "
            f"{len(folders)}; {REMEDY}"
        )
    pictures = [
        sorted(file for file in _visible(folder) if file.suffix.lower() in images.SUFFIXES)
        for folder in folders
    ]
    paths = [file for files in pictures for file in files]
    for named in [*folders, *paths]:
        check_name(named)
    labels = np.repeat(np.arange(len(folders)), [len(files) for files in pictures])
    broken = {row: paths[row].relative_to(path) for row in images.broken(paths, skip_broken)}
    whole = without(path, broken, len(paths), skip_broken)
    dataset = Dataset(paths, labels, [folder.name for folder in folders]).take(whole)
    empty = np.setdiff1d(np.arange(len(folders)), dataset.labels)
    if empty.size:
        named = ", ".join(shown(folders[label].name) for label in empty[:5])
        raise ValueError(f"{path}: {len(empty)} subfolders hold no picture: {named}; remove them")
    return dataset


def _visible(folder):
    return (file for file in folder.iterdir() if not file.name.startswith("."))
