"""The folders of runs are found, listed and gone on with, by one program at a time."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import PROJECT
from records import GONE, RECORD, changed

from lab.runs import folders


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def begun(name, started="2026-01-02T03:04:05+00:00", out="runs", **changes):
    """The folder of a run: stopped, if `metrics` is GONE."""
    folder = Path(out, name)
    folder.mkdir(parents=True)
    content = RECORD | {"started": started}
    for field, value in changes.items():
        content = changed(content, field, value)
    (folder / "run.json").write_text(json.dumps(content))
    return folder


# ---- the one begun last -------------------------------------------------------------------------


def test_the_run_begun_last_is_latest_whatever_its_name():
    begun("z", "2026-01-02T03:04:05+00:00")
    last = begun("a", "2026-01-02T03:04:06+00:00")
    begun("m", "2026-01-02T04:04:05+02:00")  # two hours ahead: the first of all
    assert folders.latest("runs") == folders.found("runs/latest") == last


def test_latest_needs_no_link_and_believes_none_that_is_old():
    first, last = begun("a"), begun("b", "2026-01-02T03:04:06+00:00")
    folders.point(Path("runs"), first.name)
    assert Path("runs/latest").resolve() == first.resolve()
    assert folders.found("runs/latest") == last
    folders.point(Path("runs"), last.name)
    assert Path("runs/latest").resolve() == last.resolve()
    assert sorted(path.name for path in Path("runs").iterdir()) == ["a", "b", "latest"]


def test_a_copy_of_a_run_called_latest_is_itself():
    begun("a", "2026-01-02T03:04:06+00:00")
    copy = begun("latest")
    assert folders.found("runs/latest") == copy
    assert folders.all_in("runs") == [Path("runs/a")]


def test_where_links_are_not_allowed_it_says_so_and_goes_on(monkeypatch, capsys):
    def forbidden(*_, **__):
        raise OSError("A required privilege is not held by the client")

    last = begun("a")
    monkeypatch.setattr(Path, "symlink_to", forbidden)
    folders.point(Path("runs"), "a")
    assert "works all the same" in capsys.readouterr().err
    assert [path.name for path in Path("runs").iterdir()] == ["a"]
    assert folders.found("runs/latest") == last


def test_a_folder_in_place_of_the_link_is_named(capsys):
    begun("a")
    copy = begun("latest")
    folders.point(Path("runs"), "a")
    assert "runs/latest is a folder, not a link" in capsys.readouterr().err
    assert sorted(Path("runs").iterdir()) == [Path("runs/a"), copy]


def test_another_name_is_taken_as_it_is():
    begun("a")
    assert folders.found("runs/a") == Path("runs/a")
    assert folders.found("runs/b") == Path("runs/b")
    assert folders.found("runs/latest/head.keras") == Path("runs/latest/head.keras")


def test_without_a_run_there_is_no_latest():
    assert folders.latest("runs") is None
    assert folders.found("runs/latest") == Path("runs/latest")


def test_a_damaged_record_counts_as_begun_when_it_was_written():
    begun("a")
    damaged = begun("b")
    (damaged / "run.json").write_text("{")
    os.utime(damaged / "run.json", (2e9, 2e9))
    assert folders.latest("runs") == damaged
    os.utime(damaged / "run.json", (1e9, 1e9))
    assert folders.latest("runs") == Path("runs/a")


# ---- the list -----------------------------------------------------------------------------------


def test_the_list_shows_whole_stopped_and_damaged_runs_the_last_below():
    begun("first-try", "2026-01-02T05:04:05+02:00")
    begun("stopped", "2026-01-02T03:06:00+00:00", metrics=GONE)
    begun("fine\x1b[2J", "2026-01-02T03:05:00+00:00", method="fine-tuning", layer="fc6")
    old = begun("broken")
    (old / "run.json").write_text("[]")
    os.utime(old / "run.json", (1e9, 1e9))
    begun("pipe")
    Path("runs/pipe/run.json").unlink()
    os.mkfifo("runs/pipe/run.json")
    os.utime("runs/pipe/run.json", (2, 2))
    Path("runs/tensorboard/x").mkdir(parents=True)
    folders.point(Path("runs"), "stopped")
    assert [" ".join(line.split()) for line in folders.listing("runs")] == [
        "run begun (UTC) network method data validation accuracy",
        "pipe damaged",
        "broken damaged",
        "first-try 2026-01-02 03:04 alexnet conv4 feature extraction mine 0.800",
        r"fine\x1b[2J 2026-01-02 03:05 alexnet fc6 fine-tuning mine 0.800",
        "stopped 2026-01-02 03:06 alexnet conv4 feature extraction mine not ended",
    ]


def test_a_list_of_no_runs_says_how_to_get_one():
    with pytest.raises(
        FileNotFoundError, match=r"^nowhere: expected training runs, found none yet: train one with"
    ):
        list(folders.listing("nowhere"))


# ---- going on -----------------------------------------------------------------------------------


def test_the_last_training_is_gone_on_with_or_the_one_named():
    begun("a", metrics=GONE)
    last = begun("b", "2026-01-02T03:04:06+00:00", metrics=GONE)
    folder, record = folders.stopped("runs")
    assert (folder, record.ended) == (last, False)
    assert folders.stopped("runs", "a")[0] == Path("runs/a")


def test_what_has_ended_or_never_began_is_not_gone_on_with():
    with pytest.raises(FileNotFoundError, match="runs/latest: expected a training run to go on"):
        folders.stopped("runs")
    begun("a")
    for name in (None, "a"):
        with pytest.raises(ValueError, match="runs/a: this training has ended"):
            folders.stopped("runs", name)
    with pytest.raises(FileNotFoundError, match=r"runs/b: .* found no run\.json"):
        folders.stopped("runs", "b")


def test_what_a_killed_program_left_of_a_run_that_has_ended_goes(place):
    """It was killed after the record, and before the checkpoints were removed."""
    folder = begun("a")
    (folder / "checkpoints").mkdir()
    (folder / "checkpoints/best.npz").touch()
    with pytest.raises(ValueError, match=r"this training has ended"):
        folders.stopped("runs")
    assert not (folder / "checkpoints").exists()


# ---- names of new ones --------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["a/b", "/tmp", ".", "..", "../runs", "a/", "a\\b"])
def test_a_name_is_no_path(name):
    for use in (folders.check_free, folders.stopped):
        with pytest.raises(ValueError, match="expected a name, found a path: use --out"):
            use("runs", name)


def test_a_name_is_not_hidden():
    for use in (folders.check_free, folders.stopped):
        with pytest.raises(ValueError, match=r"--name \.x: expected a name that shows"):
            use("runs", ".x")


def test_a_name_that_is_taken_is_not_given_again():
    begun("a")
    Path("runs/thesis").mkdir()
    for name in ("a", "thesis", "latest", "tensorboard"):
        with pytest.raises(ValueError, match=f"runs/{name} is there already: give the run another"):
            folders.check_free("runs", name)
    folders.check_free("runs", "b")


def test_the_name_of_a_run_that_was_killed_before_it_began_is_free():
    with folders.held(Path("runs/a")):
        pass
    folders.check_free("runs", "a")


# ---- one program at a time ----------------------------------------------------------------------

HOLD = """
import sys, time
from pathlib import Path
from lab.runs import folders
with folders.held(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_run_is_worked_in_by_one_program_and_free_when_that_is_killed(place):
    folder = place / "runs/a"
    command = [sys.executable, "-c", HOLD, folder]
    with subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout.readline() == "held\n"
        (place / "link").symlink_to(folder)
        for name in (folder, place / "link"):
            with pytest.raises(OSError, match="another program is at work in this run"):
                folders.held(name).__enter__()
        other.kill()
        assert other.wait() == -signal.SIGKILL
    with folders.held(folder), pytest.raises(OSError, match="another program"):
        folders.held(folder).__enter__()
    with folders.held(folder):
        pass


def test_a_file_where_a_folder_is_needed_is_named(place):
    (place / "a").touch()
    with pytest.raises(FileExistsError, match="a folder is needed here, found a file"):
        folders.held(place / "a").__enter__()


def test_a_place_for_runs_is_made_and_tried():
    folders.check_writable(Path("some/where"))
    assert not list(Path("some/where").iterdir())
    Path("file").touch()
    with pytest.raises(OSError, match=r"^file/below: runs cannot be kept here .*--out"):
        folders.check_writable(Path("file/below"))


def test_names_need_no_heavy_library():
    code = "from lab.runs import asked, folders; import sys; "
    code += "print({'tensorflow', 'keras', 'sklearn', 'pandas'} & set(sys.modules))"
    loaded = subprocess.run(
        [sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True, check=True
    )
    assert loaded.stdout == "set()\n"


# ---- a folder whole or not at all ----------------------------------------------------------------


def test_a_folder_takes_the_place_of_the_former_when_it_is_whole(place):
    for content in ("first", "second"):
        with folders.whole(place / "made") as folder:
            (folder / content).write_text(content)
    assert [path.name for path in place.rglob("*")] == ["made", "second"]


def test_what_was_begun_and_not_ended_is_gone_and_the_former_stands(place):
    (place / "made").mkdir()

    def fail():
        with folders.whole(place / "made") as folder:
            (folder / "half").write_text("half")
            raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        fail()
    assert [path.name for path in place.rglob("*")] == ["made"]


def test_the_former_comes_back_when_the_new_one_cannot_take_its_place(place, monkeypatch):
    (place / "made").mkdir()
    (place / "made/first").touch()
    move = Path.replace

    def refused(path, target):
        if path.name == "unfinished-made":
            raise PermissionError(13, "Permission denied")
        return move(path, target)

    monkeypatch.setattr(Path, "replace", refused)
    with pytest.raises(OSError, match="made: cannot be written"), folders.whole(place / "made"):
        pass
    assert [path.name for path in place.rglob("*")] == ["made", "first"]


def test_what_a_killed_program_left_does_not_come_along(place):
    (place / "unfinished-made").mkdir()
    (place / "unfinished-made/half").write_text("half")
    with folders.whole(place / "made") as folder:
        (folder / "whole").write_text("whole")
    assert [path.name for path in place.rglob("*")] == ["made", "whole"]


def test_two_programs_do_not_fill_one_folder(place):
    with folders.whole(place / "made"), pytest.raises(OSError, match="another program"):
        folders.whole(place / "made").__enter__()
