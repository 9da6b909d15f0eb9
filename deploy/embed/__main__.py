"""What a run, or a network alone, says about any number of pictures: Parquet files.

python -m deploy.embed --run runs/latest pictures/ --out seen          features
python -m deploy.embed --run runs/latest pictures/ --what predictions  names, how sure, how strange
python -m deploy.embed --network vgg16 's3://bucket/*.tar'             a network alone
python -m deploy.embed --run runs/latest pictures/ --engine ray        on a cluster, or here

Pictures are files, folders, patterns, tar and zip archives, and Parquet files that hold their
bytes; here, or wherever fsspec finds them. The same command goes on with what was stopped.
"""

import sys
from importlib.util import find_spec

from lab.command_line import parser, user_errors, whole_number
from lab.console import say

NEEDED = {"local": ("pyarrow", "fsspec"), "ray": ("pyarrow", "fsspec", "ray")}
REQUIREMENTS = {"local": "requirements.txt", "ray": "requirements-ray.txt"}
TOGETHER = 4096  # picture files a shard: 32 MB of fc7


def command_line():
    options = parser(__doc__, "--run", "--weights", "--layer", "--precision", "--out", "--demo")

    def add(name, text, **settings):
        options.add_argument(name, help=text, **settings)

    number = {"type": whole_number, "metavar": "N"}
    options.add_argument("sources", nargs="+", metavar="PICTURES", help="see above")
    add("--network", "a network alone: alexnet, vgg16, or keras:NAME", metavar="NAME")
    add(
        "--what",
        "what is told of each picture (default: %(default)s)",
        choices=["features", "predictions"],
        default="features",
    )
    add(
        "--dtype",
        "of features (default: %(default)s, as they are computed)",
        choices=["float16", "float32"],
        default="float16",
    )
    add("--column", "of Parquet files: which one holds the pictures, where several could")
    add("--shard", f"picture files a shard (default: {TOGETHER})", default=TOGETHER, **number)
    add(
        "--engine",
        "local: this process; ray: Ray Data, on the cluster of RAY_ADDRESS or on this machine",
        choices=["local", "ray"],
        default="local",
    )
    add(
        "--workers",
        "of ray: processes that hold the network (default: all there is room for)",
        **number,
    )
    add("--cpus", "of ray: processors for each of them (default: all of a machine)", **number)
    add(
        "--gpus",
        "of ray: graphics cards for each of them (default: 1 where there are any)",
        **number,
    )
    options.set_defaults(out="embedded")
    return options


def check(args):
    """ValueError for packages that are not installed, and for options that do not go together."""
    missing = [name for name in NEEDED[args.engine] if not find_spec(name)]
    if missing:
        raise ValueError(
            f"{' and '.join(missing)} not installed: `make embed`, or "
            f"`pip install -r deploy/embed/{REQUIREMENTS[args.engine]}`"
        )
    if bool(args.run) == bool(args.network):
        raise ValueError("expected a run, by --run, or a network alone, by --network")
    if args.run and (args.layer or args.precision != "auto"):
        raise ValueError("--layer, --precision: a run knows its own: leave them out")
    if args.network and args.what == "predictions":
        raise ValueError("--what predictions: a network alone has no classes: name a --run")
    if args.engine == "local" and (args.workers or args.cpus or args.gpus):
        raise ValueError("--workers, --cpus, --gpus: are for --engine ray")


def main(argv=None):
    args = command_line().parse_args(argv)
    with user_errors("interrupted; the same command goes on"):
        check(args)
        from deploy.embed import work

        for line in work.done(args):
            say(line)


if __name__ == "__main__":
    sys.exit(main())
