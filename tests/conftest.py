"""What several test files need: where the real files are, and the project on the path."""

import os
from pathlib import Path

import pytest

from tests.broken_server import BODY, BrokenServer

PROJECT = Path(__file__).resolve().parent.parent
# Files that take longest begin first, so that in the end no process waits for another.
LONGEST = [
    "test_fine_tuning.py", "test_alexnet.py", "test_scripts.py", "test_fuzz.py", "test_begun.py",
    "test_workers.py", "test_keras_networks.py", "test_second_network.py", "test_strangeness.py",
]  # fmt: skip


def pytest_collection_modifyitems(items):
    place = {name: number for number, name in enumerate(LONGEST)}
    items.sort(key=lambda item: place.get(item.path.name, len(place)))


@pytest.fixture(scope="session")
def lab_file():
    """A function from a name to its path in the folder ALEXNET_LAB_FILES; skips without it."""

    def find(name):
        folder = os.environ.get("ALEXNET_LAB_FILES")
        if not folder:
            pytest.skip("ALEXNET_LAB_FILES names no folder with the real files")
        path = Path(folder) / name
        if not path.exists():
            pytest.skip(f"{path} is not there")
        return path

    return find


@pytest.fixture(scope="session")
def demo_weights():
    """Random weights of the true shapes; to make them takes a second."""
    from lab.demo import stand_ins
    from lab.networks import ALEXNET

    return stand_ins.weights(ALEXNET)


@pytest.fixture
def full_float32():
    """TensorFlow on a GPU may round float32 products to 10 bits: too coarse for some tests."""
    import tensorflow as tf

    before = tf.config.experimental.tensor_float_32_execution_enabled()
    tf.config.experimental.enable_tensor_float_32_execution(False)
    yield
    tf.config.experimental.enable_tensor_float_32_execution(before)


@pytest.fixture
def server(monkeypatch):
    """A server on the loopback interface that has BODY and can be told to misbehave."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with BrokenServer({"/file.bin": BODY, "/good.bin": BODY}) as running:
        yield running
