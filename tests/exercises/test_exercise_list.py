"""`python -m exercises` on learners' files of every kind: the real program."""

import json
import os
import re
import signal
import subprocess
import sys
import zipfile

import pytest

from exercises.machinery import catalogue, examine, hand_in, run, stubs
from exercises.machinery.checking import checks_of
from exercises.machinery.examine import Attempt


def answer(name):
    return catalogue.answer(name).read_text(encoding="utf-8")


def begun(name, start, code):
    """The answer to an exercise in which the body of a function begins with some code."""
    before, line, after = answer(name).partition(start)
    assert line
    head, mark, rest = after.partition("    ### BEGIN SOLUTION\n")
    return before + line + head + mark + code + rest


def line_of(text, part):
    return text[: text.index(part)].count("\n") + 1


HALF_DONE = stubs.stub("resize").replace(
    "    raise NotImplementedError", "    return (np.arange(new) + 0.5) * old / new - 0.5", 1
)
CHATTY = "print('{\"place\": 0}')\n" + begun(
    "groups", "def lrn(", "    import os\n    os.write(1, b'loud')\n    print('energy', 5)\n"
)
FAILING = begun("honest_split", "def leak(", "    print('six\\n' * 6)\n    tracks[10**6]\n")
FILES = {
    "resize": HALF_DONE,
    "training": "import tensorflow as tf\n\ndef loss(scores, labels)\n    return 1\n",
    "groups": CHATTY,
    "honest_split": FAILING,
    "finetuning": begun("finetuning", "def factors(", "    return None\n"),
    "calibration": answer("calibration").replace(
        "scores / temperature, ", "scores * temperature, "
    ),
}


def python(*arguments):
    return subprocess.run(
        [sys.executable, "-m", *arguments],
        cwd=catalogue.HERE.parent,
        capture_output=True,
        text=True,
        encoding="utf-8",
        env=os.environ | {"PYTHONIOENCODING": "utf-8"},
    )


@pytest.fixture(scope="module")
def odd(tmp_path_factory):
    """A learner's folder without new_head.py, and what the program says about it."""
    folder = tmp_path_factory.mktemp("odd")
    for name, text in FILES.items():
        (folder / f"{name}.py").write_text(text, encoding="utf-8")
    done = python("exercises", "--files", str(folder), "--hand-in", "--hint", "2")
    assert done.returncode == 0, done.stderr
    return folder, done


def told(done, name):
    """The paragraph about an exercise."""
    return next(part for part in done.stdout.split("\n\n") if part.startswith(f"{name}: "))


def test_the_list_comes_first_with_a_tick_for_what_is_done(odd):
    lines = odd[1].stdout.splitlines()[:7]
    assert [line.split()[1] for line in lines] == list(catalogue.EXERCISES)
    assert [line[0] for line in lines] == ["✗", "✗", "✗", "✓", "✗", "✗", "✗"]
    assert "answers/groups.py" in lines[3]
    assert sum("answers/" in line for line in odd[1].stdout.splitlines()) == 1


def test_nothing_is_said_beside_it_and_no_traceback(odd):
    assert odd[1].stderr == ""
    assert "Traceback" not in odd[1].stdout
    assert "loud" not in odd[1].stdout


def test_what_is_half_done_says_what_is_right_and_what_comes_next(odd):
    lines = told(odd[1], "resize").splitlines()
    line = line_of(HALF_DONE, "    raise NotImplementedError")
    assert lines[0] == "resize: `enlarge` is yours to write."
    assert lines[1].endswith(f"resize.py, line {line}.")
    assert "    ✓ `places` looks where the middles of the pixels lie" in lines
    assert "    ✗ `enlarge` mixes rows and columns as TensorFlow does" in lines
    assert "      `enlarge` takes bytes, too (not looked at yet)" in lines
    assert any(line.startswith("    Hint 2 of 2: ") for line in lines)


def test_a_deleted_file_says_how_it_comes_back(odd):
    assert "is not there" in told(odd[1], "new_head")
    assert "exercises.machinery.stubs new_head" in told(odd[1], "new_head")


def test_a_syntax_error_is_a_sentence_with_its_line(odd):
    assert told(odd[1], "training").startswith("training: Python cannot read line 3: ")


def test_an_error_is_a_sentence_with_its_line(odd):
    line = line_of(FAILING, "tracks[10**6]")
    assert told(odd[1], "honest_split").startswith(f"honest_split: Line {line} stops with IndexErr")


def test_what_returns_nothing_is_asked_for_its_return(odd):
    lines = told(odd[1], "finetuning").splitlines()
    assert lines[0] == "finetuning: `factors` returns nothing."
    assert lines[1] == "    Does it end in `return ...`?"
    assert f"line {line_of(FILES['finetuning'], 'def factors')}." in lines[2]


