"""The numbers that the course printed in 2016, which only its own weights give."""

import numpy as np
import pytest
from PIL import Image
from scipy.stats import kurtosis

from alexnet import load_weights
from caffe_classes import class_names
from imagenet_inference import classify

# fmt: off
COURSE = {
    "poodle.png": {
        "miniature poodle": 0.389, "toy poodle": 0.223, "Bedlington terrier": 0.173,
        "standard poodle": 0.150, "komondor": 0.026,
    },
    "weasel.png": {
        "weasel": 0.331, "polecat, fitch, foulmart, foumart, Mustela putorius": 0.280,
        "black-footed ferret, ferret, Mustela nigripes": 0.210, "mink": 0.081,
        "Arctic fox, white fox, Alopex lagopus": 0.027,
    },
    "construction.jpg": {
        "screen, CRT screen": 0.051, "digital clock": 0.041, "laptop, laptop computer": 0.030,
        "balance beam, beam": 0.027, "parallel bars, bars": 0.023,
    },
    "stop.jpg": {
        "digital watch": 0.395, "digital clock": 0.275, "bottlecap": 0.115,
        "stopwatch, stop watch": 0.104, "combination lock": 0.086,
    },
}
# fmt: on


@pytest.fixture(scope="module")
def published(lab_file):
    """The weights of 2012, not stand-ins: numbers that training found have long tails."""
    weights = load_weights(lab_file("bvlc-alexnet.npy"))
    if kurtosis(np.ravel(weights["fc7"][0])) < 0.5:
        pytest.skip("bvlc-alexnet.npy is a stand-in: its fc7 is random")
    return weights


def top(name, weights, convention, lab_file, count=5):
    """Name -> probability of the most probable classes of that picture."""
    picture = np.asarray(Image.open(lab_file("pictures") / name).convert("RGB"))
    (probabilities,) = np.asarray(classify([picture], weights, convention))
    best = np.argsort(-probabilities)[:count]
    return {class_names[index]: float(probabilities[index]) for index in best}


@pytest.mark.parametrize("name", COURSE)
def test_with_the_course_s_preparation_it_says_what_it_said_in_2016(name, published, lab_file):
    found = top(name, published, "course", lab_file)
    assert [*found] == [*COURSE[name]]
    assert found == pytest.approx(COURSE[name], abs=0.005)


@pytest.mark.parametrize("name", ["poodle.png", "weasel.png"])
def test_prepared_as_it_was_trained_it_sees_the_same_animal(name, published, lab_file):
    (winner,) = top(name, published, "caffe", lab_file, count=1)
    assert winner == next(iter(COURSE[name]))


def test_every_name_above_is_one_of_imagenet_s():
    assert {name for expected in COURSE.values() for name in expected} <= {*class_names}
