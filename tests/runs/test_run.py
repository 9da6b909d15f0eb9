"""A trained run looks at a picture once for all it says about it."""

import json
from pathlib import Path

import keras
import numpy as np
import pytest
from records import RECORD

from lab.runs import run as runs
from lab.runs import strangeness
from lab.runs.record import Record
from lab.runs.run import Run

CLASSES, WIDTH = 2, 12


def pixels_of(pictures, *_):
    return pictures.reshape(len(pictures), -1).astype(np.float16)


@pytest.fixture
def looked(monkeypatch):
    """How many pictures each look was at; a picture's pixels are its features."""
    looks = []

    def extract(pictures, *_):
        looks.append(len(pictures))
        return pixels_of(pictures)

    monkeypatch.setattr(runs, "extract", extract)
    return looks


@pytest.fixture
def pictures():
    return np.random.default_rng(0).integers(0, 256, (60, 2, 2, 3), np.uint8)


@pytest.fixture
def run(pictures):
    features, rows = pixels_of(pictures), (np.arange(40), np.arange(40, 60))
    usual, _ = strangeness.fit(features, np.arange(60) % CLASSES, rows)
    head = keras.Sequential([keras.Input([WIDTH]), keras.layers.Dense(CLASSES)])
    return Run(Path("run"), Record.model_validate_json(json.dumps(RECORD)), {}, head, usual)


def test_one_look_gives_probabilities_and_strangeness(run, pictures, looked):
    probabilities, strange = run.judged(pictures)
    assert looked == [60]
    np.testing.assert_array_equal(probabilities, run.probabilities(pictures))
    np.testing.assert_array_equal(strange, run.usual.of(pixels_of(pictures)))


def test_a_run_that_never_learned_what_is_usual_has_no_strangeness(run, pictures, looked):
    older = Run(run.folder, run.record, run.weights, run.head)
    assert older.judged(pictures)[1] is None


def test_what_is_said_of_features_is_what_is_said_of_their_pictures(run, pictures, looked):
    for found, expected in zip(
        run.judged_by(pixels_of(pictures)), run.judged(pictures), strict=True
    ):
        np.testing.assert_array_equal(found, expected)
