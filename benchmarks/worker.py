"""A generator that runs in a process of its own: it waits there until the next value is asked for.

So contenders keep their threads and memory to themselves, and only one of them works at a time.
"""

import multiprocessing
import os
import resource
import sys
from importlib import import_module

PROCESSES = multiprocessing.get_context("spawn")


class Worker:
    """Ask it for values with `next`. What it cannot do ends up in `trouble`, and it yields no more.

    place: where the generator is, "module.function"; the module is imported there, not here.
    peak_memory: bytes that the process had at most, up to its last value.
    """

    def __init__(self, place, *arguments):
        self.pipe, far_end = PROCESSES.Pipe()
        self.trouble, self.peak_memory = None, None
        self.process = PROCESSES.Process(target=_serve, args=(far_end, place, arguments))
        self.process.daemon = True  # ends with the program that started it
        self.process.start()
        far_end.close()

    def __iter__(self):
        return self

    def __next__(self):
        if self.trouble:
            raise StopIteration
        try:
            self.pipe.send("next")
            value, self.trouble, self.peak_memory = self.pipe.recv()
        except (EOFError, BrokenPipeError):  # killed, for example for lack of memory
            self.process.join()
            self.trouble = f"died with exit code {self.process.exitcode}"
        if self.trouble:
            raise StopIteration
        return value

    def close(self):
        self.pipe.close()  # asks it to end
        self.process.join(10)
        self.process.kill()


def _serve(pipe, place, arguments):
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # libraries chat; troubles are told otherwise
    values = _generator(place, arguments)
    while True:
        try:
            pipe.recv()
        except EOFError:  # whoever asked is gone
            return
        value, trouble = None, None
        try:
            value = next(values)
        except ModuleNotFoundError as error:
            trouble = f"not installed: {error.name}"
        except Exception as error:  # a contender that fails must not end the comparison
            trouble = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
        pipe.send((value, trouble, peak_memory(resource.getrusage(resource.RUSAGE_SELF))))


def _generator(place, arguments):
    module, function = place.split(".")
    yield from getattr(import_module(f"benchmarks.{module}"), function)(*arguments)


def peak_memory(usage):
    """Bytes, from what the system says about a process: kilobytes on Linux, bytes on a Mac."""
    return usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
