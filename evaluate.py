"""How good is a trained run? All figures worth knowing, on pictures it has never seen.

    python evaluate.py                            runs/latest on the official test set
    python evaluate.py --run RUN --data test.p    another run, other pictures
    python evaluate.py --calibrate                first let it learn how sure it may be
    python evaluate.py --assert-accuracy 0.9      exit with 1 when it is worse
    python evaluate.py --list                     the runs there are, and what they came to
    python evaluate.py --demo                     no file needed, after a training with --demo

Writes evaluation.json, evaluation.csv (class by class) and plots into the run folder, where its
report shows them.
"""

import argparse
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

from lab.command_line import accuracy, parser, user_errors
from lab.console import notice, say

TEST_SET = "GTSRB_Final_Test_Images.zip"
WITHOUT = "leave --calibrate out, which needs what the run was trained on"


def command_line():
    options = parser(
        __doc__, "--run", "--data", "--skip-broken", "--limit", "--weights", "--preprocess",
        "--precision", "--no-cache", "--seed", "--demo",
    )  # fmt: skip
    options.set_defaults(run="runs/latest", preprocess=None, precision=None)
    options.add_argument(
        "--calibrate",
        action="store_true",
        help="fit a temperature on the validation pictures of the run and keep it in the run",
    )
    options.add_argument(
        "--assert-accuracy", type=accuracy, metavar="X", help="exit with 1 when accuracy is below X"
    )
    options.add_argument(
        "--out", metavar="DIR", help="where figures and plots go (default: the folder of the run)"
    )
    options.add_argument("--list", action="store_true", help="show the runs there are and stop")
    return options


def test_pictures(args, run):
    """The labelled pictures to test the run with, their classes in the order of its own."""
    from lab import inputs
    from lab.data.dataset import matched
    from lab.demo import stand_ins

    demo = args.demo or (run.record.demo and args.data is None)
    asked = argparse.Namespace(**vars(args) | {"demo": demo})
    draw = partial(stand_ins.test_set, run.network.subject)
    dataset = inputs.labelled(asked, TEST_SET, draw)
    try:
        return matched(dataset, run.names)
    except ValueError as error:
        raise ValueError(f"{args.data or TEST_SET}: {error}") from error


def calibrated(run, dataset, validation, args):
    """The run with the temperature that suits its validation pictures best, also in run.json.

    dataset: all pictures of its training, which left their features on disk. validation: rows.
    """
    from lab.runs import metrics, record
    from lab.runs.run import softmax

    scores = run.scores(dataset.images, args.precision, args.cache)[validation]
    labels = dataset.labels[validation]
    temperature = metrics.fit_temperature(scores, labels)
    tempered = replace(run, record=run.record.model_copy(update={"temperature": temperature}))
    before, after = (
        metrics.summary(labels, softmax(scores, each.record.temperature))
        for each in (run, tempered)
    )
    say(f"Temperature {temperature:.2f}, from {len(labels):,} validation pictures:")
    say(f"log loss {before['loss']:.3f} -> {after['loss']:.3f}, ", end="")
    say(f"calibration error {before['ece']:.3f} -> {after['ece']:.3f}")
    say()
    record.write(run.folder, tempered.record)
    return tempered


def describe(args, run):
    """What the figures are of."""
    from lab.runs.record import DRAWN

    drawn = args.demo or run.record.demo
    return {
        "head": run.folder.resolve().name,
        "data": args.data or (DRAWN[run.network.subject] if drawn else TEST_SET),
        "temperature": run.record.temperature,
    }


def evaluated(args):
    """Print the figures of the run and write them; they, and the folder they are in."""
    from lab import device
    from lab.runs import evaluation, folders, report
    from lab.runs.run import load

    run = load(args.run, args.weights, args.preprocess, args.demo)
    dataset = test_pictures(args, run)
    hashes = evaluation.trained_hashes(run.folder)
    trained = evaluation.training_pictures(run, WITHOUT) if args.calibrate else None
    out = Path(args.out or run.folder)
    with folders.held(out):
        notice(f"Evaluating {run.folder}")
        notice(f"Computing on the {device.name()}")
        if trained:
            run = calibrated(run, *trained, args)
        probabilities, strangeness = run.judged(dataset.images, args.precision, args.cache)
        figures, classes = evaluation.evaluate(
            dataset, probabilities, hashes, args.seed, strangeness
        )
        figures = {**describe(args, run), **figures}
        evaluation.show(figures, classes, run.record.split.kind)
        evaluation.write(out, figures, classes, dataset, probabilities)
        if not args.out:
            report.write(run.folder)
    return figures, out


def main(argv=None):
    options = command_line()
    args = options.parse_args(argv)
    if args.calibrate and args.out:
        options.error("--calibrate changes the run itself: leave --out out")

    from lab.runs import asked, folders

    with user_errors():
        if args.list:
            for line in folders.listing(Path(args.run).parent):
                say(line)
            return 0
        asked.check(args, data=TEST_SET)

    from lab import device  # TensorFlow takes seconds to load: wrong names need not wait

    device.prepare()
    with user_errors():
        figures, out = evaluated(args)
    say()
    say(f"Figures and plots: {out}" if args.out else f"Report: {out / 'report.html'}")
    if args.assert_accuracy and figures["accuracy"] < args.assert_accuracy:
        notice(f"accuracy {figures['accuracy']:.4f} is below {args.assert_accuracy:g}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
