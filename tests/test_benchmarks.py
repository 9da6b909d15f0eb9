"""The benchmark runs, counts the arithmetic right, and judges by the rounds it measured."""

import importlib
import json
import os
import subprocess
import sys

import numpy as np
import pytest
from conftest import PROJECT
from PIL import Image

from benchmarks import bench, jpegs, measures, report
from benchmarks.processes import Measurement, take_turns
from lab.networks import VGG16


@pytest.fixture(scope="module")
def quick(tmp_path_factory):
    """stdout and JSON of a tiny run without files: this lab and the course's way."""
    folder = tmp_path_factory.mktemp("bench")
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.bench", "--quick", "--rounds", "1",
         "--only", "lab-float32", "course", "500x375", "--json", "out.json"],
        cwd=folder, env=os.environ | {"PYTHONPATH": str(PROJECT)}, capture_output=True, text=True,
        check=True,
    )  # fmt: skip
    return done.stdout, json.loads((folder / "out.json").read_text())


def test_a_file_that_is_named_and_not_there_is_one_line(capsys):
    with pytest.raises(SystemExit, match="2"):
        bench.main(["--quick", "--weights", "none.npy"])
    assert "none.npy is not there" in capsys.readouterr().err


@pytest.mark.slow  # a minute: five programs import TensorFlow
def test_both_ways_agree_with_alexnet_and_have_a_rate(quick):
    _, results = quick
    for name in ("lab-float32", "course"):
        one = results["series"][name]
        assert one["trouble"] is None
        assert one["error"] < 1e-3
        assert len(one["values"]) == 1
        assert one["values"][0] > 0
        assert one["peak_memory"] > 1e8


@pytest.mark.slow
def test_a_folder_is_measured_whole_and_in_parts_beside_pytorch_if_it_is_there(quick):
    _, results = quick
    series = {name: one for name, one in results["series"].items() if name.startswith("500x375")}
    assert [name.split()[1] for name in series] == ["lab", "decoding", "network", "DataLoader"]
    assert series["500x375 lab"]["error"] < 5e-2
    *lab, theirs = series.values()
    assert all(one["values"][0] > 0 for one in lab)
    assert theirs["error"] < 5e-2 if theirs["values"] else "not installed" in theirs["trouble"]


@pytest.mark.slow
def test_the_table_says_what_stands_in_and_judges_no_quick_run(quick):
    table, results = quick
    assert "random weights stand in" in table
    assert "drawn signs stand in" in table
    assert "QUICK" in table
    assert all(bar["met"] is None for bar in results["bars"])


@pytest.mark.slow
def test_multiply_adds_are_the_known_ones(quick):
    counts = quick[1]["setup"]["multiply_adds"]
    assert counts["VALID"] == pytest.approx(0.72e9, rel=0.001)
    assert counts["SAME"] == pytest.approx(0.745e9, rel=0.001)


def test_the_multiply_adds_of_codes_are_those_of_the_paper():
    from benchmarks.preparation import multiply_adds

    convolutions = 15_346_630_656
    assert multiply_adds(VGG16, "caffe") == convolutions + 25088 * 4096


def test_codes_are_held_against_the_operations_of_their_own_network():
    series = {"codes lab f32": {"values": [20, 22]}, "codes keras f32": {"values": [10, 20]}}
    results = results_with(**series, **{"ceiling-float32": {"values": [100, 100]}})
    results["setup"]["multiply_adds"]["codes"] = 2e9
    found = judged(results)
    assert found["codes f32, × Keras"] == (pytest.approx(1.55), True)
    assert found["codes f32, of ceiling"] == (pytest.approx(0.84), False)
    assert found["codes f32, × OpenVINO"] == (None, None)


def results_with(kind="AMX", **series):
    setup = {"multiply_adds": {"VALID": 0.5e9, "SAME": 0.5e9}, "machine": {"kind": kind}}
    return {"quick": False, "setup": setup, "series": series}


def judged(results):
    return {bar["what"]: (bar["value"], bar["met"]) for bar in report.bars(results)}


def test_ratios_are_medians_over_rounds_and_pass_over_what_failed():
    found = judged(
        results_with(
            **{
                "lab-bfloat16": {"values": [100, 600, 600]},
                "course": {"values": [50, 100, None]},
                "ceiling-bfloat16": {"values": [200, 1000, 500]},
            }
        )
    )
    assert found["bfloat16, × the course"] == (4.0, False)
    assert found["bfloat16, of ceiling"] == (0.6, True)  # 1 GFLOP a picture
    assert found["bfloat16, × OpenVINO"] == (None, None)


def test_a_folder_is_held_against_the_slower_of_its_parts_round_by_round():
    parts = {"500x375 decoding": [200, 100, 500], "500x375 network": [100, 400, None]}
    rates = {"500x375 lab": [90, 50, 70], **parts}
    found = judged(results_with(**{name: {"values": rates[name]} for name in rates}))
    assert found["500x375, of slower"] == (pytest.approx(0.7), False)  # of 0.9 and 0.5
    assert found["500x375, of shared"] == (pytest.approx(0.9875), True)  # of 1.35 and 0.625
    assert found["4000x3000, of slower"] == (None, None)


