"""The trained run that another training goes on from, where its script has `--run`."""

from argparse import Namespace

from lab.formats.weights import digest
from lab.runs import record as records
from lab.runs.run import load

# What a head was trained on, and how that was split: only what did not train it can validate.
INPUT = ("data", "limit", "seed", "split", "val_fraction", "group_pattern", "skip_broken")


def run(args):
    """The Run that the arguments name, or None."""
    if getattr(args, "run", None) is None:
        return None
    return load(args.run, args.weights, args.preprocess, args.demo)


def arguments(options, args, start):
    """`args` with the network and the input of the run `start`.

    options: the parser of `args`. ValueError when these ask for others.
    """
    record = start.record
    known = {**record.arguments, **record.files, "seed": record.seed}
    known |= {"network": record.network, "layer": record.layer, "preprocess": record.preprocess}
    args = Namespace(**vars(args))
    for name in ("network", "layer", "preprocess", *INPUT):
        usual, given = options.get_default(name), getattr(args, name)
        trained = known.get(name, usual)
        if given not in (usual, trained):
            option = f"--{name.replace('_', '-')}"
            raise ValueError(
                f"{start.folder}: was trained with {option} {trained}, not {given}: "
                f"leave {option} out"
            )
        setattr(args, name, trained)
    args.demo = record.demo or record.drawn
    args.run = str(start.folder)  # runs/latest will soon be another
    return args


def described(start):
    """The part of a record that says from which run it started, and how that was."""
    sha256 = digest({**start.weights, "head": start.head.get_weights()})
    return records.Start(path=str(start.folder), sha256=sha256)
