"""How the exercises stand, in a learner's words."""

import textwrap

from exercises.machinery import catalogue
from lab.console import say

DONE, WRONG, OPEN = "✓", "✗", "·"
WIDTH = 100


def tell(outcomes, folder, hints=0):
    """Print the list of the exercises, then what is to be said of those that were begun.

    hints: how many to unfold of the first exercise that is not done.
    """
    next_one = next((each for each in outcomes if not each.passed), None)
    for outcome in outcomes:
        mark = DONE if outcome.passed else OPEN if outcome.untouched else WRONG
        say(f"{mark} {outcome.name:13} {_in_a_line(outcome)}")
    for outcome in outcomes:
        if not outcome.passed and (outcome is next_one or not outcome.untouched):
            say()
            _tell_one(outcome, folder, hints if outcome is next_one else 0)
    say()
    say(f"{sum(each.passed for each in outcomes)} of {len(outcomes)} done")


def _in_a_line(outcome):
    if outcome.passed:
        answer = catalogue.shown(catalogue.answer(outcome.name))
        drawing = f"; see {catalogue.shown(outcome.drawing)}" if outcome.drawing else ""
        return f"done; compare {answer}{drawing}"
    if outcome.untouched:
        minutes, difficulty, lines = catalogue.effort(outcome.name)
        return f"yours to write: {minutes} minutes, {difficulty}, {lines} lines"
    return f"{outcome.right} of {len(outcome.counted)} checks pass"


def _tell_one(outcome, folder, hints):
    """The sentence first; then what is right, what is wrong, and what was not looked at yet."""
    failed = outcome.failed
    line = failed["data"].get("line")
    path = catalogue.shown(folder / f"{outcome.name}.py")
    _say(f"{outcome.name}: {failed['cause']['rationale']}", "")
    if failed["cause"]["help"]:
        _say(failed["cause"]["help"])
    _say(f"Look at {path}{f', line {line}' if line else ''}.")
    if outcome.drawing:
        _say(f"Look at the picture {catalogue.shown(outcome.drawing)}.")
    for result in outcome.results:
        mark = {True: f"{DONE} ", False: f"{WRONG} ", None: "  "}[result["passed"]]
        later = "" if result["passed"] is not None else " (not looked at yet)"
        _say(f"{mark}{result['description']}{later}")
    for printed in failed["log"][-5:]:
        _say(f"your code printed: {printed[:70]}")
    known = outcome.hints.get(failed["data"]["function"], [])
    for number, hint in enumerate(known[:hints], 1):
        _say(f"Hint {number} of {len(known)}: {hint}")
    if not hints and known:
        _say(f"A hint: make exercises ONLY={outcome.name} HINT=1")


def _say(text, indent="    "):
    for line in textwrap.wrap(text, WIDTH, initial_indent=indent, subsequent_indent=indent):
        say(line)