def test_jpegs_have_their_size_and_are_all_different_and_the_same_again(tmp_path):
    for folder in ("one", "again"):
        jpegs.make(tmp_path / folder, (1000, 750), 3)
    files = sorted((tmp_path / "one").iterdir())
    assert len({file.read_bytes() for file in files}) == 3
    assert [Image.open(file).size for file in files] == [(1000, 750)] * 3
    for file in files:
        assert file.read_bytes() == (tmp_path / "again" / file.name).read_bytes()


def test_each_kind_of_processor_has_bars_of_its_own():
    measured = {
        "lab-float32": {"values": [140]},
        "lab-bfloat16": {"values": [300]},
        "course": {"values": [100]},
    }
    met = {
        kind: [judged(results_with(kind, **measured)).get(f"{precision}, × the course", "-")[1:]
               for precision in ("float32", "bfloat16")]
        for kind in report.KINDS
    }  # fmt: skip
    assert met["AVX2"] == [(False,), ""]  # no bfloat16 there
    assert met["AVX512-BF16"] == [(True,), (True,)]
    assert met["AMX"] == [(True,), (False,)]
    assert judged(results_with(None, **measured)) == {}


def test_the_kinds_of_processors_are_those_with_bars():
    from benchmarks import preparation

    assert set(preparation.UNITS) == set(report.KINDS)
    assert preparation._kind() in {None, *report.KINDS}


def test_what_has_no_value_has_no_median_and_is_not_judged():
    failed = {"first result": {"values": [None]}, "head epoch": {"values": [0.2, None, 0.4, 0.3]}}
    found = judged(results_with(**failed))
    assert found["first result, s"] == (None, None)
    assert found["head epoch, s"] == (0.3, True)
    assert found["training, peak GB"] == (None, None)


def test_values_come_from_one_other_process_and_it_ends():
    one = Measurement("", os.getpid)
    take_turns({"pid": one}, rounds=2)
    first, second = one.series["values"]
    assert first == second != os.getpid()
    assert one.series["peak_memory"] > 1e6
    with pytest.raises(ProcessLookupError):
        os.kill(first, 0)


KILLED = """
import os, time
from benchmarks.processes import Measurement
if __name__ == "__main__":
    one = Measurement("", os.getpid)
    one.ask(os.getpid)
    one.process.submit(time.sleep, 60)
    os.kill(os.getpid(), 9)
"""


def test_the_other_process_ends_with_one_that_is_killed(tmp_path):
    script = tmp_path / "killed.py"
    script.write_text(KILLED)
    # Both hold the output, so this waits until the last has ended.
    done = subprocess.run(
        [sys.executable, script], env=os.environ | {"PYTHONPATH": str(PROJECT)},
        stdout=subprocess.PIPE, check=False, timeout=40,
    )  # fmt: skip
    assert done.returncode == -9


def test_a_missing_library_is_reported_not_raised():
    one = Measurement("", importlib.import_module, "no_such_library")
    assert take_turns({"it": one}, rounds=2)["it"]["values"] == [None]
    assert one.series["trouble"] == "not installed: no_such_library"


def test_a_process_that_dies_is_reported_not_raised():
    one = Measurement("", os._exit, 1)
    assert take_turns({"it": one}, rounds=1)["it"]["trouble"].startswith("BrokenProcessPool")


def test_a_contender_with_other_features_is_refused():
    fc7 = np.ones([2, 4096], np.float32)
    assert measures._checked(1.0001 * fc7, fc7, "lab-float32") < 1e-3
    with pytest.raises(ValueError, match=r"features differ by 1\.00%"):
        measures._checked(1.01 * fc7, fc7, "lab-float32")
    with pytest.raises(ValueError, match="features differ by nan"):
        measures._checked(np.nan * fc7, fc7, "lab-bfloat16")


DEFAULTS = """
import os, sys
from benchmarks import suite
print("tensorflow" in sys.modules)
from benchmarks.contenders import course
print(os.environ.get("TF_ENABLE_ONEDNN_OPTS"))
"""


def test_the_course_runs_with_tensorflows_defaults():
    done = subprocess.run(
        [sys.executable, "-c", DEFAULTS], env=os.environ | {"TF_ENABLE_ONEDNN_OPTS": "1"},
        cwd=PROJECT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.split() == ["False", "None"]


def test_measurements_take_turns_there_and_back():
    asked = []

    class Counter:
        def __init__(self, name):
            self.name, self.series = name, {"trouble": None}

        def measure(self):
            asked.append(self.name)

        def finish(self):
            return f"series of {self.name}"

    series = take_turns({"a": Counter("a"), "b": Counter("b")}, rounds=2)
    assert asked == ["a", "b", "b", "a"]
    assert series == {"a": "series of a", "b": "series of b"}
