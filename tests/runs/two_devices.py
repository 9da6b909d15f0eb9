"""Fine-tunes on one device and on two logical ones, and prints both histories.

A program of its own, as logical devices must be set up before TensorFlow starts.
"""

import json
import sys
from contextlib import redirect_stdout

import narrow_alexnet
import pytest
from test_fine_tuning import stand_in

import train_finetuning
from lab.device import tf
from lab.runs import record

OPTIONS = [
    "--demo", "--epochs", "3", "--batch-size", "7", "--precision", "float32",
    "--unfreeze", "fc7", "--no-cache",
]  # fmt: skip

if __name__ == "__main__":
    processor = tf.config.list_physical_devices("CPU")[0]
    two = [tf.config.LogicalDeviceConfiguration()] * 2
    tf.config.set_logical_device_configuration(processor, two)
    stand_in(pytest.MonkeyPatch(), narrow_alexnet.weights())
    with redirect_stdout(sys.stderr):
        train_finetuning.main([*OPTIONS, "--name", "one"])
        train_finetuning.main([*OPTIONS, "--name", "two", "--distribute", "mirrored"])
    print(json.dumps([record.read_history(f"runs/{name}") for name in ("one", "two")]))
