"""Step 3: a new last layer, with the names of the 43 signs, on the features of the old network.

python feature_extraction.py                            untrained: it guesses
python feature_extraction.py --run runs/latest          trained in step 4 or 5
python feature_extraction.py --run runs/latest a.png    your own pictures, or folders of them
python feature_extraction.py --demo                     no file needed
"""

import sys
import time
from functools import partial

from imagenet_inference import prepare
from lab.command_line import NAMING, parser, user_errors
from lab.console import notice, say
from traffic_sign_inference import PICTURES


def new_layer(width, classes, seed=0, hidden=None):
    """An untrained head: features [n, width] -> scores [n, classes]; softmax makes probabilities.

    Small random numbers, as the course began with: every class is about as likely as any other.
    hidden: units of a layer before the last one, if there is to be one.
    """
    import keras

    # To mean 0 and spread 1 for each picture: training on numbers up to 100 is unsteady.
    normal = keras.layers.LayerNormalization(center=False, scale=False)
    head = keras.Sequential([keras.Input([width]), normal])
    if hidden:
        start = keras.initializers.HeNormal(seed)
        head.add(keras.layers.Dense(hidden, "relu", kernel_initializer=start))
    start = keras.initializers.RandomNormal(stddev=1e-2, seed=seed)
    head.add(keras.layers.Dense(classes, kernel_initializer=start))
    return head


def name_signs(pictures, weights, head, convention="caffe"):
    """The probabilities of the head's classes for each picture, uint8 RGB [h, w, 3]: [n, classes].

    AlexNet without its last layer, and the new layer where that was.
    """
    import tensorflow as tf

    from alexnet import CONV1_PADDING, AlexNet

    images = prepare(pictures, convention)
    padding = CONV1_PADDING[convention]
    fc7 = AlexNet(images, feature_extract=True, weights=weights, conv1_padding=padding)  # [n, 4096]
    # No gradient passes here: training the new layer leaves the network below as it is. That is
    # feature extraction; step 4 does the same by computing the features beforehand. Fine-tuning,
    # step 5, lets the gradient through.
    fc7 = tf.stop_gradient(fc7)
    return tf.nn.softmax(head(fc7)).numpy()  # [n, classes]


def main(argv=None):
    options = parser(__doc__, "--run", *NAMING, "--seed")
    options.add_argument("pictures", nargs="*", help="picture files, or folders of them")
    options.set_defaults(preprocess=None)
    args = options.parse_args(argv)

    from lab.runs import asked

    with user_errors():
        asked.check(args, PICTURES)

    from lab import device, inputs  # TensorFlow takes seconds to load: wrong names need not wait

    device.prepare()
    from lab.data.dataset import sign_names
    from lab.demo import stand_ins
    from lab.networks import ALEXNET
    from lab.runs import predictions
    from lab.runs.run import load

    with user_errors():
        run = args.run and load(args.run, args.weights, args.preprocess, args.demo)
        demo = args.demo or bool(run and run.record.demo)
        draw = partial(stand_ins.pictures, run.network.subject if run else "signs")
        pictures = inputs.named(args.pictures, PICTURES, demo, draw, args.skip_broken)
        if not run:
            notice("The new layer is untrained; name a trained one: --run runs/latest")
            weights = inputs.weights(ALEXNET, args.weights, args.demo)
            head = new_layer(4096, len(sign_names()), args.seed)
        notice(f"Computing on the {device.name()}")

        strangeness = None
        begin = time.perf_counter()
        if run:
            probabilities, strangeness = run.judged([*pictures.values()], cache=False)
        else:
            probabilities = inputs.in_batches(
                lambda batch: name_signs(batch, weights, head, args.preprocess or "caffe"),
                [*pictures.values()],
            )
        seconds = time.perf_counter() - begin
        names = run.names if run else sign_names()
        predictions.tell(pictures, probabilities, names, args, strangeness)
    say(f"Time: {seconds:.3f} seconds")


if __name__ == "__main__":
    sys.exit(main())
