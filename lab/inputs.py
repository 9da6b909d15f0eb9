"""What the arguments of a script name: weights, labelled pictures, pictures; or their stand-ins.

With --demo whatever is not named is made up. A relative path that is not in the current folder is
looked for beside the scripts.
"""

from pathlib import Path

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
    """Name -> picture, uint8 RGB [h, w, 3], of the files `paths`, or of `default`.

    With `demo` and no path what `stand_in` makes up.
    """
    if demo and not paths:
        return stand_in()
    return {str(path): images.read(found(path)) for path in paths or default}
