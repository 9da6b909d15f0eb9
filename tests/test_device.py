"""The machine is used as it is best used, and asked only once what that is."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import PROJECT

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
@pytest.mark.parametrize(("setting", "enabled"), [("0", "False"), ("1", "True")])
def test_the_users_own_setting_of_onednn_wins(setting, enabled):
    assert told(TELL, TF_ENABLE_ONEDNN_OPTS=setting) == [setting, enabled]


def test_tensorflow_decides_for_processors_without_avx2():
    assert told(OLD_PROCESSOR + TELL)[0] == "None"
