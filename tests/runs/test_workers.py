"""Two processes on the loopback interface fine-tune together, and one of them dies."""

import json
import os
import socket
import subprocess
import sys
from argparse import Namespace
from contextlib import ExitStack
from pathlib import Path

import pytest
from conftest import PROJECT
from one_worker import narrow

import train_finetuning
from lab.runs import record

pytestmark = pytest.mark.timeout(900)  # processors may be busy

TESTS = Path(__file__).parent
OPTIONS = [
    "--network", "vgg16", "--demo", "--epochs", "3", "--batch-size", "7", "--precision", "float32",
    "--unfreeze", "fc6", "--augment", "photos", "--learning-rate", "1e-3",
]  # fmt: skip
FIGURES = ("loss", "accuracy", "val_loss", "val_accuracy")
SECONDS = 240  # after which a process is ended; on quiet processors it needs ten


def free_addresses(count):
    with ExitStack() as held:
        sockets = [held.enter_context(socket.create_server(("", 0))) for _ in range(count)]
        return [f"127.0.0.1:{each.getsockname()[1]}" for each in sockets]


def worker(place, addresses, index, options, **environment):
    """A process in a folder of its own."""
    (folder := place / f"worker{index}").mkdir(exist_ok=True)
    task = {"type": "worker", "index": index}
    environment |= {
        "TF_CONFIG": json.dumps({"cluster": {"worker": addresses}, "task": task}),
        "PYTHONPATH": os.pathsep.join(map(str, (PROJECT, TESTS, TESTS.parent))),
        "ALEXNET_LAB_CACHE": str(place / "cache"),
    }
    return subprocess.Popen(
        [sys.executable, TESTS / "one_worker.py", "--out", place / "runs", *options],
        cwd=folder, env=os.environ | environment, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def together(place, *options, **environment):
    """Two workers, when both have ended: code, out, err. The second has more of an environment."""
    addresses = free_addresses(2)
    started = [
        worker(place, addresses, 0, options),
        worker(place, addresses, 1, options, **environment),
    ]
    try:
        said = [process.communicate(timeout=SECONDS) for process in started]
    finally:
        for process in started:
            process.kill()
    return [
        Namespace(code=process.returncode, out=out, err=err)
        for process, (out, err) in zip(started, said, strict=True)
    ]


def last_line(text):
    return text.splitlines()[-1]


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """What two workers did until one died, what they did when started again, and where."""
    place = tmp_path_factory.mktemp("lab")
    options = [*OPTIONS, "--distribute", "multiworker"]
    killed = together(place, *options, "--name", "two", KILLED_AFTER="2")
    resumed = together(place, "--resume")
    return Namespace(place=place, runs=place / "runs", killed=killed, resumed=resumed)


@pytest.fixture(scope="module")
def alone(lab):
    """The history of one process that learns from the same batches."""
    with pytest.MonkeyPatch.context() as patch:
        narrow(patch)
        train_finetuning.main([*OPTIONS, "--out", str(lab.runs), "--name", "one", "--no-cache"])
    return record.read_history(lab.runs / "one")


def test_when_a_worker_dies_the_other_ends_and_says_so_in_a_line(lab):
    first, second = lab.killed
    assert (first.code, second.code) == (2, -9), first.err
    assert "another worker has ended" in last_line(first.err)
    assert "start all workers again, with --resume" in last_line(first.err)


def test_started_again_all_go_on_and_come_to_the_losses_of_one_process(lab, alone):
    assert [each.code for each in lab.resumed] == [0, 0], lab.resumed[0].err
    assert all("Going on after epoch 2" in each.err for each in lab.resumed)
    history = record.read_history(lab.runs / "two")
    assert len(history) == len(alone) == 3
    for epoch, expected in zip(history, alone, strict=True):
        found = [epoch[figure] for figure in FIGURES]
        assert found == pytest.approx([expected[figure] for figure in FIGURES], rel=1e-4)


def test_the_run_is_as_good_as_that_of_one_process(lab, alone):
    two, one = (record.read(lab.runs / name) for name in ("two", "one"))
    assert two.best_epoch == one.best_epoch
    assert two.metrics.validation.accuracy == one.metrics.validation.accuracy


def test_only_the_first_worker_writes_and_prints(lab):
    assert not any((lab.place / "worker1").iterdir())
    assert "Validation Accuracy" in lab.resumed[0].out
    assert "Report: " in lab.resumed[0].out
    assert lab.resumed[1].out == ""
