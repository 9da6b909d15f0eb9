"""The files of a run folder are not believed: each damage is one line, with file and field."""

import json
import os
import re

import numpy as np
import pandas as pd
import pytest
from odd_files import NO_FILES_OR_FOLDERS, put
from records import GONE, RECORD, changed

from lab.runs import record, report

EVALUATION = {
    "head": "2026-01-02T030405.000000Z",
    "data": "test.p",
    "temperature": 1.5,
    "count": 200,
    "accuracy": 0.7,
    "interval": [0.6, 0.78],
    "resampled": "pictures",
    "macro_f1": 0.66,
    "ece": 0.1,
    "loss": 0.9,
    "trained_on": {"count": 2, "examples": ["row 3", "row 8"], "accuracy_without": 0.69},
    "most_confused": [{"true": "stop", "predicted": "yield", "times": 3, "share": 0.5}],
}


@pytest.fixture
def run(tmp_path):
    """The folder of a run that has ended and was evaluated."""
    (tmp_path / "run.json").write_text(json.dumps(RECORD))
    (tmp_path / "evaluation.json").write_text(json.dumps(EVALUATION))
    epochs = {key: [0.7, 0.5] for key in ("seconds", "loss", "accuracy", "val_loss")}
    history = pd.DataFrame({"epoch": [1, 2], **epochs, "val_accuracy": [0, 1]})
    history.to_csv(tmp_path / "history.csv", index=False)
    classes = pd.DataFrame({"name": ["None", 'a "b", c\nd'], "precision": [0.5, np.nan]})
    classes = classes.assign(recall=[0.25, np.nan], f1=[0.3, np.nan], support=[4, 0])
    classes.rename_axis("label").to_csv(tmp_path / "evaluation.csv")
    return tmp_path


def complaint(read, run):
    """The one line that `read` ends with; that of the report is the same."""
    lines = []
    for reader in (read, report.write):
        with pytest.raises(ValueError, match="expected") as error:
            reader(run)
        lines.append(str(error.value))
    assert lines[0] == lines[1]
    assert lines[0].isprintable()
    assert len(lines[0]) < 600 + len(str(run))
    return lines[0]


# ---- run.json -----------------------------------------------------------------------------------


def test_a_record_says_what_was_written(run):
    found = record.read(run)
    assert found.model_dump(mode="json") == RECORD | {
        "started": "2026-01-02T03:04:05Z",
        "start": None,
    }
    record.write(run, found)
    assert record.read(run) == found
    assert found.ended


DAMAGES = [
    ("command", GONE),
    ("command", 3),
    ("arguments", GONE),
    ("arguments", ["--epochs", "2"]),
    ("arguments.epochs", [2]),
    ("arguments", dict.fromkeys(map(str, range(1000)), 1)),
    ("started", GONE),
    ("started", "yesterday"),
    ("started", "2026-01-02T03:04:05"),  # of which time zone?
    ("started", "9999-12-31T23:59:59-12:00"),
    ("versions", {"tensorflow": 2.21}),
    ("device", None),
    ("method", "magic"),
    ("precision", "float8"),
    ("hidden", 0),
    ("hidden", 10**9),
    ("seed", -1),
    ("seed", 0.5),
    ("seed", True),
    ("names", GONE),
    ("names", []),
    ("names", ["stop"]),
    ("names", "stop"),
    ("names.1", 14),
    ("names.1", ""),
    ("names.1", "x" * 1001),
    ("weights", "bvlc-alexnet.npy"),
    ("weights.path", ""),
    ("weights.path", "x" * 5000),
    ("weights.sha256", GONE),
    ("weights.sha256", "AB" * 32),
    ("weights.sha256", "ab" * 31),
    ("data.pictures", "15"),
    ("data.pictures", -15),
    ("data.pictures", 10**30),
    ("data.tracks", 1.5),
    ("split.kind", "half"),
    ("split.by", "colour"),
    ("split.train", GONE),
    ("temperature", 0),
    ("temperature", -1.0),
    ("temperature", "warm"),
    ("temperature", float("nan")),
    ("temperature", float("inf")),
    ("seconds", -1),
    ("metrics", []),
    ("metrics.train", GONE),
    ("metrics.validation.accuracy", 1.2),
    ("metrics.validation.accuracy", float("nan")),
    ("metrics.validation.loss", -0.1),
    ("metrics.validation.interval", [0.1]),
    ("metrics.validation.interval", [0.1] * 1000),
    ("metrics.validation.interval.0", "low"),
    ("metrics.validation.strange", 1.2),
    ("best_epoch", 0),
]


