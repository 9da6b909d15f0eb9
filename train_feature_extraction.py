"""Step 4: train the new last layer; the network below stays as it is.

    python train_feature_extraction.py                       all of train.p, as in the course
    python train_feature_extraction.py --limit 4000          a laptop's share of it
    python train_feature_extraction.py --split random        the course's split, and what it hides
    python train_feature_extraction.py --data my_pictures/   a folder with one subfolder a class
    python train_feature_extraction.py --resume              go on after it was stopped
    python train_feature_extraction.py --demo                no file needed

The network is frozen, so what it says about a picture never changes: each picture goes through it
once, and only the new layer sees the features again in every epoch. Writes a run folder with the
head, every figure and a report; `feature_extraction.py --head runs/latest` then names signs.
"""

import argparse
import io
import sys
import tempfile
from contextlib import redirect_stdout
from pathlib import Path

from lab.command_line import fraction, parser, user_errors, whole_number
from lab.console import notice


def command_line():
    options = parser(
        __doc__, "--weights", "--data", "--skip-broken", "--limit", "--split", "--val-fraction",
        "--preprocess", "--precision", "--no-cache", "--epochs", "--batch-size", "--learning-rate",
        "--seed", "--out", "--demo",
    )  # fmt: skip
    options.set_defaults(out="runs")
    options.add_argument(
        "--group-pattern",
        metavar="REGEX",
        help="pictures whose file names agree in what this matches stay on one side of the split",
    )
    options.add_argument(
        "--solver",
        choices=["adam", "lbfgs"],
        default="adam",
        help="lbfgs: the best the layer can be, with an L2 penalty chosen on the validation set",
    )
    options.add_argument(
        "--patience",
        type=whole_number,
        default=5,
        metavar="N",
        help="stop after N epochs without a lower validation loss (default: %(default)s)",
    )
    options.add_argument(
        "--class-weight", choices=["balanced"], help="let rare classes count as much as others"
    )
    options.add_argument(
        "--label-smoothing",
        type=fraction,
        default=0.0,
        metavar="X",
        help="share of certainty spread over the other classes (default: none)",
    )
    options.add_argument(
        "--resume",
        action="store_true",
        help="go on with the latest run in --out; all other options are those it was begun with",
    )
    return options


def read(args):
    """The labelled pictures and the network's weights, or ValueError / FileNotFoundError."""
    from alexnet import load_weights
    from lab.data import dataset as datasets
    from lab.data import splits
    from lab.demo import stand_ins as demo

    dataset = demo.dataset() if args.demo else datasets.load(args.data, args.skip_broken)
    if args.limit and args.limit < len(dataset):
        dataset = dataset.take(splits.stratified_subset(dataset, args.limit, args.seed))
    return dataset, demo.weights() if args.demo else load_weights(args.weights)


def split(dataset, args):
    """Training rows, validation rows, and whether pictures of one sign were kept together."""
    from lab.data import splits

    groups = None if args.split == "random" else splits.groups_of(dataset, args.group_pattern)
    if groups is None and args.split == "track":
        raise ValueError(f"{args.data}: which pictures show one sign is unknown: --split random")
    if groups is None and args.split is None:
        notice("Which pictures show the same thing is unknown: split at random, which flatters.")
    rows = splits.split(dataset.labels, groups, args.val_fraction, args.seed)
    return *rows, "random" if groups is None else "track"


def fit(dataset, fc7, training, validation, args, folder, callbacks=()):
    """A head fitted on the rows `training`, the best by the rows `validation`; and its history."""
    import tensorflow as tf

    from lab.training import lbfgs as convex
    from lab.training import loop as head

    new_layer = head.build(len(dataset.names), args.seed)
    recipe = head.Recipe(**{name: getattr(args, name) for name in head.Recipe.__annotations__})
    sides = (training, validation)
    seen, unseen = ((tf.constant(fc7[rows]), dataset.labels[rows]) for rows in sides)
    if args.solver == "lbfgs":
        return convex.fit(new_layer, seen, unseen, folder)
    return head.fit(new_layer, seen, unseen, recipe, folder, callbacks)


def tell_what_random_hides(dataset, fc7, args, accuracy):
    """Print what the same training reaches when no sign is on both sides of the split."""
    from lab.data import splits

    try:
        rows = splits.split(dataset.labels, dataset.tracks, args.val_fraction, args.seed)
    except ValueError as error:
        notice(f"Too few pictures to tell what the random split hides: {error}")
        return
    with tempfile.TemporaryDirectory() as folder, redirect_stdout(io.StringIO()):
        _, history = fit(dataset, fc7, *rows, args, Path(folder))
    honest = history.loc[history["val_loss"].idxmin(), "val_accuracy"]
    print(f"On signs never seen (--split track) the same training reaches {honest:.3f}", end="")
    if honest < accuracy:
        print(f": the random split flatters by {accuracy - honest:.3f}, for it knows each sign")
    else:
        print(": with so few pictures the random split does not flatter")


def begun(args):
    """The folder of the latest run in `--out`, and the arguments it was begun with."""
    from lab.runs import run as runs

    folder = runs.latest(args.out)
    record = runs.read(folder)
    notice(f"Going on with {folder} and the options it was begun with: {record.get('command')}")
    # "auto" might measure otherwise today, and the features would not be the same.
    precision = {"precision": record.get("precision", args.precision)}
    return folder, argparse.Namespace(**vars(args) | record["arguments"] | precision)


def main(argv=None):
    args = command_line().parse_args(argv)

    from lab import device

    device.prepare()
    from lab.features import extraction as features
    from lab.runs import results
    from lab.runs import run as runs

    with user_errors():
        folder, args = begun(args) if args.resume else (None, args)
        dataset, weights = read(args)
        training, validation, kind = split(dataset, args)
        record = runs.describe(args, dataset, weights, training, validation, kind)
        if folder:
            record = runs.go_on(folder, record)
        else:
            runs.check_writable(args.out)

        notice(f"{len(training):,} pictures train, {len(validation):,} validate")
        notice(f"Computing on the {device.name()}")
        fc7 = features.extract(
            dataset.images, weights, args.preprocess, args.precision, args.cache
        )  # [n, 4096]
        del weights  # 244 MB nobody needs any more
        folder = folder or runs.create(args.out, record)  # not before all pictures were good
        head, history = fit(
            dataset, fc7, training, validation, args, folder, [results.tensorboard(folder)]
        )
        record = results.write(folder, record, dataset, fc7, training, validation, head, history)

    accuracy = record["metrics"]["validation"]["accuracy"]
    best = record["best_epoch"]
    if args.solver == "lbfgs":
        print(f"Best L2 penalty: {history['l2'][best - 1]:g}, validation accuracy {accuracy:.3f}")
    else:
        print(f"Best epoch: {best}, validation accuracy {accuracy:.3f}")
    if kind == "random" and dataset.tracks is not None:
        tell_what_random_hides(dataset, fc7, args, accuracy)
    print(f"Report: {folder / 'report.html'}")


if __name__ == "__main__":
    sys.exit(main())
