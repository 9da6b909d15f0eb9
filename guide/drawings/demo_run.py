"""The run that the guide's pictures show: what `train_feature_extraction.py --demo` trains.

In float32, so that it comes out the same on every start, and kept for all pictures of one command.
"""

import tempfile
from contextlib import redirect_stdout
from dataclasses import dataclass
from functools import cache
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np

import train_feature_extraction
from lab.data import splits
from lab.data.dataset import Dataset
from lab.demo import stand_ins
from lab.features.extraction import extract
from lab.networks import ALEXNET
from lab.runs import strangeness
from lab.runs.run import softmax
from lab.training import heads


@dataclass(frozen=True, eq=False)
class Trained:
    """A head on fc7 of random weights; its history, and what is usual among its pictures."""

    weights: dict
    head: Any
    history: Any
    usual: strangeness.Strangeness

    def judged(self, pictures):
        """Probabilities [n, 43] and strangeness [n] of pictures uint8 RGB [n, 32, 32, 3]."""
        features = seen(pictures, self.weights)
        return softmax(heads.scores(self.head, features)), self.usual.of(features)


@dataclass(frozen=True, eq=False)
class Tested:
    """Drawn signs that the head has not seen, and what it says about them."""

    dataset: Dataset
    probabilities: np.ndarray
    strangeness: np.ndarray

    @property
    def right(self):
        return self.probabilities.argmax(1) == self.dataset.labels


def seen(pictures, weights):
    """What fc7 says about pictures: float16 [n, 4096]."""
    return extract(pictures, weights, precision="float32")


@cache
def trained():
    args = train_feature_extraction.command_line().parse_args(["--demo"])
    dataset, weights = stand_ins.dataset(), stand_ins.weights(ALEXNET)
    rows = splits.split(dataset.labels, dataset.tracks, args.val_fraction, args.seed)
    features = seen(dataset.images, weights)
    with tempfile.TemporaryDirectory() as folder, redirect_stdout(StringIO()):
        head, history = train_feature_extraction.train(features, dataset, rows, args, Path(folder))
    usual, _ = strangeness.fit(features, dataset.labels, rows, args.seed)
    return Trained(weights, head, history, usual)


@cache
def tested():
    dataset = stand_ins.test_set("signs")
    return Tested(dataset, *trained().judged(dataset.images))
