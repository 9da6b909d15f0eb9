"""The four ways to learn a case, each by the very functions of steps 4 and 5.

Who measures is `benchmarks.methods`; what is learned says `benchmarks.cases`.
"""

import time
from collections.abc import Callable
from contextlib import redirect_stdout
from dataclasses import dataclass, replace
from functools import cache
from io import StringIO
from shutil import rmtree
from typing import Any

import numpy as np
import tensorflow as tf

import train_feature_extraction
import train_finetuning
from benchmarks import cases
from benchmarks.plan import BELOW, FINE_TUNING, ON_TOP, SCRATCH
from feature_extraction import new_layer
from lab import device
from lab.data import images
from lab.data.sources import load
from lab.demo import stand_ins
from lab.demo.signs import draw
from lab.features.extraction import extract
from lab.formats.weights import digest as weights_digest
from lab.networks import ALEXNET
from lab.runs.fine_tuning import AT_ONCE
from lab.runs.metrics import accuracy_interval
from lab.training import augmentation, heads, loop, tuned_layers
from lab.training.tuned import Tuned

TOP = ALEXNET.layer
LOWER = [name for name in ALEXNET.layers if name != TOP]
DRAWN = 43 * 30  # signs, six tracks of each
BATCH = 32  # of few pictures more steps can be made so than with the 128 of step 5


@dataclass(frozen=True, eq=False)
class Trained:
    """A network and its head on what `layer` says, and the minutes they took to train.

    scores: of pictures [n, 32, 32, 3]: [n, classes]. loss: the lowest on validation.
    """

    weights: dict
    layer: str
    head: Any
    scores: Callable
    minutes: float
    loss: float


def head_on(layer, case, weights, seed, folder):
    """The best head there is on what a layer of the frozen network says (L-BFGS)."""
    options = ["--solver", "lbfgs", "--seed", str(seed)]
    args = train_feature_extraction.command_line().parse_args(options)
    begin = time.perf_counter()
    features = extract(case.dataset.images, weights, cache=False, layer=layer)
    with redirect_stdout(StringIO()):
        head, history = train_feature_extraction.train(
            features, case.dataset, case.rows, args, folder
        )
    minutes = (time.perf_counter() - begin) / 60

    def scores(pictures):
        return heads.scores(head, extract(pictures, weights, cache=False, layer=layer))

    return Trained(weights, layer, head, scores, minutes, history["val_loss"].min())


def head_on_top(case, weights, plan, seed, folder):
    return head_on(TOP, case, weights, seed, folder)


def head_below(case, weights, plan, seed, folder):
    """A head on the layer below the top that validates best; the minutes are those of all."""
    tried = [head_on(layer, case, weights, seed, folder) for layer in LOWER]
    best = min(tried, key=lambda trained: trained.loss)
    return replace(best, minutes=sum(trained.minutes for trained in tried))


def fine_tuned(case, weights, plan, seed, folder):
    """All layers learn on from the head on the top, as step 5 does from the run of step 4."""
    begun = head_on_top(case, weights, plan, seed, folder)
    found = _unfrozen(case, weights, begun.head, plan, seed, folder)
    return replace(found, minutes=found.minutes + begun.minutes)


def from_scratch(case, weights, plan, seed, folder):
    """The same steps from random weights, which is what `weights` would be without pretraining."""
    random = stand_ins.he_normal(ALEXNET, seed)
    untrained = new_layer(ALEXNET.layers[TOP], len(case.dataset.names), seed)
    return _unfrozen(case, random, untrained, plan, seed, folder)


METHODS = {
    ON_TOP: head_on_top,
    BELOW: head_below,
    FINE_TUNING: fine_tuned,
    SCRATCH: from_scratch,
}


def measured(case, weights, method, plan, seed, folder):
    """What a method reaches on the test of a case: a row of the table, without its key.

    plan: how many epochs, and how many pictures are at least in one. folder: keeps what a training
        that was stopped goes on from.
    """
    found = METHODS[method](case, weights, plan, seed, folder)
    right = found.scores(case.test.images).argmax(1) == case.test.labels
    low, high = accuracy_interval(right, case.test.tracks)
    return {
        "pictures": case.training,
        "classes": len(case.dataset.names),
        "layer": found.layer,
        "accuracy": float(right.mean()),
        "low": low,
        "high": high,
        "minutes": found.minutes,
    }


