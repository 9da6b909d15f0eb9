"""Which method when: cases keep apart what belongs apart, a table that was stopped goes on."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import PROJECT
from PIL import Image

from benchmarks import cases, methods, winners
from benchmarks.plan import BELOW, FINE_TUNING, METHODS, ON_TOP, SCRATCH, TASKS, Plan, Task
from lab.data import mirrors
from lab.data.dataset import Dataset, sign_names


def films(tracks, frames, classes=43):
    """A Dataset of so many tracks a class; the first pixel of a picture is its frame."""
    labels = np.repeat(np.arange(classes), tracks * frames)
    images = np.zeros([len(labels), 32, 32, 3], np.uint8)
    images[:, 0, 0, 0] = np.arange(len(labels)) % frames
    return Dataset(images, labels, sign_names()[:classes], np.arange(len(labels)) // frames)


SIGNS = films(tracks=12, frames=2)


def sides(case):
    return [*map(case.dataset.take, case.rows), case.test]


# ---- cases --------------------------------------------------------------------------------------


@pytest.mark.parametrize("tracks", [None, 2])
def test_no_track_is_on_two_sides_and_every_class_on_all(tracks):
    found = sides(cases.case(SIGNS, tracks, seed=1))
    known = [set(side.tracks) for side in found]
    assert sum(map(len, known)) == len(set.union(*known))
    assert all(set(side.labels) == set(range(43)) for side in found)


def test_little_is_so_many_tracks_of_a_class_to_learn_from_and_no_more_to_choose_by():
    training, validation, _ = sides(cases.case(SIGNS, 1, seed=1))
    for side in (training, validation):
        assert (np.bincount(side.labels) == 2).all()  # frames
        assert len(set(side.tracks)) == 43


def test_little_is_a_part_of_much_and_the_test_stays_the_same():
    little, more, much = (cases.case(SIGNS, tracks, seed=1) for tracks in (1, 3, None))
    tracks = [set(sides(case)[0].tracks) for case in (little, more, much)]
    assert tracks[0] < tracks[1] < tracks[2]
    assert (little.test.tracks == much.test.tracks).all()


@pytest.mark.parametrize("seed", range(5))
def test_a_sign_and_its_mirror_image_are_in_one_half(seed):
    halves = cases.halves(SIGNS, seed)
    names = [set(half.names) for half in halves]
    assert names[0].isdisjoint(names[1])
    assert sorted(map(len, names)) in ([21, 22], [20, 23])
    for one, other in mirrors.PARTNERS:
        pair = {sign_names()[one], sign_names()[other]}
        assert any(pair <= half for half in names)


def test_a_half_keeps_the_names_of_its_pictures():
    for half in cases.halves(SIGNS, seed=0):
        origin = dict(zip(SIGNS.tracks, SIGNS.labels, strict=True))
        for label, track in zip(half.labels, half.tracks, strict=True):
            assert half.names[label] == SIGNS.names[origin[track]]


def test_of_each_track_some_frames_are_left_the_first_and_the_last_among_them():
    found = cases.thinned(films(tracks=2, frames=30, classes=3))
    assert found.images[:, 0, 0, 0].reshape(6, 3).tolist() == 6 * [[0, 14, 29]]
    assert len(cases.thinned(films(tracks=2, frames=2, classes=3))) == 12


def test_digits_are_coloured_pictures_and_fifty_of_them_five_of_each():
    digits = cases.digits()
    assert digits.images.shape == (1797, 32, 32, 3)
    assert digits.images.dtype == np.uint8
    assert digits.images.max() == 255
    case = cases.case(digits, 5, seed=0)
    assert np.bincount(sides(case)[0].labels).tolist() == 10 * [5]
    assert np.ptp(np.bincount(case.test.labels)) < 10


def test_pictures_are_repeated_in_full_and_validation_is_not():
    case = cases.case(SIGNS, 1, seed=0)
    longer = case.repeated(100)
    assert longer.training == 2 * case.training == 172
    for whole, part in zip(sides(longer)[:2], sides(case)[:2], strict=True):
        assert (whole.tracks.reshape(-1, len(part)) == part.tracks).all()
    assert case.repeated(1).training == case.training


# ---- the table ----------------------------------------------------------------------------------

PLAN = Plan(None, None, 1, 1, (TASKS[0], TASKS[3]), seeds=2)
FOUND = {
    "pictures": 50, "classes": 10, "layer": "conv4", "accuracy": 0.5, "low": 0.4, "high": 0.6,
    "minutes": 0.25,
}  # fmt: skip


class Other:
    """In place of the process that trains; it dies after so many rows."""

    def __init__(self, monkeypatch, rows=99, setup="abc"):
        self.rows, self.setup, self.asked = rows, setup, []
        monkeypatch.setattr(methods, "ask", self.ask)

    def ask(self, pool, function, *arguments):
        if function == "digest":
            return self.setup
        task, method, _, seed, work = arguments
        if len(self.asked) == self.rows:
            raise KeyboardInterrupt
        (work / "checkpoint").write_text("of a training")
        self.asked.append((task, method, seed))
        return FOUND


def test_what_was_stopped_goes_on_where_it_was(monkeypatch, tmp_path):
    out = tmp_path / "methods.csv"
    before = Other(monkeypatch, rows=5)
    with pytest.raises(KeyboardInterrupt):
        methods.measure(PLAN, out, None)
    assert len(pd.read_csv(out)) == 5
    assert (tmp_path / "methods" / "abc" / "checkpoint").exists()
    after = Other(monkeypatch)
    table = methods.measure(PLAN, out, None)
    assert before.asked + after.asked == PLAN.rows()
    assert len(table) == 16
    assert not (tmp_path / "methods").exists()
    again = Other(monkeypatch)
    pd.testing.assert_frame_equal(methods.measure(PLAN, out, None), table, check_dtype=False)
    assert again.asked == []


def test_a_table_of_other_weights_is_not_gone_on_with(monkeypatch, tmp_path):
    out = tmp_path / "methods.csv"
    Other(monkeypatch)
    methods.measure(PLAN, out, None)
    before = out.read_bytes()
    Other(monkeypatch, setup="def")
    with pytest.raises(ValueError, match=r"other weights.*\(abc, now def\)"):
        methods.measure(PLAN, out, None)
    assert out.read_bytes() == before


def test_another_table_is_left_alone(monkeypatch, tmp_path):
    out = tmp_path / "methods.csv"
    out.write_text("name,price\napple,3\n")
    Other(monkeypatch)
    with pytest.raises(ValueError, match=r"methods\.csv: expected a table of"):
        methods.measure(PLAN, out, None)
    assert out.read_text() == "name,price\napple,3\n"


def test_what_is_missing_or_cannot_be_is_one_line(tmp_path):
    for options, said in [
        (
            ["--weights", tmp_path / "none.npy", "--out", tmp_path / "a.csv"],
            "none.npy is not there",
        ),
        (["--demo", "--out", tmp_path], "ends in .csv"),
        (["--seeds", "0"], "from 1 to"),
    ]:
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.methods", *options],
            cwd=PROJECT, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 2
        assert said in done.stderr
        assert "Traceback" not in done.stderr


# ---- winners ------------------------------------------------------------------------------------


def table_of(task, accuracies, spread=0.05):
    rows = [
        [task.source, task.target, task.amount, method, seed, 50, 10, "conv4", each,
         each - spread, each + spread, 1.0, "abc"]
        for method, accuracy in zip(METHODS, accuracies, strict=True)
        for seed, each in enumerate((accuracy - 0.01, accuracy + 0.01))
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=methods.COLUMNS)


def test_the_winner_is_the_best_and_who_lies_within_its_interval_is_level():
    table = table_of(TASKS[0], [0.80, 0.84, 0.86, 0.3])
    means = winners.summary(table, TASKS[0])
    assert means.index.tolist() == [FINE_TUNING, BELOW, ON_TOP, SCRATCH]
    assert means.loc[BELOW, "accuracy"] == pytest.approx(0.84)
    assert winners.found(means) == [FINE_TUNING, BELOW]


def test_other_rows_do_not_count():
    other = Task("signs", "other signs", None, FINE_TUNING)
    table = pd.concat([table_of(TASKS[0], [0.9, 0.5, 0.5, 0.5]), table_of(other, [0, 1, 0, 0])])
    assert winners.found(winners.summary(table, TASKS[0])) == [ON_TOP]


def test_the_course_expects_a_head_of_little_and_fine_tuning_of_much():
    expected = {(task.target, task.amount): task.expected for task in TASKS}
    assert expected["other signs", "2"] == ON_TOP
    assert expected["digits", "5"] == BELOW
    assert {task.expected for task in TASKS if task.tracks is None} == {FINE_TUNING}


def test_the_text_and_the_figure_say_what_was_expected_and_found(tmp_path):
    tasks = TASKS[:2]
    table = pd.concat([table_of(task, [0.8, 0.9, 0.7, 0.3]) for task in tasks])
    text = "\n".join(winners.lines(table, tasks))
    assert "expected: head on fc7; found: head below" in text
    drawn = winners.draw(table, tasks, tmp_path / "methods.png")
    said = drawn.subfigs[0].get_suptitle()
    assert "2 tracks a class: expected head on fc7, found head below" in said
    assert "all tracks: expected fine-tuning, found head below" in said
    assert Image.open(tmp_path / "methods.png").width == 1024


# ---- all of it ----------------------------------------------------------------------------------


def test_every_method_has_a_way():
    from benchmarks import transfer

    assert [*transfer.METHODS] == [*METHODS]


def test_the_layer_below_is_the_one_that_validates_best(demo_weights, monkeypatch, tmp_path):
    from benchmarks import transfer

    asked = []

    def head_on(layer, *arguments):
        asked.append(layer)
        return transfer.Trained({}, layer, None, None, 1.0, {"conv4": 0.1}.get(layer, 0.2))

    monkeypatch.setattr(transfer, "head_on", head_on)
    found = transfer.head_below(None, demo_weights, PLAN, 0, tmp_path)
    assert asked == ["conv3", "conv4", "pool5", "fc6"]
    assert (found.layer, found.minutes) == ("conv4", 4.0)


def test_a_head_on_digits_is_right_more_often_than_chance(demo_weights, tmp_path):
    from benchmarks import transfer

    digits = cases.digits()
    case = cases.case(digits.take(np.arange(0, len(digits), 9)), 5, seed=0)
    row = transfer.measured(case, demo_weights, ON_TOP, PLAN, 0, tmp_path)
    assert [*row] == methods.COLUMNS[5:-1]
    assert (row["pictures"], row["classes"], row["layer"]) == (50, 10, "fc7")
    assert 0.3 < row["low"] < row["accuracy"] < row["high"]


@pytest.mark.slow  # three minutes
def test_the_demo_measures_all_four_cases(tmp_path):
    out = Path(tmp_path, "demo.csv")
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.methods", "--demo", "--out", out],
        cwd=PROJECT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    table = pd.read_csv(out)
    assert len(table) == 16
    assert table["accuracy"].between(0, 1).all()
    assert (table["minutes"] > 0).all()
    assert done.stdout.count("expected: ") == 4
    assert out.with_suffix(".png").exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["demo.csv", "demo.png"]
