"""A process of its own in which learners' code runs: it may hang, crash or print as it likes.

python -m exercises.machinery.worker FOLDER DRAWN NAME...   looks at NAME.py in FOLDER, one by one

Writes a line of JSON on what happens: the plan of an exercise, each result, its end. TensorFlow is
loaded once.
"""

import json
import os
import signal
import sys
from importlib import import_module
from pathlib import Path

from exercises.machinery.examine import Attempt, plan, raise_too_long


def own_stdout():
    """A way out that no learner's code writes to: stdout itself becomes stderr."""
    channel = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    return channel


def main():
    folder, drawn, *names = sys.argv[1:]
    channel = own_stdout()

    def tell(**message):
        channel.write(json.dumps(message) + "\n")
        channel.flush()

    from lab import device

    device.prepare()
    sys.dont_write_bytecode = True  # a file that changes twice in a second would not be read anew
    signal.signal(signal.SIGINT, raise_too_long)
    for name in names:
        attempt = Attempt(name, Path(folder) / f"{name}.py")
        tell(plan=plan(name), hints=hints(name))
        for place, result in enumerate(attempt.results()):
            tell(place=place, result=result)
        picture = Path(drawn) / f"{name}.png"
        picture.unlink(missing_ok=True)
        tell(drawing=str(picture) if attempt.draw(picture) else None)


def hints(name):
    return import_module(f"exercises.checks.{name}").HINTS


if __name__ == "__main__":
    main()
