"""Step 3: a new last layer, with the names of the 43 signs, on the features of the old network.

python feature_extraction.py                             untrained: it guesses
python feature_extraction.py --head runs/latest          trained in step 4
python feature_extraction.py --head runs/latest a.png    your own pictures
python feature_extraction.py --demo                      no file needed
"""

import sys
import time

from imagenet_inference import prepare
from lab.command_line import parser, user_errors
from lab.console import notice, print_top
from traffic_sign_inference import PICTURES


def name_signs(pictures, weights, head, convention="caffe"):
    """The probabilities of the head's classes for each picture, uint8 RGB [h, w, 3]: [n, classes].

    AlexNet without its last layer, and the new layer where that was.
    """
    import tensorflow as tf

    from alexnet import CONV1_PADDING, AlexNet

    images = prepare(pictures, convention)
    fc7 = AlexNet(images, True, weights, CONV1_PADDING[convention])  # [n, 4096]
    # No gradient passes here: training the new layer leaves the network below as it is. That is
    # feature extraction; fine-tuning would let the gradient through.
    fc7 = tf.stop_gradient(fc7)
    return tf.nn.softmax(head(fc7))  # [n, classes]


def main(argv=None):
    names = ("--weights", "--head", "--preprocess", "--top", "--seed", "--demo")
    options = parser(__doc__, *names)
    options.add_argument("pictures", nargs="*", default=PICTURES, help="picture files")
    args = options.parse_args(argv)

    from lab import device
    from lab.data import dataset as datasets
    from lab.data import images
    from lab.demo import stand_ins as demo

    device.prepare()
    from alexnet import load_weights
    from lab.features import extraction as features
    from lab.runs import run as runs
    from lab.training.loop import build

    with user_errors():
        if args.demo:
            pictures, weights = list(demo.signs().values()), demo.weights()
        else:
            pictures = [images.read(path) for path in args.pictures]
            weights = load_weights(args.weights)
        if args.head:
            run = runs.load(args.head, features.weights_digest(weights), args.preprocess)
            head, names = run.head, run.names
        else:
            notice("The new layer is untrained; name a trained one: --head runs/latest")
            names = datasets.sign_names()
            head = build(len(names), args.seed)
    notice(f"Computing on the {device.name()}")

    begin = time.perf_counter()
    probabilities = name_signs(pictures, weights, head, args.preprocess).numpy()
    seconds = time.perf_counter() - begin

    print_top(probabilities, names, args.top)
    print(f"Time: {seconds:.3f} seconds")


if __name__ == "__main__":
    sys.exit(main())
