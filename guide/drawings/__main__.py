"""Draw the pictures of the guide.

    python -m guide.drawings                            all of them, into guide/pictures
    python -m guide.drawings architecture one-track     these alone
    python -m guide.drawings filters --weights bvlc-alexnet.npy --out seen

No file is needed: what has to be trained is the demo, which takes some minutes the first time.
"""

import sys
from functools import partial
from pathlib import Path

from lab.command_line import parser, user_errors
from lab.console import say

OUT = Path(__file__).parent.parent / "pictures"


def command_line():
    options = parser(__doc__, "--weights")
    options.add_argument("names", nargs="*", metavar="NAME", help="of a picture (default: all)")
    options.add_argument("--out", type=Path, default=OUT, metavar="DIR", help="guide/pictures")
    return options


def main(argv=None):
    args = command_line().parse_args(argv)

    from lab import device  # TensorFlow takes seconds to load

    device.prepare()
    from guide.drawings.pictures import PICTURES

    pictures = {**PICTURES, "filters": partial(PICTURES["filters"], file=args.weights)}
    with user_errors():
        for name in args.names:
            if name not in pictures:
                raise ValueError(f"{name}: expected one of {', '.join(pictures)}")
        args.out.mkdir(parents=True, exist_ok=True)
        for name in args.names or pictures:
            path = args.out / f"{name}.png"
            pictures[name](path)
            say(path)


if __name__ == "__main__":
    sys.exit(main())
