"""What the arguments of a script name: weights, labelled pictures, pictures; or their stand-ins.

With --demo whatever is not named is made up. A relative path that is not in the current folder is
looked for beside the scripts. The functions that find files need no TensorFlow.
"""

from pathlib import Path

import numpy as np

from lab.console import counted
from lab.data import images, sources
from lab.data.dataset import check_name, without
from lab.demo import stand_ins
from lab.downloads.assets import ASSETS

DATA = "train.p"  # what is trained with when nothing is named
LAB = Path(__file__).resolve().parent.parent


def found(path, *remedies):
    """`path` where it is: in the current folder, else beside the scripts.

    FileNotFoundError says where it was looked for, how to get it, and the other `remedies`.
    """
    path = Path(path)
    for place in (path, LAB / path):
        if place.exists():
            return place
    there = path.is_absolute() or Path.cwd() == LAB
    where = "" if there else f", neither in {Path.cwd()} nor beside the scripts in {LAB}"
    *first, last = [*_download(path.name), *remedies]
    remedy = " or ".join([", ".join(first), last] if first else [last])
    raise FileNotFoundError(f"{path} is not there{where}: {remedy}")


def _download(name):
    """How to get a file that download.py knows."""
    for asset, files in ASSETS.items():
        if any(name in (file.result, file.file) for file in files):
            yield f"get it with `python download.py {asset}`"


def weights_file(network, path=None, demo=False):
    """The file of weights: `path`, or the network's own; None for the random ones of `demo`.

    None too for a network of Keras, which fetches them; ValueError when it is given a file.
    """
    if network.fetched:
        if path:
            raise ValueError(f"--weights {path}: {network.name} takes {network.file} alone")
        return None
    if demo and path is None:
        return None
    return found(path or network.file, "say where it is with --weights", "try --demo")


def weights(network, path=None, demo=False):
    """Layer -> (kernel, bias) from `path`, or the network's own file; with `demo` random ones."""
    file = weights_file(network, path, demo)
    random = demo and path is None
    return stand_ins.weights(network) if random else network.module.load_weights(file)


def data_file(path, default, demo=False):
    """The file or folder of labelled pictures: `path`, or `default`; None for drawn ones."""
    if demo and path is None:
        return None
    return found(path or default, "name other pictures with --data", "try --demo")


def labelled(args, default, stand_in):
    """The Dataset `args.data`, or `default`; with --demo what `stand_in` draws.

    args: has data, demo, skip_broken, limit and seed.
    """
    file = data_file(args.data, default, args.demo)
    return limited(sources.load(file, args.skip_broken) if file else stand_in(), args)


def limited(pictures, args):
    """`args.limit` pictures of a Dataset, every class in its share; all without a limit."""
    if not args.limit or args.limit >= len(pictures):
        return pictures
    from lab.data import splits  # scikit-learn takes a second to load

    return pictures.take(splits.stratified_subset(pictures, args.limit, args.seed))


def picture_files(paths, default, demo=False, skip_broken=False):
    """Name -> file of the pictures `paths`, or of `default`; None for what `demo` makes up.

    A folder stands for the pictures below it. Raises OSError or ValueError for what is not there or
    no picture, judged by the heads of the files; with `skip_broken` those are not looked at.
    """
    if demo and not paths:
        return None
    places = [found(path, "name another", "try --demo") for path in paths or default]
    files = [file for place in places for file in _pictures(place)]
    for file in files:
        check_name(file)
    if not skip_broken:
        for file in files:
            images.check(file)
    return {str(file): file for file in files}


def _pictures(path):
    """The pictures below a folder, by name; or the file itself."""
    if not path.is_dir():
        return [path]
    files = sorted(file for file in path.rglob("*") if file.suffix.lower() in images.SUFFIXES)
    files = [file for file in files if file.is_file() and not _hidden(file.relative_to(path))]
    if not files:
        raise ValueError(f"{path}: expected pictures, found none in this folder")
    return files


def _hidden(path):
    return any(part.startswith(".") for part in path.parts)


def named(paths, default, demo, stand_in, skip_broken=False):
    """Name -> picture, uint8 RGB [h, w, 3] or the path of a file, of `paths`, or of `default`.

    With `demo` and no path what `stand_in` makes up; else see `picture_files`. With `skip_broken`
    broken ones are named on stderr and left out; ValueError when no other is left.
    """
    files = picture_files(paths, default, demo, skip_broken)
    if files is None:
        return stand_in()
    return _whole(files) if skip_broken else files


def _whole(files):
    """Those of `files`, name -> file, that can be read to their end."""
    names = [*files]
    broken = {row: names[row] for row in images.broken([*files.values()], decode=True)}
    rows = without("pictures", broken, len(names), skip_broken=True)
    return {names[row]: files[names[row]] for row in rows}


def in_batches(classify, pictures, size=32):
    """`classify` of all pictures, arrays or paths, a batch of decoded ones at a time: [n, ...]."""
    batches = [pictures[start : start + size] for start in range(0, len(pictures), size)]
    if len(batches) > 1:  # of a few pictures a bar would only be in the way
        batches = counted(batches, len(batches), "classes", f"batches of {size}")
    return np.concatenate([classify(list(images.in_threads(decoded, batch))) for batch in batches])


def decoded(picture):
    """A picture, an array or a path, as uint8 RGB [h, w, 3]."""
    return picture if isinstance(picture, np.ndarray) else images.read(picture)
