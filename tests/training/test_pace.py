"""How long fine-tuning goes on where nobody says."""

import math

import pytest

from train_finetuning import STEPS, pace


@pytest.mark.parametrize("pictures", [1, 20, 684, 4999, 5000, 26_159])
def test_there_are_steps_enough(pictures):
    found = pace(pictures)
    assert found["epochs"] * math.ceil(pictures / found["batch_size"]) >= STEPS


def test_many_pictures_come_five_times_in_large_batches():
    assert pace(26_159) == {"epochs": 5, "batch_size": 128}


def test_few_come_more_often_in_small_ones():
    assert pace(684) == {"epochs": 23, "batch_size": 32}


def test_what_was_asked_for_stays():
    assert pace(684, epochs=2) == {"epochs": 2, "batch_size": 32}
    assert pace(684, epochs=2, batch_size=128) == {"epochs": 2, "batch_size": 128}
    assert pace(684, batch_size=128) == {"epochs": 84, "batch_size": 128}
