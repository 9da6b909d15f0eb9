"""One learner's file, held to its checks in order. Every result is as check50 writes it.

https://cs50.github.io/check50/json_specification.html
"""

import io
import linecache
import threading
import traceback
from _thread import interrupt_main
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from importlib import import_module, util

from exercises.machinery import catalogue
from exercises.machinery.checking import Wrong, checks_of
from lab.console import one_line

SECONDS = 10  # for each check; one takes less than one
MOST = 2000  # characters that are kept of what a learner's code prints


class TookTooLong(BaseException):
    """Raised in the middle of whatever does not end; `except Exception` does not catch it."""


def raise_too_long(*_):
    raise TookTooLong


def plan(name):
    """The results before anything was looked at: each check with the one it depends on."""
    looks = [("exists", "the file is there", None), ("loads", "Python can read it", None)]
    looks += [(each.__name__, each.description, each.function) for each in checks_of(name)]
    names = [f"{name}.{look}" for look, *_ in looks]
    return [
        {
            "name": full,
            "description": description,
            "passed": None,
            "log": [],
            "cause": {"rationale": "not looked at yet", "help": None},
            "data": {"exercise": name, "function": function},
            "dependency": before,
        }
        for full, (_, description, function), before in zip(
            names, looks, [None, *names[:-1]], strict=True
        )
    ]


class Attempt:
    """A learner's file: `looks` are the checks it has to pass, the first of which load it."""

    def __init__(self, name, path):
        self.name, self.path, self.module = name, path, None

    @property
    def looks(self):
        return [self._exists, self._loads, *[self._held_to(each) for each in checks_of(self.name)]]

    def results(self):
        """The results, one by one, up to the first that does not pass."""
        for result, look in zip(plan(self.name), self.looks, strict=True):
            said = _Said()
            failure = self._failure(look, said)
            cause, data = failure or (None, {})
            log = said.getvalue().splitlines()
            yield result | {
                "passed": not failure, "cause": cause, "log": log, "data": result["data"] | data,
            }  # fmt: skip
            if failure:
                return

    def draw(self, path):
        """What the learner's code makes beside what it should be; whether it could be drawn."""
        draw = getattr(import_module(f"exercises.checks.{self.name}"), "draw", None)
        if not (draw and self.module):
            return False
        path.parent.mkdir(parents=True, exist_ok=True)
        return not self._failure(lambda: draw(self.module, path), _Said())

    def _failure(self, look, said):
        """What went wrong: (cause, data); None when nothing did."""
        try:
            with _time_limit(), redirect_stdout(said), redirect_stderr(said):
                look()
        except Wrong as wrong:
            return _cause(wrong.sentence, wrong.look_at), self._line_of(look)
        except TookTooLong as error:
            line = self._line_in(error)
            return _cause(*too_long(f"Line {line}" if line else "The code")), {"line": line}
        except (Exception, SystemExit) as error:
            return self._stopped(error, look)
        return None

    def _exists(self):
        if not self.path.is_file():
            raise Wrong(
                f"The file {catalogue.shown(self.path)} is not there.",
                "An empty one comes back with: "
                f".venv/bin/python -m exercises.machinery.stubs {self.name}",
            )

    def _loads(self):
        linecache.checkcache(str(self.path))
        spec = util.spec_from_file_location(f"learner_{self.name}", self.path)
        module = util.module_from_spec(spec)
        spec.loader.exec_module(module)
        for function in catalogue.functions(catalogue.answer(self.name)):
            if not callable(getattr(module, function, None)):
                raise Wrong(
                    f"The function `{function}` is not there.",
                    f"The answer is looked for under this very name: def {function}(...).",
                )
        self.module = module

    def _held_to(self, check):
        def look():
            check(self.module)

        look.function = check.function
        return look

    def _line_of(self, look):
        """The line where the function that a check is about begins."""
        function = getattr(self.module, getattr(look, "function", ""), None)
        code = getattr(function, "__code__", None)
        return {"line": code.co_firstlineno} if code else {}

    def _line_in(self, error):
        """The last line of the learner's file that an error came through, or None."""
        if isinstance(error, SyntaxError) and error.filename == str(self.path):
            return error.lineno
        frames = traceback.extract_tb(error.__traceback__)
        lines = [frame.lineno for frame in frames if frame.filename == str(self.path)]
        return lines[-1] if lines else None

    def _stopped(self, error, look):
        """The learner's code ended in an error, or made a check end in one."""
        line = self._line_in(error)
        kind, text = type(error).__name__, one_line(str(error))[:200]
        what = f"{kind}: {text}" if text else kind
        function = getattr(look, "function", None)
        if line is None and function:
            sentence = f"What `{function}` returns cannot be used: {what}."
            return _cause(sentence, None), self._line_of(look)
        if line is None:
            return _cause(f"Python cannot read the file: {what}.", None), {}
        if isinstance(error, SyntaxError):
            return _cause(f"Python cannot read line {line}: {error.msg}.", None), {"line": line}
        if isinstance(error, NotImplementedError) and function:
            return _cause(f"`{function}` is yours to write.", None), {"line": line, "todo": True}
        return _cause(f"Line {line} stops with {what}.", None), {"line": line}


def too_long(what):
    """What is said of code that does not end, and what to look at."""
    return (
        f"{what} was still running after {SECONDS} seconds.",
        "Is there a loop that never ends, or one over what NumPy does at once?",
    )


def _cause(sentence, look_at):
    return {"rationale": sentence, "help": look_at}


@contextmanager
def _time_limit():
    """`TookTooLong` in the main thread when the block takes over SECONDS."""
    timer = threading.Timer(SECONDS, interrupt_main)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


class _Said(io.StringIO):
    """What a learner's code prints, the beginning of it."""

    def write(self, text):
        return super().write(text[: max(0, MOST - self.tell())])
