"""What the arguments of a script name: weights, labelled pictures, pictures; or their stand-ins.

With --demo whatever is not named is made up. A relative path that is not in the current folder is
looked for beside the scripts.
"""

from pathlib import Path

import numpy as np

from lab.console import counted
from lab.data import dataset, images, splits
from lab.demo import stand_ins

LAB = Path(__file__).resolve().parent.parent


def found(path):
    """`path` where it is: in the current folder, else beside the scripts; else as it was given."""
    beside = LAB / path
    return beside if not Path(path).exists() and beside.exists() else Path(path)


def weights(network, path=None, demo=False):
    """Layer -> (kernel, bias) from `path`, or the network's own file; with `demo` random ones."""
    if demo and path is None:
        return stand_ins.weights(network)
    return network.module.load_weights(found(path or network.file))


def labelled(args, default, stand_in):
    """The Dataset `args.data`, or `default`; with --demo what `stand_in` draws.

    args: has data, demo, skip_broken, limit and seed.
    """
    if args.demo and args.data is None:
        pictures = stand_in()
    else:
        pictures = dataset.load(found(args.data or default), args.skip_broken)
    return limited(pictures, args)


def limited(pictures, args):
    """`args.limit` pictures of a Dataset, every class in its share; all without a limit."""
    if not args.limit or args.limit >= len(pictures):
        return pictures
    return pictures.take(splits.stratified_subset(pictures, args.limit, args.seed))


def named(paths, default, demo, stand_in):
    """Name -> picture, uint8 RGB [h, w, 3] or the path of a file, of `paths`, or of `default`.

    A folder stands for the pictures below it. With `demo` and no path what `stand_in` makes up.
    Raises OSError or ValueError for what is no picture, judged by the heads of the files.
    """
    if demo and not paths:
        return stand_in()
    files = [file for path in paths or default for file in _pictures(found(path))]
    for file in files:
        images.check(file)
    return {str(file): file for file in files}


def _pictures(path):
    """The pictures below a folder, by name; or the file itself."""
    if not path.is_dir():
        return [path]
    files = sorted(file for file in path.rglob("*") if file.suffix.lower() in images.SUFFIXES)
    if not files:
        raise ValueError(f"{path}: expected pictures, found none in this folder")
    return files


def in_batches(classify, pictures, size=32):
    """`classify` of all pictures, arrays or paths, a batch of decoded ones at a time: [n, ...]."""
    batches = [pictures[start : start + size] for start in range(0, len(pictures), size)]
    if len(batches) > 1:  # of a few pictures a bar would only be in the way
        batches = counted(batches, len(batches), "classes", f"batches of {size}")
    return np.concatenate([classify(list(images.in_threads(decoded, batch))) for batch in batches])


def decoded(picture):
    """A picture, an array or a path, as uint8 RGB [h, w, 3]."""
    return picture if isinstance(picture, np.ndarray) else images.read(picture)
