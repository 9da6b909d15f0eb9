"""The options all scripts share, and how a script tells a person what to mend.

Imports nothing heavy, so that `--help` answers at once; TensorFlow is imported by the scripts
after their arguments have been read.
"""

import argparse
import math
import sys
from contextlib import contextmanager
from pathlib import Path

from lab.console import notice, one_line
from lab.files import FULL


def whole_number(text):
    """A whole number from 1 to a million."""
    return _number(text, int, 1, 1_000_000)


def units(text):
    """A whole number up to 8192: on the widest features such a layer takes 0.8 GB."""
    return _number(text, int, 1, 8192)


def seed(text):
    """A whole number that NumPy, TensorFlow and Python all accept as a seed."""
    return _number(text, int, 0, 2**32 - 1)


def port(text):
    """A port of this machine; 0 is any that is free."""
    return _number(text, int, 0, 65535)


def rate(text):
    """A positive step size, at most 10."""
    return _number(text, float, 1e-9, 10)


def share(text):
    """A share from none to 90 %."""
    return _number(text, float, 0, 0.9)


def fraction(text):
    """A share between 1 % and 99 %."""
    return _number(text, float, 0.01, 0.99)


def accuracy(text):
    """A share up to all."""
    return _number(text, float, 0, 1)


def new_file(text):
    """The path of a file to write, in a folder that is there."""
    path = Path(text)
    if (path.exists() and not path.is_file()) or not path.parent.is_dir():
        raise argparse.ArgumentTypeError(f"{text}: expected a file in a folder that is there")
    return path


def figure(text):
    """The path of a picture to draw."""
    path = new_file(text)
    if path.suffix.lower() not in FIGURES:
        raise argparse.ArgumentTypeError(
            f"{text}: expected a file that ends in {', '.join(FIGURES)}"
        )
    return path


def _number(text, kind, lowest, highest):
    try:
        value = kind(text)
    except ValueError:
        value = math.nan
    if not lowest <= value <= highest:  # NaN fails every comparison
        what = "a whole number" if kind is int else "a number"
        raise argparse.ArgumentTypeError(
            f"expected {what} from {lowest:,} to {highest:,}, found {text[:40]}"
        )
    return value


FIGURES = (".png", ".pdf", ".svg", ".jpg", ".webp")

# Same option, same name, same meaning in every script.
OPTIONS = {
    "--network": {
        "default": "alexnet",
        "metavar": "NAME",
        "help": "the pretrained network: alexnet, vgg16, or keras:NAME, any classifier of "
        "keras.applications (default: %(default)s)",
    },
    "--weights": {
        "metavar": "PATH",
        "help": "the network's weights: .npy, the original .caffemodel, or Keras's .h5 of vgg16 "
        "(default: bvlc-alexnet.npy or vgg16.npy, or those of the run)",
    },
    "--layer": {
        "metavar": "NAME",
        "help": "whose output the features are: of alexnet conv3, conv4, pool5, fc6 or fc7, of "
        "vgg16 conv3_3, conv4_3, pool5, fc6 or fc7 (default: fc7; of vgg16 fc6)",
    },
    "--data": {
        "metavar": "PATH",
        "help": "the course's train.p, an official GTSRB archive, or a folder with one subfolder "
        "of pictures a class (default: train.p to train with, the official test set to test with)",
    },
    "--run": {
        "aliases": ["--head"],
        "metavar": "RUN",
        "help": "a trained run: its folder, which knows its weights, --preprocess and pictures",
    },
    "--preprocess": {
        "choices": ["caffe", "course"],
        "default": "caffe",
        "help": "caffe: what the weights were trained with; course: what the courses on alexnet "
        "and vgg16 did, to reproduce their numbers (default: caffe, or the run's own)",
    },
    "--precision": {
        "choices": ["auto", "float32", "bfloat16"],
        "default": "auto",
        "help": "arithmetic of the network, not of the new layer; auto takes what is faster here "
        "(default: auto, or the run's own)",
    },
    "--top": {
        "type": whole_number,
        "default": 5,
        "metavar": "N",
        "help": "classes to print for a picture (default: %(default)s)",
    },
    "--figure": {
        "type": figure,
        "metavar": "PNG",
        "help": "draw the pictures with their top classes",
    },
    "--csv": {
        "type": new_file,
        "metavar": "FILE",
        "help": "write a table instead: file, rank, name, probability, and of a run strangeness",
    },
    "--epochs": {
        "type": whole_number,
        "default": 10,
        "metavar": "N",
        "help": "passes over the training set (default: %(default)s)",
    },
    "--batch-size": {
        "type": whole_number,
        "default": 128,
        "metavar": "N",
        "help": "examples a training step (default: %(default)s)",
    },
    "--learning-rate": {
        "type": rate,
        "default": 1e-3,
        "metavar": "X",
        "help": "Adam's step size (default: %(default)s)",
    },
    "--patience": {
        "type": whole_number,
        "default": 5,
        "metavar": "N",
        "help": "stop after N epochs without a lower validation loss (default: %(default)s)",
    },
    "--unfreeze": {
        "default": "all",
        "metavar": "LAYER",
        "help": "the lowest layer that learns, and with it all above, by its name in alexnet.py or "
        "vgg16.py; fc8 is the new layer alone (default: %(default)s)",
    },
    "--augment": {
        "choices": ["none", "signs", "photos"],
        "help": "how pictures are changed a little in every epoch (default: signs for traffic "
        "signs, photos for others; none where the frozen layers need see each picture but once)",
    },
    "--dropout": {
        "type": share,
        "default": 0.25,
        "metavar": "X",
        "help": "share of what dense layers that learn say, left out in each step; 0.5 in 2012 "
        "(default: %(default)s)",
    },
    "--distribute": {
        "choices": ["mirrored", "multiworker"],
        "help": "each takes its share of a batch: of mirrored all graphics cards of this machine, "
        "of multiworker all machines that TF_CONFIG names or Slurm gives",
    },
    "--class-weight": {
        "choices": ["balanced"],
        "help": "let rare classes count as much as others",
    },
    "--label-smoothing": {
        "type": share,
        "default": 0.0,
        "metavar": "X",
        "help": "share of certainty spread over the other classes (default: none)",
    },
    "--seed": {
        "type": seed,
        "default": 0,
        "metavar": "N",
        "help": "makes every random choice repeatable (default: %(default)s)",
    },
    "--limit": {
        "type": whole_number,
        "metavar": "N",
        "help": "use only N pictures, every class in its share",
    },
    "--group-pattern": {
        "metavar": "REGEX",
        "help": "pictures whose file names agree in what this matches stay on one side of the "
        "split",
    },
    "--split": {
        "choices": ["track", "random"],
        "help": "track keeps all pictures of one physical thing on one side; random is what the "
        "course did (default: track where tracks are known)",
    },
    "--val-fraction": {
        "type": fraction,
        "default": 0.33,
        "metavar": "X",
        "help": "share of the data kept for validation (default: %(default)s)",
    },
    "--out": {"metavar": "DIR", "help": "where results go (default: %(default)s)"},
    "--name": {"metavar": "NAME", "help": "of the run's folder (default: the time)"},
    "--resume": {
        "action": "store_true",
        "help": "go on with the latest run in --out, or the one with --name; all other options "
        "are those it was begun with",
    },
    "--skip-broken": {
        "action": "store_true",
        "help": "name broken pictures and go on without them",
    },
    "--no-cache": {
        "action": "store_false",
        "dest": "cache",
        "help": "keep no features on disk, and use none from there",
    },
    "--demo": {
        "action": "store_true",
        "help": "needs no file: random weights, and pictures drawn by code (signs; flowers for "
        "other networks than alexnet), for what you do not name",
    },
}