def test_the_page_for_learners_shows_what_the_program_says(odd):
    page = (catalogue.HERE / "README.md").read_text(encoding="utf-8")
    said = told(odd[1], "calibration").replace(str(odd[0]), "exercises").strip()
    assert f"```\n{said}\n```" in page


@pytest.mark.parametrize("name", catalogue.EXERCISES)
def test_the_page_for_learners_has_the_effort_of_each_exercise(name):
    page = (catalogue.HERE / "README.md").read_text(encoding="utf-8")
    row = next(line for line in page.splitlines() if line.startswith(f"| [`{name}.py`]"))
    minutes, difficulty, lines = catalogue.effort(name)
    chapter = re.search(r"chapter \d", catalogue.top(name)[2])[0]
    assert row.endswith(f"| {chapter} | {minutes} | {lines} | {difficulty} |")


@pytest.mark.parametrize("page", ["README.md", "teaching.md"])
def test_the_commands_of_a_page_run_without_an_environment_that_was_entered(page):
    text = (catalogue.HERE / page).read_text(encoding="utf-8")
    assert "-m exercises" in text
    assert re.findall(r".*(?<!\.venv/bin/)\bpython (?=-m|\w+\.py).*", text) == []
    assert re.findall(r".*(?<!-m )\bpytest .*", text.replace("not pytest", "")) == []


def test_the_marks_are_as_check50_writes_them(odd):
    marks = json.loads((odd[0] / "marks.json").read_text(encoding="utf-8"))
    assert set(marks) == {"slug", "results", "version"}
    before = None
    for result in marks["results"]:
        keys = {"name", "description", "passed", "log", "cause", "data", "dependency"}
        assert set(result) == keys
        assert result["passed"] in (True, False, None)
        assert result["cause"] is None if result["passed"] else result["cause"]["rationale"]
        exercise = result["data"]["exercise"]
        first = result["name"] == f"{exercise}.exists"
        assert result["dependency"] == (None if first else before)
        before = result["name"]


def test_what_a_learner_prints_is_in_the_log_of_its_check(odd):
    marks = json.loads((odd[0] / "marks.json").read_text(encoding="utf-8"))
    log = {each["name"]: each["log"] for each in marks["results"]}
    assert log["groups.loads"] == ['{"place": 0}']
    assert log["groups.normalised"] == ["energy 5"]


def test_what_is_printed_in_the_check_that_fails_stands_below_the_checks(odd):
    lines = told(odd[1], "honest_split").splitlines()
    printed = [place for place, line in enumerate(lines) if "your code printed:" in line]
    last_check = max(place for place, line in enumerate(lines) if "(not looked at yet)" in line)
    assert printed == list(range(last_check + 1, last_check + 6))
    assert "energy" not in odd[1].stdout
    page = (catalogue.HERE / "README.md").read_text(encoding="utf-8")
    assert "in the check that fails is shown below the checks" in " ".join(page.split())


def test_pictures_are_drawn_where_the_list_says(odd):
    assert (odd[0] / "drawn" / "groups.png").is_file()
    assert f"see {odd[0] / 'drawn' / 'groups.png'}" in odd[1].stdout
    assert not (odd[0] / "drawn" / "training.png").exists()


def test_the_archive_has_the_files_and_the_marks(odd):
    with zipfile.ZipFile(odd[0] / "hand-in.zip") as archive:
        assert set(archive.namelist()) == {"marks.json", *(f"{name}.py" for name in FILES)}


def packed(path, files):
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)


@pytest.fixture(scope="module")
def marked(tmp_path_factory):
    """A folder of archives, of which some are none, the exit status, and what was said."""
    folder = tmp_path_factory.mktemp("handed_in")
    answers = {f"{name}.py": answer(name) for name in catalogue.EXERCISES}
    packed(folder / "ada.zip", answers | {"marks.json": "{}", "../outside.py": "no"})
    anew = {f"ben/exercises/{name}.py": stubs.stub(name) for name in catalogue.EXERCISES}
    anew["ben/exercises/resize.py"] = HALF_DONE
    kept = {f"ben/exercises/answers/{name}": text for name, text in answers.items()}
    packed(folder / "ben.zip", kept | anew)
    (folder / "broken.zip").write_bytes(b"PK no archive")
    packed(folder / "empty.zip", {"essay.txt": "no", "exercises/answers/resize.py": "no"})
    done = python("exercises.machinery.hand_in", str(folder))
    rows = (folder / "marks.csv").read_text().splitlines()
    return folder, done, {row.split(",")[0]: row.split(",")[1:] for row in rows}


