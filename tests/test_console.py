"""Who waits is told how long; stdout and stderr carry what people can read."""

import io
import sys

import pytest

from lab import console


class Clock:
    """Time passes when a test says so."""

    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture(autouse=True)
def as_if_nothing_were_set(monkeypatch):
    monkeypatch.delenv("TQDM_DISABLE", raising=False)


def test_letters_that_a_stream_has_not_are_written_in_others(monkeypatch):
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding="cp1252"))
    console.say("Стоп é")
    assert written.getvalue().decode("cp1252").strip() == r"\u0421\u0442\u043e\u043f é"


def shown(steps, monkeypatch, to=io.StringIO, total=1000, **options):
    """What stderr, a `to`, gets while `steps` of some seconds and some pictures each are made."""
    stderr, clock = to(), Clock()
    monkeypatch.setattr(sys, "stderr", stderr)
    options = {"what": "features", "unit": "pictures", "clock": clock} | options
    with console.progress(total, **options) as advance:
        for seconds, count in steps:
            clock.now += seconds
            advance(count)
    return stderr.getvalue()


def test_without_a_terminal_a_line_comes_every_half_minute(monkeypatch):
    text = shown([(10, 100)] * 10, monkeypatch)
    assert text.splitlines() == [
        "features: 300 of 1,000 pictures, about 70 seconds left",
        "features: 600 of 1,000 pictures, about 40 seconds left",
        "features: 900 of 1,000 pictures, about 10 seconds left",
    ]


def test_what_ends_before_half_a_minute_needs_no_line(monkeypatch):
    assert shown([(2.9, 100)] * 10, monkeypatch) == ""
    assert shown([(31, 1000)], monkeypatch) == ""


def test_one_slow_step_is_enough_for_a_line(monkeypatch):
    text = shown([(36, 100)], monkeypatch)
    assert text == "features: 100 of 1,000 pictures, about 5 minutes left\n"


def test_the_first_step_which_compiles_does_not_count_once_there_is_a_second(monkeypatch):
    text = shown([(29, 100), (1, 100)], monkeypatch)
    assert text == "features: 200 of 1,000 pictures, about 10 seconds left\n"


def test_what_was_done_before_takes_no_time_and_says_nothing_of_the_speed(monkeypatch):
    text = shown([(10, 100)] * 3, monkeypatch, total=10_000, done=9000)
    assert text == "features: 9,300 of 10,000 pictures, about 70 seconds left\n"


def test_bytes_are_shown_as_people_write_them(monkeypatch):
    steps = [(15, 20_000_000)] * 2
    text = shown(steps, monkeypatch, total=244_000_000, what="weights.npy", unit="bytes")
    assert text == "weights.npy: 40 MB of 244 MB, about 3 minutes left\n"


def test_more_than_there_was_to_do_is_no_error(monkeypatch):
    assert shown([(40, 600)] * 3, monkeypatch).count("\n") == 1


OUTLOOK = "Features of 1,000 pictures: {} on this machine"


@pytest.mark.parametrize("to", [io.StringIO, Terminal])
def test_of_a_long_task_its_time_is_told_once_when_the_first_steps_are_over(monkeypatch, to):
    text = shown([(3, 20)] * 9, monkeypatch, to, outlook=OUTLOOK)
    assert text.count(OUTLOOK.format("about 2 minutes")) == text.count("Features") == 1
    assert "Features" not in shown([(3, 20)] * 2, monkeypatch, to, outlook=OUTLOOK)


@pytest.mark.parametrize("to", [io.StringIO, Terminal])
def test_of_a_task_of_less_than_a_minute_nothing_is_told(monkeypatch, to):
    text = shown([(10, 100), *[(5, 100)] * 9], monkeypatch, to, outlook=OUTLOOK)
    assert "Features" not in text


def test_on_a_terminal_there_is_a_bar_and_no_line(monkeypatch):
    text = shown([(40, 500)] * 2, monkeypatch, Terminal)
    assert "features: 100%" in text
    assert "1000/1000" in text
    assert "left" not in text


@pytest.mark.parametrize("to", [io.StringIO, Terminal])
def test_the_environment_silences_bars_and_lines(monkeypatch, to):
    monkeypatch.setenv("TQDM_DISABLE", "1")
    assert shown([(40, 100)] * 9, monkeypatch, to, outlook=OUTLOOK) == ""


def test_a_name_from_a_file_cannot_forge_a_line(monkeypatch):
    text = shown([(40, 100)], monkeypatch, what="a\nValidation Accuracy = 1.0\x1b[31m")
    assert text.startswith("a Validation Accuracy = 1.0\\x1b[31m: 100 of")
    assert text.count("\n") == 1


def test_an_error_on_the_way_comes_through(monkeypatch):
    monkeypatch.setattr(sys, "stderr", Terminal())
    with pytest.raises(ZeroDivisionError), console.progress(2, "features", "pictures"):
        raise ZeroDivisionError


def test_counted_items_are_the_items(monkeypatch):
    stderr = Terminal()
    monkeypatch.setattr(sys, "stderr", stderr)
    assert list(console.counted(iter("abc"), 3, "copies", "pictures")) == ["a", "b", "c"]
    assert "copies: 100%" in stderr.getvalue()
    assert "3/3" in stderr.getvalue()


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "about 10 seconds"),
        (44, "about 40 seconds"),
        (95, "about 100 seconds"),
        (101, "about 2 minutes"),
        (161, "about 3 minutes"),
        (5399, "about 90 minutes"),
        (5401, "about 2 hours"),
        (11 * 3600, "about 11 hours"),
    ],
)
def test_a_time_is_told_in_round_numbers(seconds, words):
    assert console.duration(seconds) == words
