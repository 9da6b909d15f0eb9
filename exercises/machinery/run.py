"""All exercises looked at, whatever their code does: a worker that hangs or dies is replaced."""

import json
import queue
import subprocess
import sys
import tempfile
import threading
from contextlib import suppress
from dataclasses import dataclass, field

from exercises.machinery import catalogue
from exercises.machinery.examine import SECONDS, too_long

START = 120  # seconds that TensorFlow may take to load
GRACE = 5  # seconds beyond which code that cannot be interrupted is ended from outside


@dataclass
class Outcome:
    """How one exercise stands: the results of its checks, and the picture drawn.

    hints: function -> its hints, from small to large. looked_at: how many checks were.
    """

    name: str
    results: list = field(default_factory=list)
    hints: dict = field(default_factory=dict)
    drawing: str | None = None
    looked_at: int = 0

    @property
    def counted(self):
        """The checks of what was written: not that there is a file, and that it loads."""
        return [result for result in self.results if result["data"]["function"]]

    @property
    def passed(self):
        return self.right == len(self.counted)

    @property
    def right(self):
        """How many of the counted checks pass."""
        return sum(result["passed"] is True for result in self.counted)

    @property
    def failed(self):
        """The result that did not pass, or None."""
        return next((each for each in self.results if each["passed"] is False), None)

    @property
    def untouched(self):
        """Whether nothing of it has been written yet."""
        return bool(self.failed and self.failed["data"].get("todo") and self.looked_at <= 3)

    def cut_short(self, folder, why):
        """The check that was being looked at failed with its worker.

        why: a function from what was running, in words, to a sentence and what to look at.
        """
        if self.failed is None and self.looked_at < len(self.results):
            result = self.results[self.looked_at]
            function = result["data"]["function"]
            sentence, look_at = why(f"`{function}`" if function else "The file")
            result.update(passed=False, cause={"rationale": sentence, "help": look_at})
            if function:
                with suppress(OSError, SyntaxError):  # it may have removed or rewritten itself
                    lines = catalogue.functions(folder / f"{self.name}.py")
                    result["data"]["line"] = lines.get(function)
            self.looked_at += 1


def run(names, folder, drawn):
    """The Outcome of each exercise of these names, in order.

    folder: where the learner's files are. drawn: where pictures go.
    Raises OSError when no worker comes to life.
    """
    outcomes = []
    while len(outcomes) < len(names):
        outcomes += _by_one_worker(names[len(outcomes) :], folder, drawn)
    return outcomes


def _by_one_worker(names, folder, drawn):
    """The outcomes up to the end, or up to the one that the worker hung or died in."""
    places = [str(each.resolve()) for each in (folder, drawn)]
    command = [sys.executable, "-m", "exercises.machinery.worker", *places, *names]
    with (
        tempfile.TemporaryFile() as chatter,
        subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=chatter,
            encoding="utf-8",
            cwd=catalogue.HERE.parent,
        ) as worker,
    ):
        try:
            outcomes = _heard(worker, names, folder)
        finally:
            worker.kill()
        if not outcomes:
            chatter.seek(0)
            last = chatter.read().decode(errors="replace").strip().splitlines()[-1:]
            raise OSError(f"the checks could not be started: {''.join(last) or 'no word of why'}")
        return outcomes


def _heard(worker, names, folder):
    """What a worker tells, until it has told all, says nothing for too long, or dies."""
    lines = queue.Queue()

    def listen():
        for line in worker.stdout:
            lines.put(line)
        lines.put(None)

    threading.Thread(target=listen, daemon=True).start()
    outcomes, patience = [], START
    for name in names:
        outcome, over = Outcome(name), False
        while not over:
            try:
                line = lines.get(timeout=patience)
            except queue.Empty:
                outcome.cut_short(folder, too_long)
                return [*outcomes, outcome] if outcome.results else outcomes
            if line is None:
                outcome.cut_short(folder, _died)
                return [*outcomes, outcome] if outcome.results else outcomes
            over, patience = _take(json.loads(line), outcome), SECONDS + GRACE
        outcomes.append(outcome)
    return outcomes


def _died(what):
    return f"{what} ended Python itself.", "Is there an `exit`, or too much memory asked for?"


def _take(message, outcome):
    """One message into the outcome; whether it was the last one."""
    if "plan" in message:
        outcome.results, outcome.hints = message["plan"], message["hints"]
    elif "result" in message:
        outcome.results[message["place"]] = message["result"]
        outcome.looked_at = message["place"] + 1
    else:
        outcome.drawing = message["drawing"]
    return "drawing" in message