def test_archives_become_a_table_of_marks_found_anew(marked):
    folder, done, rows = marked
    assert list(rows) == ["hand-in", "out of", "ada", "ben", "broken", "empty"]
    assert rows["hand-in"] == [*catalogue.EXERCISES, "done"]
    assert rows["ada"] == rows["out of"]
    assert rows["ada"][-1] == "7"
    assert done.stdout == f"{folder / 'marks.csv'}\n"
    assert not (folder.parent / "outside.py").exists()


def test_only_checks_of_what_was_written_count(marked):
    _, _, rows = marked
    assert rows["out of"][:-1] == [str(len(checks_of(name))) for name in catalogue.EXERCISES]
    assert rows["ben"][1:] == ["0"] * 7


def test_an_archive_packed_anew_is_read_and_the_kept_answers_in_it_are_not(marked):
    assert marked[2]["ben"][0] == "1"


def test_an_archive_that_cannot_be_read_has_a_row_and_is_told_at_the_end(marked):
    _, done, rows = marked
    assert rows["broken"] == rows["empty"] == [*[""] * 7, "unreadable"]
    broken, empty = done.stderr.splitlines()[-2:]
    assert "broken.zip: expected an archive" in broken
    assert "empty.zip: expected resize.py or another exercise, found none" in empty
    assert done.returncode == 1


@pytest.mark.parametrize("damage", ["cut", "locked", "folder"])
def test_whatever_is_wrong_with_an_archive_is_one_sentence(damage, tmp_path):
    path = tmp_path / "ada.zip"
    if damage == "folder":
        path.mkdir()
    else:
        packed(path, {"resize.py": HALF_DONE})
        data = bytearray(path.read_bytes())
        directory = data.rindex(b"PK\x01\x02")
        data[directory + 8] |= damage == "locked"  # the mark of a password
        path.write_bytes(data[:directory] if damage == "cut" else data)
    with pytest.raises(ValueError, match=r"ada\.zip: expected an archive of `make hand-in`"):
        hand_in.unpack(path, tmp_path)


def test_the_list_counts_the_same_checks_as_the_marks(odd):
    count = len(checks_of("resize"))
    assert odd[1].stdout.splitlines()[0].endswith(f"1 of {count} checks pass")


def test_code_that_hangs_or_ends_python_hides_no_other(tmp_path, monkeypatch):
    monkeypatch.setattr(run, "GRACE", 1)
    monkeypatch.setattr(run, "SECONDS", 6)
    asleep = begun("honest_split", "def leak(", "    import time\n    time.sleep(100)\n")
    dying = begun("calibration", "def tempered(", "    import os\n    os._exit(0)\n")
    (tmp_path / "honest_split.py").write_text(asleep)
    (tmp_path / "calibration.py").write_text(dying)
    hung, dead = run.run(["honest_split", "calibration"], tmp_path, tmp_path / "drawn")
    assert "`leak` was still running" in hung.failed["cause"]["rationale"]
    assert hung.failed["data"]["line"] == line_of(asleep, "def leak")
    assert "`tempered` ended Python itself" in dead.failed["cause"]["rationale"]
    assert dead.results[-1]["passed"] is None


def test_a_loop_that_never_ends_is_told_with_its_line(tmp_path, monkeypatch):
    monkeypatch.setattr(examine, "SECONDS", 0.5)
    before = signal.signal(signal.SIGINT, examine.raise_too_long)
    text = begun("honest_split", "def leak(", "    while True:\n        pass\n")
    (tmp_path / "honest_split.py").write_text(text)
    try:
        *_, last = Attempt("honest_split", tmp_path / "honest_split.py").results()
    finally:
        signal.signal(signal.SIGINT, before)
    line = line_of(text, "    while True")
    assert last["data"]["line"] in (line, line + 1)
    assert "was still running after 0.5 seconds." in last["cause"]["rationale"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["resise"], "resise: expected one of resize, new_head"),
        (["--hand-in", "resize"], "--hand-in takes all exercises"),
        (["--hint", "no"], "expected a whole number"),
        (["--files", "nowhere"], "expected a folder that is there"),
    ],
)
def test_a_wrong_argument_is_one_line(arguments, words):
    done = python("exercises", *arguments)
    assert done.returncode == 2
    assert done.stderr.startswith("exercises: ")
    assert words in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("there", [True, False])
def test_a_folder_to_collect_from_is_there_and_has_archives(there, tmp_path, capsys):
    folder = tmp_path if there else tmp_path / "nowhere"
    with pytest.raises(SystemExit) as stop:
        hand_in.main([str(folder)])
    expected = "archives of `make hand-in`, found none" if there else "a folder that is there"
    assert stop.value.code == 2
    assert capsys.readouterr().err.endswith(f"{folder}: expected {expected}\n")
