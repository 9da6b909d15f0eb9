"""The machine is used as it is best used, and asked only once what that is."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import tensorflow as tf
from conftest import PROJECT

from lab import device

CPUINFO = Path("/proc/cpuinfo")
with_avx2 = pytest.mark.skipif(
    not CPUINFO.exists() or "avx2" not in CPUINFO.read_text().split(),
    reason="AVX2 is not there, or the system does not tell",
)
# What lab.device makes of the variable, and what TensorFlow then does.
TELL = """
from lab import device
import os
from tensorflow.python.framework.test_util import IsMklEnabled
print(os.environ.get("TF_ENABLE_ONEDNN_OPTS"), IsMklEnabled())
"""
# The variable alone, without TensorFlow, which takes seconds to load.
ALONE = """
import sys, types
sys.modules["tensorflow"] = types.ModuleType("tensorflow")
from lab import device
import os
print(os.environ.get("TF_ENABLE_ONEDNN_OPTS"))
"""
OLD_PROCESSOR = """
import numpy
numpy.show_config = lambda mode: {"SIMD Extensions": {"baseline": ["SSE3"], "found": ["AVX"]}}
"""


def told(code, **environment):
    inherited = {name: os.environ[name] for name in os.environ if name != "TF_ENABLE_ONEDNN_OPTS"}
    command = [sys.executable, "-c", code]
    done = subprocess.run(
        command, cwd=PROJECT, env=inherited | environment,
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return done.stdout.split()


@with_avx2
def test_onednn_is_on_where_the_processor_has_avx2():
    assert told(TELL) == ["1", "True"]


@with_avx2
@pytest.mark.parametrize("setting", ["0", "1"])
def test_the_users_own_setting_of_onednn_wins(setting):
    assert told(ALONE, TF_ENABLE_ONEDNN_OPTS=setting) == [setting]


def test_tensorflow_decides_for_processors_without_avx2():
    assert told(OLD_PROCESSOR + ALONE) == ["None"]


# ---- precision ----------------------------------------------------------------------------------


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """A cache folder, not yet there; nothing is remembered from before."""
    monkeypatch.setenv("ALEXNET_LAB_CACHE", str(tmp_path / "cache"))
    device.precision.cache_clear()
    yield tmp_path / "cache"
    device.precision.cache_clear()


def new_run(monkeypatch, gain):
    """What a new program computes in, on a machine that now measures this gain of bfloat16."""
    monkeypatch.setattr(device, "_seconds", {tf.float32: gain, tf.bfloat16: 1}.get)
    device.precision.cache_clear()
    return device.precision("auto")


def test_auto_is_measured_once_and_stays_as_it_was_near_its_threshold(cache, monkeypatch, capsys):
    assert new_run(monkeypatch, 1.25) == tf.bfloat16
    assert new_run(monkeypatch, 1.15) == tf.bfloat16
    assert capsys.readouterr().err.count("bfloat16 is 1.2 times as fast here") == 2
    assert [path.name for path in cache.iterdir()] == ["precision.json"]


def test_auto_is_measured_for_each_processor_and_each_use_of_it(cache, monkeypatch):
    monkeypatch.setattr(device, "processor", lambda: "one")
    assert new_run(monkeypatch, 2) == tf.bfloat16
    monkeypatch.setattr(device, "processor", lambda: "another")
    assert new_run(monkeypatch, 0.5) == tf.float32
    monkeypatch.setenv("TF_ENABLE_ONEDNN_OPTS", "0")
    assert new_run(monkeypatch, 1.9) == tf.bfloat16
    kept = json.loads((cache / "precision.json").read_text())
    assert [name.split(",")[0] for name in kept] == ["one", "another", "another"]
    assert list(kept.values()) == [2, 0.5, 1.9]


DAMAGED = ["", "{", "[]", "7", '{"M": "fast"}', '{"M": NaN}', '{"M": -1}', '{"M": null}',
           '{"M": 1' + 400 * "0" + "}", 100_000 * "[", "\x00\xff"]  # fmt: skip


@pytest.mark.parametrize("content", DAMAGED, ids=lambda content: content[:12])
def test_a_damaged_verdict_is_measured_again_and_mended(cache, monkeypatch, content):
    cache.mkdir()
    (cache / "precision.json").write_text(content.replace("M", device._machine()), "latin-1")
    assert new_run(monkeypatch, 2) == tf.bfloat16
    assert new_run(monkeypatch, 0.5) == tf.bfloat16


def test_no_file_is_waited_for_that_is_none(cache, monkeypatch):
    cache.mkdir()
    os.mkfifo(cache / "precision.json")
    assert new_run(monkeypatch, 2) == tf.bfloat16


def test_where_nothing_can_be_kept_auto_is_measured_again(cache, monkeypatch):
    cache.write_text("a file where the folder should be")
    assert new_run(monkeypatch, 2) == tf.bfloat16
    assert new_run(monkeypatch, 0.5) == tf.float32


def test_a_precision_that_is_named_is_not_measured(cache, monkeypatch):
    monkeypatch.setattr(device, "_seconds", None)
    assert device.precision("float32") == tf.float32
    assert not cache.exists()
