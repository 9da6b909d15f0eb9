"""A run whose training is under way: what goes in, and what it leaves in its folder."""

import dataclasses
import platform
import shlex
import sys
import tempfile
from argparse import Namespace
from contextlib import ExitStack, contextmanager, redirect_stdout
from datetime import UTC, datetime
from functools import partial
from io import StringIO
from pathlib import Path
from shutil import rmtree

import keras
import numpy as np
import tensorflow as tf

from lab import cluster, device, inputs, networks
from lab.command_line import recorded
from lab.console import notice, say
from lab.data import splits
from lab.data.dataset import Dataset, listed
from lab.data.images import digest as pictures_digest
from lab.demo import stand_ins
from lab.features.extraction import extract
from lab.files import replace
from lab.formats.weights import digest as weights_digest
from lab.runs import asked, folders, metrics, pictures, plots, report, starting, strangeness
from lab.runs import record as records
from lab.runs.run import Run, softmax
from lab.training import heads
from lab.training.loop import best_epoch

# The side of the split on which a class is absent -> what comes of it.
ABSENT = {
    "train": "nothing learns to tell them, so all their pictures are mistaken",
    "validate": "they are learned, but how well is not measured",
}
STAMP = "%Y-%m-%dT%H%M%S.%fZ"


@contextmanager
def begin(options, args, method):
    """A Begun, when all that the arguments name was read and checked; for the block alone.

    options: the parser of `args`, which may say to go on with an earlier run.
    Raises OSError or ValueError for whatever the user can mend.
    """
    with cluster.explained(), ExitStack() as held:
        folder = before = None
        if args.resume:
            folder, before = folders.stopped(args.out, args.name)
        distribute = (before.arguments if before else vars(args)).get("distribute")
        writes = cluster.writes(distribute)
        if before and writes:
            held.enter_context(folders.held(folder))
        if before:
            args = _as_begun(options, args, method, folder, before)
        strategy = cluster.strategy(distribute)
        start = starting.run(args)
        if start and not before:
            args = starting.arguments(options, args, start)
        run = _read(args, method, held, start, strategy)
        if before:
            run.go_on(folder, before)
        elif writes:
            folders.check_writable(Path(args.out))
        cluster.check_same(strategy, run.facts())
        training, validation = run.rows
        notice(f"{len(training):,} pictures train, {len(validation):,} validate")
        notice(f"Computing on the {device.name()}")
        try:
            yield run
        except OSError as error:
            remedy = ", then go on with --resume" if run.folder else ""
            raise OSError(f"{error}{remedy}") from error
        except KeyboardInterrupt:
            remedy = f"; go on with {asked.resuming(run.folder, method)}" if run.folder else ""
            raise KeyboardInterrupt(f"interrupted{remedy}") from None


