"""Step 2: AlexNet looks at traffic signs and knows only its 1000 old names.

    python traffic_sign_inference.py              the lesson's construction.jpg and stop.jpg
    python traffic_sign_inference.py sign.png     your own pictures
    python traffic_sign_inference.py --demo       no file needed

The signs are 32x32 pixels, the network wants 227x227: `preprocess` enlarges them. None of the
1000 classes is a traffic sign, so watch what the network takes them for, and how sure it is.
"""

import sys
import time

from caffe_classes import class_names
from imagenet_inference import classify
from lab.command_line import NAMING, parser, user_errors
from lab.console import notice, say

PICTURES = ["construction.jpg", "stop.jpg"]


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
        draw = stand_ins.signs
        signs = inputs.named(args.pictures, PICTURES, args.demo, draw, args.skip_broken)
        weights = inputs.weights(ALEXNET, args.weights, args.demo)
        notice(f"Computing on the {device.name()}")

        begin = time.perf_counter()
        probabilities = inputs.in_batches(
            lambda batch: classify(batch, weights, args.preprocess), [*signs.values()]
        )
        seconds = time.perf_counter() - begin
        predictions.tell(signs, probabilities, class_names, args)
    say(f"Time: {seconds:.3f} seconds")


if __name__ == "__main__":
    sys.exit(main())