@pytest.mark.parametrize(("field", "value"), DAMAGES)
def test_a_damaged_field_is_named_with_its_file(run, field, value):
    (run / "run.json").write_text(json.dumps(changed(RECORD, field, value)))
    line = complaint(record.read, run)
    damage = re.escape(f"{run}/run.json: expected the record of a training run, found damage: ")
    assert re.match(damage + rf"{re.escape(field)}\b.*: .+; train again with", line), line


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("network", "alexnett", "alexnett: expected alexnet"),
        ("network", "os", "os: expected alexnet"),
        ("layer", "conv1", "layer conv1: alexnet gives features after conv3"),
        ("layer", "\x1b[2J", "layer .*: alexnet gives features after conv3"),
        ("preprocess", "x", "preprocess: expected caffe, course, found x"),
    ],
)
def test_a_network_a_layer_or_a_convention_nobody_knows_is_named(run, field, value, said):
    (run / "run.json").write_text(json.dumps(changed(RECORD, field, value)))
    assert re.search(said, complaint(record.read, run))


FILES = {
    "empty": b"",
    "cut": json.dumps(RECORD).encode()[:200],
    "a list": b"[]",
    "a number": b"1e999",
    "no UTF-8": json.dumps(RECORD).encode().replace(b"stop", b"st\xf6p"),
    "UTF-16": json.dumps(RECORD).encode("utf-16"),
    "half a character": json.dumps(RECORD).encode().replace(b"stop", b"\\ud800"),
    "nested without end": b"[" * 100_000,
    "nested in a field nobody reads": b'{"x":' * 100_000,
    "an endless number": json.dumps(RECORD).encode().replace(b" 7,", b" " + b"7" * 100_000 + b","),
    "huge": json.dumps(RECORD).encode() + b" " * record.LARGEST,
}


@pytest.mark.parametrize("content", FILES.values(), ids=FILES)
def test_what_is_no_record_at_all_is_one_line(run, content):
    (run / "run.json").write_bytes(content)
    assert "run.json: expected the record of a training run" in complaint(record.read, run)


@pytest.mark.parametrize("what", ["folder", *NO_FILES_OR_FOLDERS])
@pytest.mark.parametrize("name", ["run.json", "evaluation.json", "evaluation.csv", "history.csv"])
def test_what_is_no_file_is_never_waited_for(run, what, name):
    (run / name).unlink()
    if what == "folder":
        (run / name).mkdir()
    else:
        put(run / name, what)
    read = {
        "run.json": record.read,
        "evaluation.json": record.read_evaluation,
        "evaluation.csv": record.read_classes,
        "history.csv": record.read_history,
    }[name]
    if (run / name).exists():
        assert "found damage: no file" in complaint(read, run)
    elif name != "run.json":
        assert not read(run)  # of a link to nothing


def test_millions_of_wrong_entries_are_one_error(run):
    """Each an error of its own took 73 seconds and 7 GB for 16 MB."""
    for field in ("names", "arguments", "versions"):
        ones = [1] * 300_000
        wrong = ones if field == "names" else {str(key): [1] for key in range(300_000)}
        text = json.dumps(RECORD | {field: wrong})
        with pytest.raises(ValueError, match=field) as caught:
            record.Record.model_validate_json(text)
        assert caught.value.error_count() == 1


def test_fields_of_a_later_version_are_passed_over(run):
    (run / "run.json").write_text(json.dumps(RECORD | {"rooms": {"blue": [1, 2]}}))
    assert record.read(run).seed == 7


def test_a_record_of_the_version_before_is_of_fc7_and_of_feature_extraction(run):
    older = {key: value for key, value in RECORD.items() if key not in ("method", "layer")}
    del older["split"]["by"]
    (run / "run.json").write_text(json.dumps(older))
    found = record.read(run)
    assert (found.method, found.layer, found.split.by) == ("feature extraction", "fc7", None)


def test_a_folder_without_a_record_says_how_to_get_one(tmp_path):
    with pytest.raises(
        FileNotFoundError, match=r"found no run\.json: train one with `python train"
    ):
        record.read(tmp_path)