@dataclasses.dataclass(eq=False)
class Begun:
    """A run from the first look at its input to the report.

    rows: those of the dataset that train, and those that validate.
    held: what ends with the run, such as the lock of its folder.
    start: the trained run that it goes on from, if any.
    folder: None until the first result is there to be kept.
    strategy: how devices share the training.
    """

    args: Namespace
    dataset: Dataset
    weights: dict
    rows: tuple
    record: records.Record
    held: ExitStack
    start: Run | None = None
    folder: Path | None = None
    strategy: tf.distribute.Strategy = dataclasses.field(default_factory=tf.distribute.get_strategy)

    @property
    def writes(self):
        """Whether results are kept, as they are by the first of several machines."""
        return cluster.place(self.strategy)[0] == 0

    def facts(self):
        """What all machines must have in common that share the training -> its value."""
        record, own = self.record, ("out", "name", "run", "weights", "data", "cache")
        options = {name: value for name, value in record.arguments.items() if name not in own}
        return {
            "the options it was started with": f"{options}",
            "its pictures": record.data.sha256,
            "its weights": record.weights.sha256,
            "the run it starts from": f"{record.start and record.start.sha256}",
            "what computes fastest there: name a --precision": record.precision,
        }

    def go_on(self, folder, before):
        """Take up what was begun `before` in a folder. ValueError unless it had the same input."""
        record, remedy = self.record, "leave --resume out to start another run"
        if not record.drawn:
            remedy = f"put it back, or {remedy}"
        pictures.check_same(folder, before, self.dataset, record.data.sha256, remedy)
        if record.weights.sha256 != before.weights.sha256:
            found = f"{record.weights.path} holds other weights than the run was begun with"
            raise ValueError(f"{folder}: {found}; {remedy}")
        if record.start != before.start:
            found = f"{self.args.run} is not as it was when the run was begun from it"
            raise ValueError(f"{folder}: {found}; {remedy}")
        if record.split != before.split.model_copy(update={"by": record.split.by}):
            raise ValueError(f"{folder}: its pictures were split otherwise; {remedy}")
        update = {"command": before.command, "started": before.started}
        self.folder, self.record = folder, record.model_copy(update=update)

    def features(self):
        """What the layer says about every picture: float16 [n, width], each computed once."""
        args, network = self.args, networks.named(self.args.network)
        features = extract(
            self.dataset.images, self.weights, args.preprocess, self.record.precision, args.cache,
            network, self.record.layer,
        )  # fmt: skip
        self.weights = None  # 244 MB nobody needs any more
        return features

    def note(self, **arguments):
        """Go by what was chosen where the command line left it open, and put it on record."""
        vars(self.args).update(arguments)
        arguments = {**self.record.arguments, **arguments}
        self.record = self.record.model_copy(update={"arguments": arguments})

    def keep(self):
        """The run folder, made when it is first asked for, and `OUT/latest` pointing to it."""
        if self.folder is None:
            out, name = Path(self.args.out), self.args.name or f"{self.record.started:{STAMP}}"
            if not self.writes:
                return out / name  # of which nothing is there to go on from
            folders.check_free(out, name)
            self.held.enter_context(folders.held(out / name))
            pictures.note(out / name, self.dataset.images)
            records.write(out / name, self.record)
            self.folder = out / name
            folders.point(out, name)
        return self.folder

    def watch(self, history):
        """Show an epoch to TensorBoard."""
        board, row = self.folder.parent / folders.BOARD / self.folder.name, history.iloc[-1]
        try:
            for side, prefix in (("train", ""), ("validation", "val_")):
                with tf.summary.create_file_writer(str(board / side)).as_default():
                    for figure in ("loss", "accuracy"):
                        tf.summary.scalar(figure, row[prefix + figure], step=int(row["epoch"]))
        except tf.errors.OpError as error:
            raise OSError(
                f"{board}: cannot be written; free some space or make this folder writable"
            ) from error

    def finish(self, head, history, features):
        """Write the head, figures, plots and report; the record of the run that has ended."""
        seen, unseen = map(self.dataset.take, self.rows)
        probabilities = softmax(heads.scores(head, features[self.rows[1]]))
        replace(self.folder / "head.keras", head.save)
        self._write_split(seen)
        strange = self._learn_what_is_usual(features)
        self._draw(seen, unseen, probabilities, history)
        best = history.loc[history["val_loss"].idxmin()]
        validation = metrics.summary(unseen.labels, probabilities, unseen.tracks)
        ended = {
            "seconds": (datetime.now(UTC) - self.record.started).total_seconds(),
            "metrics": {
                "train": {"loss": best["loss"], "accuracy": best["accuracy"]},
                "validation": {**validation, "strange": strange},
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

    def _learn_what_is_usual(self, features):
        """Write what tells strange pictures; the share of its false alarms on validation."""
        labels, tracks, validation = self.dataset.labels, self.dataset.tracks, self.rows[1]
        usual, values = strangeness.fit(features, labels, self.rows, self.args.seed)
        replace(self.folder / strangeness.FILE, usual.save)
        groups = None if tracks is None else tracks[validation]
        return strangeness.false_alarms(values, groups)

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
        if not np.intersect1d(*(dataset.tracks[side] for side in self.rows)).size:
            say("No sign happens to be on both sides: of so few pictures both splits say the same")
            return
        try:
            rows = splits.split(dataset.labels, dataset.tracks, args.val_fraction, args.seed)
        except ValueError as error:
            notice(f"Too few pictures to tell what the random split hides: {error}")
            return
        notice("Once more, with no sign on both sides: what does the random split hide?")
        with tempfile.TemporaryDirectory() as folder, redirect_stdout(StringIO()):
            _, history = train(features, dataset, rows, args, Path(folder))
        honest = history.loc[history["val_loss"].idxmin(), "val_accuracy"]
        flattery = self.record.metrics.validation.accuracy - honest
        say(f"On signs never seen (--split track) the same training reaches {honest:.3f}", end="")
        if flattery > 0:
            say(f": the random split flatters by {flattery:.3f}, for it knows each sign")
        else:
            say(": with so few pictures the random split does not flatter")


def _as_begun(options, args, method, folder, before):
    """The arguments that the run in `folder` was begun with."""
    if before.method != method:
        raise ValueError(f"{folder}: is a run of {before.method}: go on with it where it was begun")
    begun = recorded(options, before.arguments, folder / "run.json")
    vars(begun).update(before.files)
    ignored = _ignored(options, args, begun)
    ignored = ignored and f"; what is asked for now is ignored: {ignored}"
    notice(f"Going on with {folder} and the options it was begun with: {before.command}{ignored}")
    # "auto" might measure otherwise today, and the features would not be the same.
    begun.precision = before.precision
    begun.out, begun.name, begun.resume = args.out, args.name, True
    return begun


def _ignored(options, args, begun):
    """The options typed now that the run was begun without, or with other values."""
    usual = {**vars(options.parse_args([])), "out": args.out, "name": args.name, "resume": True}
    typed = [name for name, value in vars(args).items() if value != usual[name]]
    others = [name for name in typed if getattr(args, name) != getattr(begun, name)]
    option = {"cache": "--no-cache"}
    return ", ".join(option.get(name, f"--{name.replace('_', '-')}") for name in others)


def _read(args, method, held, start, strategy):
    """A Begun of what the arguments name."""
    network = networks.named(args.network)
    layer = args.layer or network.layer
    network.check_layer(layer)
    dataset = inputs.labelled(args, inputs.DATA, partial(stand_ins.dataset, network.subject))
    weights = start.weights if start else inputs.weights(network, args.weights, args.demo)
    rows, split = _split(dataset, args)
    record = _described(args, method, layer, dataset, weights, split)
    if start:
        remedy = "put it back, or train a head on what is there now"
        pictures.check_same(start.folder, start.record, dataset, record.data.sha256, remedy)
        file = start.record.weights  # whose layers the run `start` may have trained since
        file = file.model_copy(update={"path": args.weights or file.path})
        update = {"weights": file, "start": starting.described(start)}
        update["hidden"] = start.record.hidden
        start = dataclasses.replace(start, weights=None)  # the run's own from here on
        record = record.model_copy(update=update)
    return Begun(args, dataset, weights, rows, record, held, start, strategy=strategy)


def _split(dataset, args):
    """The rows that train and those that validate; what was kept on one side."""
    groups = None if args.split == "random" else splits.groups_of(dataset, args.group_pattern)
    if groups is None and args.split == "track":
        data = args.data or inputs.DATA
        raise ValueError(f"{data}: which pictures show one sign is unknown: --split random")
    if groups is None and args.split is None:
        notice("Which pictures show the same thing is unknown: split at random, which flatters.")
    if groups is not None and dataset.tracks is None and not args.group_pattern:
        notice(
            "Copies of a picture are kept on one side of the split. What else belongs together "
            "only you can know: --group-pattern. Expect less on pictures from elsewhere."
        )
    rows = splits.split(dataset.labels, groups, args.val_fraction, args.seed)
    _name_absent(dataset, rows)
    split = {"kind": "random", "train": len(rows[0]), "validation": len(rows[1])}
    if groups is not None:
        by = "tracks" if dataset.tracks is not None else "copies"
        split |= {"kind": "track", "by": "pattern" if args.group_pattern else by}
    return rows, split


def _name_absent(dataset, rows):
    """Say which classes are on one side of the split alone."""
    for (side, outcome), present in zip(ABSENT.items(), rows, strict=True):
        absent = np.setdiff1d(dataset.labels, dataset.labels[present])
        if absent.size:
            names = listed([dataset.names[label] for label in absent])
            notice(f"Classes with too few pictures, or groups, to {side} with: {names}: {outcome}")


def _described(args, method, layer, dataset, weights, split):
    """The record of a training that begins: all that its numbers depend on."""
    network = networks.named(args.network)
    file, data = args.weights or network.file, args.data or inputs.DATA
    tracks = None if dataset.tracks is None else len(np.unique(dataset.tracks))
    return records.made(
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
        precision=network.precision(args.precision).name,
        seed=args.seed,
        hidden=vars(args).get("hidden"),
        names=dataset.names,
        weights={
            "path": records.RANDOM if args.demo and args.weights is None else file,
            "sha256": weights_digest(weights),
        },
        data={
            "path": records.DRAWN[network.subject] if args.demo and args.data is None else data,
            "sha256": pictures_digest(dataset.images),
            "pictures": len(dataset),
            "tracks": tracks,
        },
        split=split,
    )
