"""Step 1: AlexNet names the pictures it was trained for.

python imagenet_inference.py                        the lesson's poodle.png and weasel.png
python imagenet_inference.py dog.jpg --top 3        your own pictures
python imagenet_inference.py --figure out.png       pictures with bars
python imagenet_inference.py dogs/ --csv dogs.csv   a folder of pictures, into a table
python imagenet_inference.py --demo                 no file needed
"""

import sys
import time

from caffe_classes import class_names
from lab.command_line import NAMING, parser, user_errors
from lab.console import notice, say

PICTURES = ["poodle.png", "weasel.png"]


def prepare(pictures, convention):
    """Pictures of any size, uint8 RGB [h, w, 3] each -> one batch for the network."""
    import tensorflow as tf

    from alexnet import preprocess

    return tf.concat([preprocess(picture[None], convention) for picture in pictures], axis=0)


def classify(pictures, weights, convention="caffe"):
    """The probabilities of the 1000 ImageNet classes for each picture: [n, 1000]."""
    from alexnet import CONV1_PADDING, AlexNet

    images = prepare(pictures, convention)
    return AlexNet(images, weights=weights, conv1_padding=CONV1_PADDING[convention])


def main(argv=None):
    options = parser(__doc__, *NAMING)
    options.add_argument("pictures", nargs="*", help="picture files, or folders of them")
    args = options.parse_args(argv)

    from lab.runs import asked

    with user_errors():
        asked.check(args, PICTURES)

    from lab import device, inputs  # TensorFlow takes seconds to load: wrong names need not wait

    device.prepare()
    from lab.demo import stand_ins
    from lab.networks import ALEXNET
    from lab.runs import predictions

    with user_errors():
        draw = stand_ins.photographs
        pictures = inputs.named(args.pictures, PICTURES, args.demo, draw, args.skip_broken)
        weights = inputs.weights(ALEXNET, args.weights, args.demo)
        notice(f"Computing on the {device.name()}")

        begin = time.perf_counter()
        probabilities = inputs.in_batches(
            lambda batch: classify(batch, weights, args.preprocess), [*pictures.values()]
        )
        seconds = time.perf_counter() - begin
        predictions.tell(pictures, probabilities, class_names, args)
    say(f"Time: {seconds:.3f} seconds")


if __name__ == "__main__":
    sys.exit(main())