# Those of every script that names pictures.
NAMING = ("--weights", "--preprocess", "--top", "--figure", "--csv", "--skip-broken", "--demo")
# Those of every training.
TRAINING = (
    "--network", "--weights", "--layer", "--preprocess", "--data", "--skip-broken", "--limit",
    "--group-pattern", "--split", "--val-fraction", "--precision", "--no-cache", "--learning-rate",
    "--class-weight", "--label-smoothing", "--seed", "--out", "--name", "--resume", "--demo",
)  # fmt: skip


def program():
    """What was started, as it was typed: evaluate.py, or after `python -m` such as deploy.serve."""
    module = sys.modules["__main__"].__spec__  # none of a script
    return module.name.removesuffix(".__main__") if module else Path(sys.argv[0]).name


class Parser(argparse.ArgumentParser):
    """An argument parser whose complaints fit on one line."""

    complains_about = None  # the file that the arguments come from

    def error(self, message):
        if self.complains_about:
            raise ValueError(f"{self.complains_about}: {message[:300]}; leave --resume out")
        self.exit(2, f"{self.prog}: {one_line(message)} (see --help)\n")


def parser(doc, *names):
    """A parser with the shared options `names`; `doc` is the script's docstring, shown as is."""
    result = Parser(
        program(), description=doc, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for name in names:
        settings = dict(OPTIONS[name])
        result.add_argument(name, *settings.pop("aliases", ()), **settings)
    return result


def recorded(options, arguments, path):
    """The arguments in a run's record, each held to what it may be on the command line.

    options: the parser of the script. Raises ValueError that names the record, `path`.
    """
    known, line = vars(options.parse_args([])), []
    options.complains_about = path
    try:
        for name, value in arguments.items():
            option = f"--{name.replace('_', '-')}"
            if value in (None, known.get(name, False)):
                continue
            if name not in known:
                options.error(f"{name}: no option of this version")
            elif name == "cache" and value is False:
                line.append("--no-cache")
            else:
                line.append(option if value is True else f"{option}={value}")
        return options.parse_args(line)
    finally:
        options.complains_about = None


@contextmanager
def user_errors(interrupted="interrupted"):
    """What the user can mend (a missing file, a wrong value) ends the program: one line, exit 2.

    interrupted: what is said after Ctrl-C, unless that says more itself.
    """
    try:
        yield
    except BrokenPipeError:  # whoever read the output has enough
        sys.exit(141)
    except (OSError, ValueError) as error:
        sys.exit(_complain(error))
    except KeyboardInterrupt as error:
        notice(str(error) or interrupted)
        sys.exit(130)


def _complain(error):
    text = str(error)
    if isinstance(error, OSError) and error.filename:  # said by the system, not by us
        remedy = (
            "free some space" if error.errno in FULL else "name another, or make this one usable"
        )
        text = f"{error.filename}: {error.strerror}: {remedy}"
    if isinstance(error, FileNotFoundError) and error.filename:
        text = (
            f"{error.filename} is not there: get the files with `python download.py` or try --demo"
        )
    notice(f"{program()}: {one_line(text)}")
    return 2
