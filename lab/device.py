"""What this machine computes on, and with which precision it is fastest.

The scripts import this before anything else that needs TensorFlow, which then starts quietly.
"""

import functools
import os
import sys
import tempfile
import time
from contextlib import contextmanager

import numpy as np

from lab.console import notice


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


def prepare():
    """Let TensorFlow take graphics memory as it needs it, not all at once. Call before any work."""
    for card in tf.config.list_physical_devices("GPU"):
        tf.config.experimental.set_memory_growth(card, True)


def name():
    """The first graphics card by its product name, or the CPU."""
    cards = tf.config.list_physical_devices("GPU")
    if not cards:
        return "CPU"
    details = tf.config.experimental.get_device_details(cards[0])
    return f"GPU {details.get('device_name', cards[0].name)}"


@functools.cache
def precision(choice="auto"):
    """The tf.DType to compute in: the one named, or with "auto" the fastest that is safe.

    bfloat16 is safe: it moves fc7 of real signs by 0.6 %, of random weights by 2 %, and a head
    names as many signs right. But processors without units for it emulate it slowly, so "auto"
    times one convolution in both, which takes about a tenth of a second.
    """
    if choice != "auto":
        return tf.as_dtype(choice)
    seconds = {dtype: _seconds(dtype) for dtype in (tf.float32, tf.bfloat16)}
    gain = seconds[tf.float32] / seconds[tf.bfloat16]
    fastest = tf.bfloat16 if gain > 1.2 else tf.float32
    notice(f"Precision: {fastest.name} (bfloat16 is {gain:.1f} times as fast here)")
    return fastest


def _seconds(dtype):
    """The shortest of three runs of conv3 on 16 pictures."""
    x, kernel = tf.ones([16, 13, 13, 256], dtype), tf.ones([3, 3, 256, 384], dtype)
    runs = []
    for _ in range(4):  # the first run warms up; the shortest leaves it out
        begin = time.perf_counter()
        tf.nn.conv2d(x, kernel, 1, "SAME").numpy()
        runs.append(time.perf_counter() - begin)
    return min(runs)
