"""Measurements of whole commands, as a person types them: seconds, and the memory they take."""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.worker import peak_memory

PROJECT = Path(__file__).resolve().parent.parent
FIRST_RESULT = """
import sys, time
import tensorflow
begin = time.perf_counter()
import imagenet_inference
imagenet_inference.main(sys.argv[1:])
print("Seconds:", time.perf_counter() - begin)
"""


def scripts():
    """All scripts that a reader of the lab runs."""
    return sorted(
        path.name for path in PROJECT.glob("*.py") if "__main__" in path.read_text(encoding="utf-8")
    )


def help_seconds(script):
    return run(script, "--help")[0]


def first_result(setup):
    """Seconds from `import tensorflow` to the end of step 1, the weights in the disk's cache."""
    output = run("-c", FIRST_RESULT, "--weights", setup["weights"], *setup["photographs"])[2]
    return float(output.rsplit("Seconds:", 1)[1])


def train(setup, *options, until=None, cache=None):
    """Seconds of step 4 and its peak memory in bytes.

    until: what the line begins with at which the clock is stopped, instead of at the end.
    cache: the folder where it keeps features; none otherwise.
    """
    with tempfile.TemporaryDirectory() as out:
        return run(
            "train_feature_extraction.py", "--weights", setup["weights"], "--data", setup["data"],
            "--limit", str(setup["pictures"]), "--out", out,
            *options, *([] if cache else ["--no-cache"]),
            until=until, environment={"ALEXNET_LAB_CACHE": str(cache)} if cache else {},
        )[:2]  # fmt: skip


def run(*arguments, until=None, environment=None):
    """Run Python with `arguments`: seconds, bytes, what it printed. ValueError when it fails."""
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
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            errors.seek(0)
            message = " ".join(errors.read().split())[-300:]
            raise ValueError(f"{arguments[0]}: exit code {process.returncode}: {message}")
    return seconds or time.perf_counter() - begin, peak_memory(usage), "".join(output)
