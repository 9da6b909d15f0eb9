"""What checks and known mistakes are written with.

A check is a function of the learner's module. It raises `Wrong`, or returns. A mistake is a
function that stands in for one of the learner's: the first paragraph of its docstring says what is
wrong, the second what to look at.
"""

from importlib import import_module

import numpy as np


class Wrong(Exception):
    """What is wrong, a sentence in a learner's words, and what to look at."""

    def __init__(self, sentence, look_at=None):
        super().__init__(sentence)
        self.sentence, self.look_at = sentence, look_at


def check(function, description):
    """Marks a check: of which of the learner's functions, and what holds when it passes."""

    def mark(look):
        look.function, look.description = function, description
        return look

    return mark


def instead_of(function):
    """Marks a mistake: in place of which of the learner's functions it stands."""

    def mark(mistake):
        mistake.instead_of = function
        return mistake

    return mark


def checks_of(name):
    """The checks of an exercise, in order."""
    return _marked(f"exercises.checks.{name}", "description")


def mistakes_of(name):
    """The mistakes known of an exercise."""
    return _marked(f"exercises.checks.{name}_mistakes", "instead_of")


def _marked(module, mark):
    module = import_module(module)
    members = vars(module).values()
    return [each for each in members if hasattr(each, mark) and each.__module__ == module.__name__]


def known(mistake):
    """`Wrong` with the words of a mistake."""
    sentence, look_at = (" ".join(part.split()) for part in mistake.__doc__.split("\n\n", 1))
    return Wrong(sentence, look_at)


def same(found, expected, mistakes, function, *arguments, tolerance=1e-4):
    """`Wrong` unless what a learner's function made of the arguments is what it should be.

    mistakes: the module of those that are known; what equals what one of them makes of the
        arguments, if there are any, is told by its words.
    tolerance: of the largest number that is expected.
    """
    found, expected = numbers(found, function), np.asarray(expected)
    if _close(found, expected, tolerance):
        return
    for mistake in vars(mistakes).values() if arguments else ():
        if getattr(mistake, "instead_of", None) == function:
            wrong = np.asarray(mistake(*arguments))
            if _close(found, wrong, tolerance) and not _close(wrong, expected, tolerance):
                raise known(mistake)
    if found.shape != expected.shape:
        raise Wrong(
            f"`{function}` returns the shape {list(found.shape)}, expected {list(expected.shape)}."
        )
    if not np.isfinite(found).all():
        raise Wrong(f"`{function}` returns numbers that are none: NaN or infinity.")
    place = np.unravel_index(np.argmax(np.abs(found - expected)), expected.shape)
    raise Wrong(
        f"`{function}` returns other numbers than it should: {found[place]:.6g} where "
        f"{expected[place]:.6g} is right{_at(place)}."
    )


def _close(one, other, tolerance):
    scale = max(np.abs(other).max(initial=0), 1e-12)
    return one.shape == other.shape and np.allclose(one, other, 0, tolerance * scale)


def _at(place):
    return f", at [{', '.join(map(str, place))}]" if place else ""


def numbers(found, function):
    """What a learner's function returned, as an array of numbers. `Wrong` when it is none."""
    if found is None:
        raise Wrong(f"`{function}` returns nothing.", "Does it end in `return ...`?")
    try:
        array = np.asarray(found)
    except Exception:  # whatever an object trips over that is asked to be an array
        array = np.empty(0, object)
    if array.dtype.kind not in "biuf" and str(array.dtype) != "bfloat16":
        raise Wrong(f"`{function}` returns {a_kind_of(found)}, expected numbers.")
    return array.astype(np.float64)


def a_kind_of(value):
    """The type of a value, in words."""
    names = {"NoneType": "nothing", "str": "a text", "dict": "a dict", "function": "a function"}
    kind = type(value).__name__
    return names.get(kind, f"{'an' if kind[0].lower() in 'aeiou' else 'a'} {kind}")


def pair(found, function, of):
    """The two things a learner's function should return. `Wrong` when it returns others."""
    if found is None:
        raise Wrong(f"`{function}` returns nothing.", "Does it end in `return ...`?")
    if not isinstance(found, tuple | list) or len(found) != 2:
        raise Wrong(f"`{function}` returns {a_kind_of(found)}, expected a pair: {of}.")
    return found
