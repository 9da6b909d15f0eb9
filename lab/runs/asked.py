"""What the arguments of a script ask for, looked up before TensorFlow, which takes seconds."""

import shlex
from pathlib import Path

from lab import inputs, networks
from lab.runs import folders
from lab.runs import record as records


def check(args, pictures=(), data=None):
    """The network the arguments of a script name; OSError or ValueError for what is not there.

    pictures, data: what is meant when they name none.
    """
    asked = {"network": networks.ALEXNET.name, **vars(args)}
    if asked.get("resume"):
        folders.stopped(args.out, args.name)
        return None
    network, weights, demo = networks.named(asked["network"]), args.weights, args.demo
    if asked.get("run"):
        _, record, weights = run(args.run, weights, args.preprocess, demo)
        network, demo = networks.named(record.network), demo or record.demo
    if asked.get("layer"):
        network.check_layer(args.layer)
    if asked.get("preprocess") not in (None, *network.conventions):
        raise ValueError(f"--preprocess {args.preprocess}: {network.name} has one of its own alone")
    if asked.get("name"):
        folders.check_free(args.out, args.name)
    if "pictures" in asked:
        # The lessons' own pictures are for looking at layers.
        default = pictures if network.layered else ()
        inputs.picture_files(args.pictures, default, demo, args.skip_broken)
    if asked.get("data") or data:
        inputs.data_file(args.data, data, demo)
    inputs.weights_file(network, weights, demo)
    return network


def run(folder, weights=None, preprocess=None, demo=False):
    """A run that has ended: its folder, its record, and the path of its weights, None when random.

    weights, preprocess, demo: what was asked for on the command line, if anything.
    Raises FileNotFoundError or ValueError: what it was trained with and what was asked for.
    """
    folder = folders.found(folder)
    near = None if folder.exists() else folders.near(folder)
    if near:
        raise FileNotFoundError(f"{folder} is not there: did you mean {near}?")
    record = records.read(folder)
    if not record.ended:
        remedy = f"go on with {resuming(folder, record.method)}"
        raise ValueError(f"{folder}: its training was stopped: {remedy}")
    if preprocess not in (None, record.preprocess):
        raise ValueError(
            f"{folder}: its head was trained with --preprocess {record.preprocess}, "
            f"not {preprocess}: leave --preprocess out"
        )
    if record.demo and weights:
        raise ValueError(not_its(folder, record, weights, "leave --weights out"))
    if demo and not (record.demo or record.drawn):
        raise ValueError(not_its(folder, record, "random weights", "leave --demo out"))
    if record.demo:
        return folder, record, None
    network = networks.named(record.network)
    if network.fetched:
        return folder, record, inputs.weights_file(network, weights)
    path = weights or record.weights.path
    return folder, record, inputs.found(path, "say where it is with --weights")


def resuming(folder, method):
    """The command that goes on with the training in a folder."""
    words = ["python", records.SCRIPTS[method], "--resume"]
    if folder.parent != Path("runs"):
        words += ["--out", str(folder.parent)]
    if folders.latest(folder.parent) != folder:
        words += ["--name", folder.name]
    return f"`{shlex.join(words)}`"


def not_its(folder, record, asked, remedy):
    """What is wrong when other weights are asked for than those of a run."""
    return (
        f"{folder}: its head was trained on features of {record.weights.path} "
        f"(sha256 {record.weights.sha256:.12}…), not of {asked}: {remedy}"
    )
