"""A run whose training is under way: what goes in, and what it leaves in its folder."""

import platform
import shlex
import sys
import tempfile
from argparse import Namespace
from contextlib import redirect_stdout
from dataclasses import dataclass
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path
from shutil import rmtree

import keras
import numpy as np
import tensorflow as tf

from lab import device, inputs, networks
from lab.command_line import recorded
from lab.console import notice, say
from lab.data import splits
from lab.data.dataset import Dataset
from lab.data.images import digest as pictures_digest
from lab.demo import stand_ins
from lab.features.extraction import extract
from lab.files import replace
from lab.formats.weights import digest as weights_digest
from lab.runs import metrics, plots, report
from lab.runs import record as records
from lab.runs.run import LATEST, latest, softmax
from lab.training import heads
from lab.training.loop import best_epoch

DATA = "train.p"


@dataclass(eq=False)
class Begun:
    """A run from the first look at its input to the report.

    rows: those of the dataset that train, and those that validate.
    folder: None until the first result is there to be kept.
    """

    args: Namespace
    dataset: Dataset
    weights: dict
    rows: tuple
    record: records.Record
    folder: Path | None

    def features(self):
        """What the layer says about every picture: float16 [n, width], each computed once."""
        args, network = self.args, networks.named(self.args.network)
        features = extract(
            self.dataset.images, self.weights, args.preprocess, self.record.precision, args.cache,
            network, self.record.layer,
        )  # fmt: skip
        self.weights = None  # 244 MB nobody needs any more
        return features

    def keep(self):
        """The run folder, made when it is first asked for, and `OUT/latest` pointing to it."""
        if self.folder is None:
            out, name = Path(self.args.out), self.args.name or f"{self.record.started:{STAMP}}"
            self.folder = out / name
            self.folder.mkdir(parents=True)
            records.write(self.folder, self.record)
            _point(out / LATEST, name)
        return self.folder

    def watch(self, history):
        """Show an epoch to TensorBoard."""
        # Not in the run's own folder: there `latest` would show each run twice.
        board, row = self.folder.parent / "tensorboard" / self.folder.name, history.iloc[-1]
        for side, prefix in (("train", ""), ("validation", "val_")):
            with tf.summary.create_file_writer(str(board / side)).as_default():
                for figure in ("loss", "accuracy"):
                    tf.summary.scalar(figure, row[prefix + figure], step=int(row["epoch"]))

    def finish(self, head, history, features):
        """Write the head, figures, plots and report; the record of the run that has ended."""
        seen, unseen = map(self.dataset.take, self.rows)
        probabilities = softmax(heads.scores(head, features[self.rows[1]]))
        replace(self.folder / "head.keras", head.save)
        self._write_split(seen)
        self._draw(seen, unseen, probabilities, history)
        best = history.loc[history["val_loss"].idxmin()]
        seconds = (datetime.now(UTC) - self.record.started).total_seconds()
        figures = metrics.summary(unseen.labels, probabilities, unseen.tracks)
        ended = {
            "seconds": seconds,
            "metrics": {
                "train": {"loss": best["loss"], "accuracy": best["accuracy"]},
                "validation": figures,
            },
            "best_epoch": best_epoch(history),
        }
        self.record = records.Record.model_validate(self.record.model_dump() | ended)
        report.write(self.folder, self.record)
        records.write(self.folder, self.record)  # last: it says that all the others are there
        rmtree(self.folder / "checkpoints", ignore_errors=True)
        return self.record

    def _write_split(self, seen):
        training, validation = self.rows
        arrays = {"train": training, "validation": validation}
        arrays["hashes"] = np.sort(metrics.picture_hashes(seen.images))
        replace(self.folder / "split.npz", lambda path: np.savez(path, **arrays))

    def _draw(self, seen, unseen, probabilities, history):
        folder, labels, names = self.folder, unseen.labels, unseen.names
        sides = {"training": seen.labels, "validation": labels}
        plots.learning_curves(history, folder / "learning_curves.png")
        plots.confusion(labels, probabilities.argmax(1), names, folder / "confusion.png")
        plots.mistakes(unseen.images, labels, probabilities, names, folder / "mistakes.png")
        plots.class_balance(sides, names, folder / "class_balance.png")
        plots.reliability(labels, probabilities, folder / "reliability.png")

    def tell_what_random_hides(self, train, features):
        """After a random split, print what `train` reaches with no sign on both sides."""
        if self.record.split.kind == "track" or self.dataset.tracks is None:
            return
        args, dataset = self.args, self.dataset
        try:
            rows = splits.split(dataset.labels, dataset.tracks, args.val_fraction, args.seed)
        except ValueError as error:
            notice(f"Too few pictures to tell what the random split hides: {error}")
            return
        with tempfile.TemporaryDirectory() as folder, redirect_stdout(StringIO()):
            _, history = train(features, dataset, rows, args, Path(folder))
        honest = history.loc[history["val_loss"].idxmin(), "val_accuracy"]
        flattery = self.record.metrics.validation.accuracy - honest
        say(f"On signs never seen (--split track) the same training reaches {honest:.3f}", end="")
        if flattery > 0:
            say(f": the random split flatters by {flattery:.3f}, for it knows each sign")
        else:
            say(": with so few pictures the random split does not flatter")


STAMP = "%Y-%m-%dT%H%M%S.%fZ"


