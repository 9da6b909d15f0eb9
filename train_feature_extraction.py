"""Step 4: train the new last layer; the network below stays as it is.

    python train_feature_extraction.py                       all of train.p, as in the course
    python train_feature_extraction.py --limit 4000          a laptop's share of it
    python train_feature_extraction.py --split random        the course's split, and what it hides
    python train_feature_extraction.py --data my_pictures/   a folder with one subfolder a class
    python train_feature_extraction.py --network vgg16 --data flower_photos/   the second lab
    python train_feature_extraction.py --resume              go on after it was stopped
    python train_feature_extraction.py --demo                no file needed

The network is frozen, so what it says about a picture never changes: each picture goes through it
once, and only the new layer sees the features again in every epoch. Writes a run folder with the
head, every figure and a report; `feature_extraction.py --run runs/latest` then names pictures.
"""

import sys

from feature_extraction import new_layer
from lab.command_line import TRAINING, parser, units, user_errors
from lab.console import say


def train(features, dataset, rows, args, folder, watch=None):
    """The new layer, trained on the features [n, width] of some rows of the dataset; its history.

    rows: those that train and those that validate; the layer is kept as it was after the epoch with
        the lowest validation loss. folder: where the training keeps what a later start needs.
    watch: called with the history after each epoch.
    """
    import keras
    import tensorflow as tf

    from lab.training import lbfgs, loop

    head = new_layer(features.shape[1], len(dataset.names), args.seed, args.hidden)
    weights = loop.weights_of(dataset.labels, rows[0], args.class_weight)
    examples = loop.Examples(features, dataset.labels, weights, len(dataset.names))
    if args.solver == "lbfgs":
        return head, lbfgs.solve(head, examples, rows, folder)

    loss = keras.losses.CategoricalCrossentropy(
        from_logits=True, label_smoothing=args.label_smoothing
    )
    optimizer = keras.optimizers.Adam(args.learning_rate)

    def step(features, targets, weights):
        """One step downhill on a batch: features [b, width], one-hot targets [b, classes]."""
        with tf.GradientTape() as tape:
            scores = head(features)  # [b, classes]
            error = loss(targets, scores, weights)
        gradient = tape.gradient(error, head.trainable_variables)
        optimizer.apply(gradient, head.trainable_variables)
        return error, scores

    return head, loop.fit(head, loss, optimizer, step, examples, rows, args, folder, watch)


def command_line():
    options = parser(__doc__, *TRAINING, "--epochs", "--batch-size", "--patience")
    options.add_argument(
        "--solver",
        choices=["adam", "lbfgs"],
        default="adam",
        help="lbfgs: the best the layer can be, with an L2 penalty chosen on the validation set",
    )
    options.add_argument(
        "--hidden",
        type=units,
        metavar="N",
        help="units of a hidden layer before the last one (default: none)",
    )
    options.set_defaults(out="runs")
    return options


def main(argv=None):
    options = command_line()
    args = options.parse_args(argv)
    if args.solver == "lbfgs" and (args.hidden or args.label_smoothing):
        other = "--hidden" if args.hidden else "--label-smoothing"
        options.error(f"--solver lbfgs solves for one layer and its own loss: leave {other} out")

    from lab import inputs
    from lab.runs import asked

    with user_errors():
        asked.check(args, data=inputs.DATA)

    from lab import device  # TensorFlow takes seconds to load: wrong names need not wait

    device.prepare()
    from lab.runs.begun import begin

    with user_errors(), begin(options, args, "feature extraction") as run:
        # Every picture goes once through the network, which stays as it is: [n, 4096] of fc7.
        features = run.features()
        folder = run.keep()  # not before all pictures were good
        head, history = train(features, run.dataset, run.rows, run.args, folder, run.watch)
        record = run.finish(head, history, features)

    accuracy = record.metrics.validation.accuracy
    if run.args.solver == "lbfgs":  # of the run gone on with, whatever was typed now
        penalty = history["l2"][record.best_epoch - 1]
        say(f"Best L2 penalty by validation loss: {penalty:g}, accuracy {accuracy:.3f}")
    else:
        say(f"Best epoch by validation loss: {record.best_epoch}, accuracy {accuracy:.3f}")
    with user_errors():
        run.tell_what_random_hides(train, features)
    say(f"Report: {folder / 'report.html'}")


if __name__ == "__main__":
    sys.exit(main())
