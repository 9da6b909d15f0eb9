"""Measurements of whole commands, as a person types them: seconds."""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
FIRST_RESULT = """
import sys, time
import tensorflow
begin = time.perf_counter()
import imagenet_inference
imagenet_inference.main(sys.argv[1:])
print("Seconds:", time.perf_counter() - begin)
"""


def first_result(setup):
    """Seconds from `import tensorflow` to the end of step 1, the weights in the disk's cache."""
    _, output = run("-c", FIRST_RESULT, "--weights", setup["weights"], *setup["photographs"])
    return float(output.rsplit("Seconds:", 1)[1])


def training(setup, epochs):
    """Seconds of step 4, no features kept, report and all."""
    return train(setup, "--no-cache", "--epochs", str(epochs), "--patience", str(epochs))


def second_training(setup, cache):
    """Seconds until the first epoch of a training ends, its features kept by an earlier one."""
    environment = {"ALEXNET_LAB_CACHE": str(cache)}
    if not cache.exists():
        train(setup, "--epochs", "1", environment=environment)
    return train(setup, "--epochs", "1", until="Epoch 1", environment=environment)


def train(setup, *options, **more):
    with tempfile.TemporaryDirectory() as out:
        return run(
            "train_feature_extraction.py", "--weights", setup["weights"], "--data", setup["data"],
            "--limit", str(setup["pictures"]), "--out", out, *options, **more,
        )[0]  # fmt: skip


def run(*arguments, until=None, environment=None):
    """Run Python with `arguments`: seconds, and what it printed. ValueError when it fails.

    until: what the line begins with at which the clock is stopped, instead of at the end.
    """
    begin, seconds, output = time.perf_counter(), None, []
    with tempfile.TemporaryFile("w+") as errors:
        process = subprocess.Popen(
            [sys.executable, *arguments], cwd=PROJECT, env=os.environ | (environment or {}),
            stdout=subprocess.PIPE, stderr=errors, text=True, encoding="utf-8",
        )  # fmt: skip
        for line in process.stdout:
            if until and seconds is None and line.startswith(until):
                seconds = time.perf_counter() - begin
            output.append(line)
        if process.wait():
            errors.seek(0)
            message = " ".join(errors.read().split())[-300:]
            raise ValueError(f"{arguments[0]}: exit code {process.returncode}: {message}")
    return seconds or time.perf_counter() - begin, "".join(output)
