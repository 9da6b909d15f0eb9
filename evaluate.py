"""How good is a trained head? All figures worth knowing, on pictures it has never seen.

    python evaluate.py                            runs/latest on the official test set
    python evaluate.py --head RUN --data test.p   another run, other pictures
    python evaluate.py --calibrate                first let it learn how sure it may be
    python evaluate.py --assert-accuracy 0.9      exit with 1 when it is worse
    python evaluate.py --demo                     no file needed, after a training with --demo

Writes evaluation.json, evaluation.csv (class by class) and plots into the run folder, where its
report shows them.
"""

import argparse
import sys
from dataclasses import replace
from pathlib import Path

from lab.command_line import fraction, parser, user_errors
from lab.console import notice

TEST_SET = "GTSRB_Final_Test_Images.zip"


def command_line():
    options = parser(
        __doc__, "--head", "--data", "--skip-broken", "--limit", "--weights", "--preprocess",
        "--precision", "--no-cache", "--seed", "--out", "--demo",
    )  # fmt: skip
    options.set_defaults(head="runs/latest", data=TEST_SET)
    options.add_argument(
        "--calibrate",
        action="store_true",
        help="fit a temperature on the validation pictures of the run and keep it in the run",
    )
    options.add_argument(
        "--assert-accuracy", type=fraction, metavar="X", help="exit with 1 when accuracy is below X"
    )
    return options


def read(args):
    """The run, the test pictures and the weights; an error when they do not belong together."""
    from alexnet import load_weights
    from lab.demo import stand_ins as demo
    from lab.features import extraction as features
    from lab.runs import run as runs

    weights = demo.weights() if args.demo else load_weights(args.weights)
    run = runs.load(args.head, features.weights_digest(weights), args.preprocess)
    dataset = labelled_pictures(args, demo_signs)
    if dataset.names != run.names:
        raise ValueError(
            f"{args.data}: expected the {len(run.names)} classes of {args.head} "
            f"({', '.join(run.names[:3])}, ...), found {len(dataset.names)} "
            f"({', '.join(dataset.names[:3])}, ...)"
        )
    return run, dataset, weights


def labelled_pictures(args, stand_in):
    """The Dataset that the arguments of a script name; with --demo what `stand_in` draws."""
    from lab.data import dataset as datasets
    from lab.data import splits

    if not args.demo and not Path(args.data).exists():
        raise FileNotFoundError(
            f"{args.data} is not there: get the official test set with `python download.py gtsrb`, "
            "name other pictures with --data, or try --demo"
        )
    dataset = stand_in() if args.demo else datasets.load(args.data, args.skip_broken)
    if args.limit and args.limit < len(dataset):
        dataset = dataset.take(splits.stratified_subset(dataset, args.limit, args.seed))
    return dataset


def demo_signs():
    from lab.demo import signs as drawn_signs

    notice(f"DEMO: 1,000 newly drawn signs stand in for {TEST_SET}.")
    return drawn_signs.draw(1000, seed=1)  # seed 0 draws what the demo trains on


def training_pictures(run):
    """The Dataset that the run was trained and validated on."""
    from lab.demo import stand_ins as demo
    from lab.features import extraction as features

    args = argparse.Namespace(**run.record["arguments"])
    dataset = labelled_pictures(args, demo.dataset)
    if features.pictures_digest(dataset.images) != run.record["data"]["sha256"]:
        raise ValueError(
            f"{args.data}: expected the pictures {run.folder} was trained on, found others; "
            "leave --calibrate out, or train again"
        )
    return dataset


def calibrate(run, fc7, labels):
    """The run with the temperature that suits these pictures best, also kept in its run.json."""
    from lab.runs import metrics
    from lab.runs import run as runs

    temperature = metrics.fit_temperature(run.head.predict(fc7, 4096, verbose=0), labels)
    tempered = replace(run, record={**run.record, "temperature": temperature})
    before, after = (metrics.summary(labels, r.probabilities(fc7)) for r in (run, tempered))
    print(f"Temperature {temperature:.2f}, from {len(labels):,} validation pictures:")
    print(f"log loss {before['loss']:.3f} -> {after['loss']:.3f}, ", end="")
    print(f"calibration error {before['ece']:.3f} -> {after['ece']:.3f}\n")
    runs.write(run.folder, tempered.record)
    return tempered


def describe(args, run):
    """What the figures are of."""
    return {
        "head": run.folder.resolve().name,
        "data": "drawn signs (--demo)" if args.demo else args.data,
        "temperature": run.record.get("temperature", 1.0),
    }


def main(argv=None):
    args = command_line().parse_args(argv)

    from lab import device

    device.prepare()
    from lab.features import extraction as features
    from lab.runs import evaluation, report

    with user_errors():
        run, dataset, weights = read(args)
        validation, hashes = evaluation.read_split(run.folder)
        trained = training_pictures(run) if args.calibrate else None
        out = Path(args.out or run.folder)
        out.mkdir(parents=True, exist_ok=True)
        notice(f"Computing on the {device.name()}")
        precision = device.precision(args.precision).name
        how = weights, args.preprocess, precision, args.cache

        if trained:  # all of its pictures, because training left the features of all on disk
            fc7 = features.extract(trained.images, *how)[validation]
            run = calibrate(run, fc7, trained.labels[validation])
        probabilities = run.probabilities(features.extract(dataset.images, *how))
        figures, classes = evaluation.evaluate(dataset, probabilities, hashes, args.seed)
        figures = {**describe(args, run), **figures}
        evaluation.show(figures, classes)
        evaluation.write(out, figures, classes, dataset, probabilities)
        report.write(run.folder)

    if args.assert_accuracy and figures["accuracy"] < args.assert_accuracy:
        notice(f"accuracy {figures['accuracy']:.4f} is below {args.assert_accuracy:g}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