def begin(options, args, method):
    """Read and check all that the arguments name; go on with an earlier run if they say so.

    options: the parser of `args`. Raises OSError or ValueError for whatever the user can mend.
    """
    folder = None
    if args.resume:
        folder, before = _stopped(args)
        args = _as_begun(options, args, folder, before)
    network = networks.named(args.network)
    layer = args.layer or network.layer
    network.check_layer(layer)
    dataset = inputs.labelled(args, DATA, stand_ins.dataset)
    weights = inputs.weights(network, args.weights, args.demo)
    rows, split = _split(dataset, args)
    record = _described(args, method, layer, dataset, weights, split)
    if folder:
        record = _going_on(folder, before, record)
    else:
        _check_writable(args)
    notice(f"{len(rows[0]):,} pictures train, {len(rows[1]):,} validate")
    notice(f"Computing on the {device.name()}")
    return Begun(args, dataset, weights, rows, record, folder)


def _stopped(args):
    """The folder of the run to go on with, and its record."""
    folder = Path(args.out, args.name) if args.name else latest(args.out)
    if folder is None:
        raise FileNotFoundError(
            f"{Path(args.out, LATEST)}: expected a training run to go on with, found none: "
            "leave --resume out"
        )
    before = records.read(folder)
    if before.ended:
        raise ValueError(f"{folder}: this training has ended; leave --resume out to start another")
    return folder, before


def _as_begun(options, args, folder, before):
    """The arguments that the run was begun with."""
    notice(f"Going on with {folder} and the options it was begun with: {before.command}")
    begun = recorded(options, before.arguments, folder / "run.json")
    # "auto" might measure otherwise today, and the features would not be the same.
    begun.precision = before.precision
    begun.out, begun.name, begun.resume = args.out, args.name, True
    return begun


def _split(dataset, args):
    """The rows that train and those that validate; what was kept on one side."""
    groups = None if args.split == "random" else splits.groups_of(dataset, args.group_pattern)
    if groups is None and args.split == "track":
        data = args.data or DATA
        raise ValueError(f"{data}: which pictures show one sign is unknown: --split random")
    if groups is None and args.split is None:
        notice("Which pictures show the same thing is unknown: split at random, which flatters.")
    if groups is not None and dataset.tracks is None and not args.group_pattern:
        notice(
            "Copies of a picture are kept on one side of the split. What else belongs together "
            "only you can know: --group-pattern. Expect less on pictures from elsewhere."
        )
    rows = splits.split(dataset.labels, groups, args.val_fraction, args.seed)
    split = {"kind": "random", "train": len(rows[0]), "validation": len(rows[1])}
    if groups is not None:
        by = "tracks" if dataset.tracks is not None else "copies"
        split |= {"kind": "track", "by": "pattern" if args.group_pattern else by}
    return rows, split


def _described(args, method, layer, dataset, weights, split):
    """The record of a training that begins: all that its numbers depend on."""
    file = args.weights or networks.named(args.network).file
    tracks = None if dataset.tracks is None else len(np.unique(dataset.tracks))
    return records.Record(
        command=shlex.join(["python", Path(sys.argv[0]).name, *sys.argv[1:]]),
        arguments={**vars(args), "resume": False},
        started=datetime.now(UTC),
        versions={
            "python": platform.python_version(),
            "tensorflow": tf.__version__,
            "keras": keras.__version__,
            "numpy": np.__version__,
        },
        device=device.name(),
        method=method,
        network=args.network,
        layer=layer,
        preprocess=args.preprocess,
        precision=device.precision(args.precision).name,
        seed=args.seed,
        names=dataset.names,
        weights={
            "path": records.RANDOM if args.demo and args.weights is None else file,
            "sha256": weights_digest(weights),
        },
        data={
            "path": records.DRAWN if args.demo and args.data is None else args.data or DATA,
            "sha256": pictures_digest(dataset.images),
            "pictures": len(dataset),
            "tracks": tracks,
        },
        split=split,
    )


def _going_on(folder, before, record):
    """`record` with what it has from the run in `folder`, which must have the same input."""
    for what in ("data", "weights", "split"):
        begun, now = (getattr(each, what).model_dump() for each in (before, record))
        differing = [key for key in now if begun[key] not in (None, now[key])]
        if differing:
            key = differing[0]
            raise ValueError(
                f"{folder}: was begun with {what} of {key} {begun[key]}, found {now[key]}: "
                "put back what it was, or leave --resume out to start another run"
            )
    return record.model_copy(update={"command": before.command, "started": before.started})


def _check_writable(args):
    """Make the folder for runs if need be. OSError when nothing can be written there."""
    if args.name and Path(args.name).name != args.name:
        raise ValueError(f"--name {args.name}: expected a name, found a path: use --out for it")
    out = Path(args.out)
    if args.name and (args.name == LATEST or (out / args.name).exists()):
        raise ValueError(f"{out / args.name} is there already: give the run another --name")
    try:
        out.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=out):
            pass
    except OSError as error:
        raise OSError(
            f"{out}: runs cannot be kept here ({error.strerror}): name another folder with --out"
        ) from error


def _point(link, name):
    """For people: a link to the run begun last. Programs find it without (`run.latest`)."""
    unfinished = link.with_name(f"{LATEST}-{name}")
    try:
        unfinished.symlink_to(name, target_is_directory=True)
        unfinished.replace(link)
    except OSError:  # Windows allows links to few
        notice(f"{link} cannot be a link here; as the name of a run it works all the same")