# ---- evaluation.json ----------------------------------------------------------------------------


def test_figures_of_an_evaluation_are_those_that_were_written(run):
    found = record.read_evaluation(run)
    assert found.model_dump(mode="json", exclude_none=True) == EVALUATION
    (run / "evaluation.json").unlink()
    assert record.read_evaluation(run) is None


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("accuracy", GONE),
        ("accuracy", "0.7"),
        ("accuracy", float("nan")),
        ("loss", -1),
        ("interval", GONE),
        ("interval", None),
        ("interval", [0.6, 0.7, 0.8]),
        ("count", -200),
        ("data", ["test.p"]),
        ("temperature", 0),
        ("trained_on", 2),
        ("trained_on.count", GONE),
        ("trained_on.examples.1", 8),
        ("trained_on.accuracy_without", 69),
        ("most_confused", {}),
        ("most_confused.0.share", float("inf")),
        ("most_confused.0.times", "3"),
    ],
)
def test_a_damaged_figure_is_named_with_its_file(run, field, value):
    (run / "evaluation.json").write_text(json.dumps(changed(EVALUATION, field, value)))
    line = complaint(record.read_evaluation, run)
    damage = re.escape(f"{run}/evaluation.json: expected figures of an evaluation, found damage: ")
    assert re.match(damage + rf"{re.escape(field)}\b.*: .+; evaluate again with", line), line


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b"\xff\xfe", b"[" * 100_000])
def test_what_are_no_figures_at_all_is_one_line(run, content):
    (run / "evaluation.json").write_bytes(content)
    assert "evaluation.json: expected figures" in complaint(record.read_evaluation, run)


# ---- tables -------------------------------------------------------------------------------------


def test_tables_are_those_that_were_written(run):
    assert record.read_history(run)[1] == {
        "epoch": 2, "seconds": 0.5, "loss": 0.5, "accuracy": 0.5, "val_loss": 0.5,
        "val_accuracy": 1,
    }  # fmt: skip
    first, second = record.read_classes(run)
    assert first == {
        "label": 0, "name": "None", "precision": 0.5, "recall": 0.25, "f1": 0.3, "support": 4,
    }  # fmt: skip
    assert (second["name"], second["support"]) == ('a "b", c\nd', 0)
    assert all(np.isnan(second[name]) for name in ("precision", "recall", "f1"))
    for name in ("history.csv", "evaluation.csv"):
        (run / name).unlink()
    assert record.read_history(run) == record.read_classes(run) == []


TABLES = {
    "empty": lambda text: "",
    "only a head": lambda text: text.splitlines()[0],
    "another head": lambda text: text.replace("loss", "lost").replace("recall", "recalled"),
    "text for a number": lambda text: text.replace("0.5", "half"),
    "no number": lambda text: text.replace("0.5", "nan"),
    "infinity": lambda text: text.replace("0.5", "1e999"),
    "a cell too many": lambda text: text.rstrip() + ",1\n",
    "a cell too few": lambda text: text.rstrip().rpartition(",")[0] + "\n",
    "an endless cell": lambda text: text.replace("0.5", "5" * 500_000),
    "no text": lambda text: text.encode("utf-16").decode("latin-1"),
    "zeros": lambda text: "\0" * 1000,
    "huge": lambda text: text + "\n" * record.LARGEST,
}


@pytest.mark.parametrize("damage", TABLES.values(), ids=TABLES)
@pytest.mark.parametrize("name", ["history.csv", "evaluation.csv"])
def test_a_damaged_table_is_one_line_that_names_it(run, name, damage):
    path = run / name
    path.write_text(damage(path.read_text()), encoding="latin-1")
    line = complaint(record.read_history if name == "history.csv" else record.read_classes, run)
    assert re.match(re.escape(str(path)) + ": expected a table with .*, found damage: ", line), line


def test_a_run_folder_that_may_not_be_read_says_so(run):
    if os.geteuid() == 0:
        pytest.skip("root may read everything")
    (run / "run.json").chmod(0)
    with pytest.raises(PermissionError):
        record.read(run)


def test_a_table_of_a_few_megabytes_is_not_taken_apart(tmp_path):
    (tmp_path / "history.csv").write_bytes(b"," * 4_000_001)
    with pytest.raises(ValueError, match=r"history\.csv: .* found damage: over 4,000,000 bytes"):
        record.read_history(tmp_path)
