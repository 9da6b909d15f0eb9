"""What this machine computes on, and with which precision it is fastest.

The scripts import this before anything else that needs TensorFlow, which then starts quietly.
"""

import functools
import json
import math
import os
import platform
import sys
import tempfile
import time
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np

from lab import cache_folder
from lab.console import notice
from lab.files import replace_text


@contextmanager
def _quiet():
    """Keep what libraries write to stderr from it, unless the block fails."""
    sys.stderr.flush()
    stderr = os.dup(2)
    with tempfile.TemporaryFile() as chatter:
        os.dup2(chatter.fileno(), 2)
        try:
            yield
        except BaseException:
            chatter.seek(0)
            os.write(stderr, chatter.read())
            raise
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)


def _has_avx2():
    """Does this processor multiply 256 bits at once? Newer NumPys call it x86-64-v3."""
    known = np.show_config("dicts").get("SIMD Extensions", {})
    found = {*known.get("baseline", []), *known.get("found", [])}
    return not found.isdisjoint({"AVX2", "X86_V3"})


os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
if _has_avx2():
    # TensorFlow uses oneDNN by itself only where the processor has more than that, which most
    # laptops have not: AlexNet's convolutions then take half as long again. Their gradients agree
    # within 4e-6.
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
with _quiet():  # some of what TensorFlow says on loading obeys no log level
    import tensorflow as tf


def prepare(processors=None):
    """Let TensorFlow take graphics memory as it needs it, not all at once. Call before any work.

    processors: how many it computes on; all by default.
    """
    if processors:
        tf.config.threading.set_intra_op_parallelism_threads(processors)
    for card in tf.config.list_physical_devices("GPU"):
        tf.config.experimental.set_memory_growth(card, True)


def name():
    """The first graphics card by its product name, or the CPU."""
    cards = tf.config.list_physical_devices("GPU")
    if not cards:
        return "CPU"
    details = tf.config.experimental.get_device_details(cards[0])
    return f"GPU {details.get('device_name', cards[0].name)}"


def strategy(choice=None):
    """How the devices of this machine share a training: a strategy of tf.distribute.

    choice: None for one device; "mirrored" for all graphics cards, or all logical processors.
    Raises ValueError when there is but one.
    """
    if choice is None:
        return tf.distribute.get_strategy()
    devices = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
    if len(devices) < 2:
        found = "one graphics card" if devices[0].device_type == "GPU" else "none"
        raise ValueError(
            f"--distribute {choice}: expected several graphics cards, found {found}: "
            "leave --distribute out"
        )
    return tf.distribute.MirroredStrategy([device.name for device in devices])


def processor():
    """Its name, as the system tells it."""
    listing = Path("/proc/cpuinfo")
    lines = listing.read_text(encoding="utf-8").splitlines() if listing.exists() else []
    models = [line.split(": ")[1] for line in lines if line.startswith("model name")]
    return models[0] if models else platform.processor() or platform.machine()


@functools.cache
def precision(choice="auto"):
    """The tf.DType to compute in: the one named, or with "auto" the fastest that is safe.

    bfloat16 is safe: it moves fc7 of real signs by 0.6 %, of random weights by 2 %, and a head
    names as many signs right. But processors without units for it emulate it slowly, so "auto"
    times one convolution in both, which takes about a tenth of a second.
    """
    if choice != "auto":
        return tf.as_dtype(choice)
    gain = _gain_of_bfloat16()
    fastest = tf.bfloat16 if gain > 1.2 else tf.float32
    notice(f"Precision: {fastest.name} (bfloat16 is {gain:.1f} times as fast here)")
    return fastest


def _gain_of_bfloat16():
    """How many times as fast as float32 it is here: measured once, then kept beside the features.

    Near the threshold every measurement may decide otherwise, and features of one precision are of
    no use to a run in the other.
    """
    path = cache_folder.path() / "precision.json"
    gains, machine = _kept(path), _machine()
    if machine not in gains:
        gains[machine] = round(_seconds(tf.float32) / _seconds(tf.bfloat16), 2)
        with suppress(OSError):  # where nothing can be kept, it is measured again
            path.parent.mkdir(parents=True, exist_ok=True)
            replace_text(path, json.dumps(gains))
    return gains[machine]


def _machine():
    """What a measurement holds for: the processor or the card, and how TensorFlow uses it."""
    hardware = processor() if name() == "CPU" else name()
    return f"{hardware}, TF_ENABLE_ONEDNN_OPTS={os.environ.get('TF_ENABLE_ONEDNN_OPTS')}"


def _kept(path):
    """Machine -> gain, as an earlier run left it; none where there is no file, or a damaged one."""
    try:
        found = json.loads(path.read_bytes()) if path.is_file() else {}
        return {machine: float(gain) for machine, gain in found.items() if 0 < gain < math.inf}
    except Exception:  # whatever the damaged bytes trip: it is measured again
        return {}


def _seconds(dtype):
    """The shortest of three runs of conv3 on 16 pictures."""
    x, kernel = tf.ones([16, 13, 13, 256], dtype), tf.ones([3, 3, 256, 384], dtype)
    runs = []
    for _ in range(4):  # the first run warms up; the shortest leaves it out
        begin = time.perf_counter()
        tf.nn.conv2d(x, kernel, 1, "SAME").numpy()
        runs.append(time.perf_counter() - begin)
    return min(runs)
