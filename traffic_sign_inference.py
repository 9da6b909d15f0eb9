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
from lab.command_line import parser, user_errors
from lab.console import notice, print_top

PICTURES = ["construction.jpg", "stop.jpg"]


def main(argv=None):
    options = parser(__doc__, "--weights", "--preprocess", "--top", "--demo")
    options.add_argument("pictures", nargs="*", help="picture files")
    args = options.parse_args(argv)

    from lab.runs import asked

    with user_errors():
        asked.check(args, PICTURES)

    from lab import device, inputs  # TensorFlow takes seconds to load: wrong names need not wait

    device.prepare()
    from lab.demo import stand_ins
    from lab.networks import ALEXNET

    with user_errors():
        named = inputs.named(args.pictures, PICTURES, args.demo, stand_ins.signs)
        signs, weights = [*named.values()], inputs.weights(ALEXNET, args.weights, args.demo)
    notice(f"Computing on the {device.name()}")

    begin = time.perf_counter()
    probabilities = classify(signs, weights, args.preprocess).numpy()
    seconds = time.perf_counter() - begin

    print_top(probabilities, class_names, args.top)
    print(f"Time: {seconds:.3f} seconds")


if __name__ == "__main__":
    sys.exit(main())
