"""Step 5: fine-tuning, the other method: not only the new last layer learns, the network below too.

    python train_finetuning.py --run runs/first-try  from the head of step 4: it no longer guesses
    python train_finetuning.py                       from the weights file, with an untrained head
    python train_finetuning.py --unfreeze fc6        let go of the dense layers alone: minutes
    python train_finetuning.py --augment none        every epoch with the very same pictures
    python train_finetuning.py --resume              go on after it was stopped
    python train_finetuning.py --demo                no file needed

Steps are small, for the network knows much already and should not forget it. Writes a run folder
like step 4: feature_extraction.py, evaluate.py and visualize.py take it by `--run`.
"""

import math
import sys

from feature_extraction import new_layer
from lab.command_line import TRAINING, parser, user_errors, whole_number
from lab.console import say

FASTER = 3  # steps of dense layers, by those of convolutions, which suit any picture already
WEIGHT_DECAY = 0.01  # each step shrinks a kernel by this share of the step size
GRADIENT_NORM = 1.0  # at most, of all layers together: a single odd batch does no harm
STEPS = 500  # at least: the first ones shake all layers, and fewer do not mend it


def pace(pictures, epochs=None, batch_size=None):
    """Epochs and batch size for so many pictures that train, where they are left open.

    Few pictures make few steps, unless batches are small and the pictures come more often.
    """
    batch_size = batch_size or (128 if pictures >= 5000 else 32)
    epochs = epochs or max(5, math.ceil(STEPS / math.ceil(pictures / batch_size)))
    return {"epochs": epochs, "batch_size": batch_size}


def train(model, examples, rows, args, folder, watch=None):
    """Train the layers of the `model` that learn; the history.

    model: a network with a head; pictures [n, h, w, 3] -> scores [n, classes]. Its `learning`:
        name of each layer from --unfreeze up, and "head" -> its variables, kernel and bias.
    rows: those of the examples that train and those that validate; the model is left as it was
        after the epoch with the lowest validation loss.
    folder: where the training keeps what a later start needs.
    watch: called with the history after each epoch.
    """
    import keras
    import tensorflow as tf

    from lab.training import loop
    from lab.training.optimizers import LayerwiseAdamW, update, warmup_cosine

    variables = [each for layer in model.learning.values() for each in layer]
    steps = args.epochs * math.ceil(len(rows[0]) / args.batch_size)
    rate = warmup_cosine(args.learning_rate, steps)  # up for a twentieth of them, then down to 0
    factors = [
        1 if name.startswith("conv") else FASTER
        for name, layer in model.learning.items()
        for _ in layer
    ]
    optimizer = LayerwiseAdamW(rate, factors, WEIGHT_DECAY)
    loss = keras.losses.CategoricalCrossentropy(
        from_logits=True, label_smoothing=args.label_smoothing
    )

    def step(pictures, targets, weights):
        """One step downhill on a batch: pictures [b, h, w, 3], one-hot targets [b, classes]."""
        with tf.GradientTape() as tape:
            scores = model(pictures, training=True)  # [b, classes]
            error = loss(targets, scores, weights)
        gradients = tape.gradient(error, variables)  # nothing stops it on the way down
        update(optimizer, gradients, GRADIENT_NORM)
        return error, scores

    return loop.fit(model, loss, optimizer, step, examples, rows, args, folder, watch)


def command_line():
    options = parser(
        __doc__, "--run", "--unfreeze", "--augment", "--dropout", "--distribute", *TRAINING
    )
    options.add_argument(
        "--epochs",
        type=whole_number,
        metavar="N",
        help=f"passes over the training set (default: 5, of few pictures enough for {STEPS} steps)",
    )
    options.add_argument(
        "--batch-size",
        type=whole_number,
        metavar="N",
        help="examples a training step (default: 128, of fewer than 5,000 pictures 32)",
    )
    options.set_defaults(out="runs", learning_rate=1e-4)
    options.set_defaults(patience=None)  # the step size comes down to 0 with the last epoch
    return options


def main(argv=None):
    options = command_line()
    args = options.parse_args(argv)

    from lab import inputs
    from lab.runs import asked

    with user_errors():
        asked.check(args, data=None if args.run else inputs.DATA)  # a run knows its own

    from lab import device  # TensorFlow takes seconds to load: wrong names need not wait

    device.prepare()
    from lab.runs import fine_tuning
    from lab.runs.begun import begin

    with user_errors(), begin(options, args, "fine-tuning") as run:
        args = run.args
        run.note(**pace(len(run.rows[0]), args.epochs, args.batch_size))
        tuning = fine_tuning.Tuning(run)
        examples = tuning.examples()
        with run.strategy.scope():
            model = tuning.model(new_layer)
            folder = run.keep()  # not before all was good
            history = train(model, examples, run.rows, run.args, folder, run.watch)
        if not run.writes:
            return  # of several machines the first does
        record = tuning.finish(model, history)

    accuracy = record.metrics.validation.accuracy
    say(f"Best epoch by validation loss: {record.best_epoch}, accuracy {accuracy:.3f}")
    say(f"Report: {folder / 'report.html'}")


if __name__ == "__main__":
    sys.exit(main())