def _unfrozen(case, weights, head, plan, seed, folder):
    """All of the network with this head, trained by step 5 with the augmentation of signs.

    That mirrors only signs, so digits are safe; no other option of step 5 would be.
    """
    options = ["--epochs", plan.epochs, "--batch-size", BATCH, "--seed", seed]
    args = train_finetuning.command_line().parse_args([*map(str, options)])
    case = case.repeated(plan.pictures)
    dataset, names = case.dataset, case.dataset.names
    precision = device.precision()
    model = Tuned(
        ALEXNET, weights, head, TOP, "all", dtype=precision, dropout=args.dropout, seed=seed
    )
    augment = augmentation.by_epoch(augmentation.of("signs", names), len(dataset), seed)
    equal = loop.weights_of(dataset.labels, case.rows[0])
    examples = loop.Examples(dataset.images, dataset.labels, equal, len(names), AT_ONCE, augment)
    with redirect_stdout(StringIO()):
        history = train_finetuning.train(model, examples, case.rows, args, folder)
    found = {name: tuple(map(tf.constant, layer)) for name, layer in model.weights_now().items()}
    minutes = float(history["seconds"].sum()) / 60

    def scores(pictures):  # not by `extract`: from scratch fc7 may grow beyond float16
        starts = range(0, len(pictures), AT_ONCE)
        return np.concatenate([model(pictures[start : start + AT_ONCE]) for start in starts])

    return Trained(found, TOP, model.head, scores, minutes, history["val_loss"].min())


# ---- in a process of its own ---------------------------------------------------------------------


@cache
def pictures(data):
    """A few frames of each track of the file `data`, or of drawn signs when it is None."""
    dataset = load(data) if data else draw(DRAWN)
    if dataset.tracks is None or not isinstance(dataset.images, np.ndarray):
        raise ValueError(
            f"{data}: expected small pictures whose tracks are known, as in train.p; "
            "`python download.py train` gets it"
        )
    return cases.thinned(dataset)


@cache
def weights_of(file):
    """The weights in a file, or random ones when it is None."""
    return ALEXNET.module.load_weights(file) if file else stand_ins.he_normal(ALEXNET)


def digest(plan):
    """What all figures of a table depend on, as short text."""
    parts = images.digest(pictures(plan.data).images), weights_digest(weights_of(plan.weights))
    return "-".join([f"{plan.epochs}x{plan.pictures}", *(part[:8] for part in parts)])


def row(task, method, plan, seed, home):
    """What a method reaches at a task: see `measured`.

    home: a folder; keeps networks that several rows start from, and trainings that were stopped.
    """
    signs, weights = pictures(plan.data), weights_of(plan.weights)
    ours, others = cases.halves(signs, seed)
    if task.source == "signs":
        weights = _pretrained(ours, weights, plan, seed, home)
    dataset = {"signs": signs, "other signs": others}.get(task.target) or cases.digits()
    folder = home / f"{task.target}-{task.tracks}-{method}-{seed}".replace(" ", "-")
    folder.mkdir(exist_ok=True)
    found = measured(cases.case(dataset, task.tracks, seed), weights, method, plan, seed, folder)
    rmtree(folder)
    return found


def _pretrained(dataset, weights, plan, seed, home):
    """The network fine-tuned on a Dataset, all of its test left out; from `home` if it is there."""
    folder = home / f"source-{seed}"
    if not (folder / tuned_layers.FILE).exists():
        folder.mkdir(exist_ok=True)
        case = cases.case(dataset, None, seed)
        tuned_layers.write(folder, fine_tuned(case, weights, plan, seed, folder).weights)
        rmtree(folder / "checkpoints")
    layers = tuned_layers.read(folder, ALEXNET.module.KERNELS)
    return {name: tuple(map(tf.constant, layer)) for name, layer in layers.items()}
