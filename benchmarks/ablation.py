"""What each part of fine-tuning's recipe brings: the default, and the same with one part changed.

    python -m benchmarks.ablation --data train.p               2,000 pictures: an hour and a half
    python -m benchmarks.ablation --data train.p --limit 20000 four times that, and surer

Every training is a run of its own in `runs/ablation`; one that is there is not made again, so the
same command goes on after whatever stopped it. The table is runs/ablation.csv.
"""

import functools
import json
import shutil
import sys
from pathlib import Path

import pandas as pd

from benchmarks.commands import run
from lab import inputs
from lab.command_line import parser, user_errors, whole_number
from lab.console import notice, say
from lab.files import replace, replace_text
from lab.locks import locked
from lab.networks import ALEXNET

# What is changed -> Python that changes it before the training begins, and options.
PARTS = {
    "nothing: the default recipe": ("pass", []),
    "the same pictures in every epoch": ("pass", ["--augment", "none"]),
    "other light, but the same pose": (
        "from lab.training import augmentation as a; still = a.Pose(0, 0, 0, 0, 0);"
        "a.CHOICES['signs'] = lambda names: a.signs(names, pose=still)",
        [],
    ),
    "no mirrored signs": (
        "from lab.data import mirrors; mirrors.labels = lambda names: [-1] * len(names)",
        [],
    ),
    "no dropout": ("pass", ["--dropout", "0"]),
    "dropout of one half, as in 2012": ("pass", ["--dropout", "0.5"]),
    "one step size for all layers": ("train_finetuning.FASTER = 1", []),
    "dense layers ten times as fast": ("train_finetuning.FASTER = 10", []),
    "no weight decay": ("train_finetuning.WEIGHT_DECAY = 0", []),
    "from a trained head": ("pass", ["--run"]),
}
TRAIN = "import sys, {script}; {change}; sys.exit({script}.main(sys.argv[1:]))"


def trained(part, seed, options):
    """The validation accuracy of a training with that part changed."""
    change, more = PARTS[part]
    options = {**options, "--seed": str(seed)}
    if more == ["--run"]:
        accuracy("train_feature_extraction", "pass", {**options, "--name": f"head-{seed}"})
        more = ["--run", str(Path(options["--out"], f"head-{seed}"))]
        options = {name: options[name] for name in ("--weights", "--out")}  # it knows the others
    name = f"{[*PARTS].index(part)}-{seed}"
    return accuracy("train_finetuning", change, {**options, "--name": name}, more)


def accuracy(script, change, options, more=()):
    """Of the validation pictures, after a run that is made unless it is there."""
    folder = Path(options["--out"], options["--name"])
    if not _measured(folder):
        shutil.rmtree(folder, ignore_errors=True)  # it was stopped half way
        typed = [word for pair in options.items() for word in pair]
        run("-c", TRAIN.format(script=script, change=change), *typed, *more)
    return _measured(folder)["accuracy"]


def _measured(folder):
    """What a run that has ended says of its validation pictures; None of any other."""
    record = folder / "run.json"
    metrics = record.exists() and json.loads(record.read_text()).get("metrics")
    return metrics["validation"] if metrics else None


def hold_to_settings(out, settings):
    """Note the settings of the runs in `out`; ValueError when those there were made with others."""
    file, text = out / "settings.json", json.dumps(settings, indent=2)
    noted = file.read_text(encoding="utf-8") if file.exists() else None
    if noted != text and any(out.glob("*/run.json")):
        raise ValueError(f"{out}: its runs are of other settings: name another --out")
    replace_text(file, text)


def command_line():
    options = parser(__doc__, "--weights", "--data", "--limit")
    options.add_argument(
        "--seeds", type=whole_number, default=2, metavar="N", help="repetitions (2)"
    )
    options.add_argument(
        "--out", type=Path, default=Path("runs/ablation"), metavar="DIR",
        help="the runs; the table beside it (default: runs/ablation)",
    )  # fmt: skip
    options.set_defaults(limit=2000)
    return options


def main(argv=None):
    args = command_line().parse_args(argv)
    with user_errors("interrupted; the same command goes on"):
        files = {
            "--weights": inputs.weights_file(ALEXNET, args.weights, False),
            "--data": inputs.data_file(args.data, inputs.DATA, False),
        }
        options = {**files, "--limit": args.limit, "--out": args.out}
        options = {name: str(value) for name, value in options.items()}
        args.out.mkdir(parents=True, exist_ok=True)
        found = {}
        with locked(args.out / "table", "measuring for the same table"):
            hold_to_settings(args.out, {**options, "parts": PARTS})
            for seed in range(args.seeds):
                for part in PARTS:
                    found.setdefault(part, []).append(trained(part, seed, options))
                    notice(f"{part}, seed {seed}: {found[part][-1]:.4f}")
        table = pd.DataFrame.from_dict(found, "index")
        replace(args.out.with_suffix(".csv"), functools.partial(table.to_csv, index_label="part"))
        say(table.to_string(float_format="{:.4f}".format))


if __name__ == "__main__":
    sys.exit(main())
