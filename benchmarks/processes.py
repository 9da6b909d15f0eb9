"""Measurements in processes of their own, where threads and memory are no other's, in turn."""

import multiprocessing
import os
import resource
import sys
import threading
import time
from concurrent.futures import ProcessPoolExecutor

from lab.console import notice

PROCESSES = multiprocessing.get_context("spawn")


class Measurement:
    """One figure, measured again and again: `function(*arguments)`, in a process of its own.

    series: what is known of it: `unit`, `values` (None where one failed), `trouble` (what it could
        not do, after which it is not asked again), `peak_memory` in bytes, and other `facts`.
    """

    def __init__(self, unit, function, *arguments, **facts):
        self.function, self.arguments = function, arguments
        self.process = ProcessPoolExecutor(1, PROCESSES, begin)
        self.series = {"unit": unit, "values": [], "trouble": None, "peak_memory": None, **facts}

    def measure(self):
        """Add a value, and return what there is to say about it."""
        value = self.ask(self.function, *self.arguments)
        self.series["values"].append(value)
        return self.series["trouble"] or f"{value:.4g} {self.series['unit']}"

    def ask(self, function, *arguments):
        """What `function` returns in that process; None in trouble."""
        if self.series["trouble"]:
            return None
        try:
            return self.process.submit(function, *arguments).result()
        except ModuleNotFoundError as error:
            self.series["trouble"] = f"not installed: {error.name}"
        except Exception as error:  # a contender that fails must not end the comparison
            message = " ".join(str(error).split())[:300]
            self.series["trouble"] = f"{type(error).__name__}: {message}"
        return None

    def finish(self):
        """End the process; the series."""
        self.series["peak_memory"] = self.ask(_peak_memory)
        self.process.shutdown()
        return self.series


def take_turns(measurements, rounds):
    """Measure each of `measurements`, name -> Measurement, once a round: name -> series."""
    for number in range(rounds):
        # There and back again: nobody always works on what the same neighbour left behind.
        for name, measurement in list(measurements.items())[:: -1 if number % 2 else 1]:
            if not measurement.series["trouble"]:
                time.sleep(0.3)  # threads that look busily for more work give up
                notice(f"Round {number + 1} of {rounds}: {name}: {measurement.measure()}")
    return {name: measurement.finish() for name, measurement in measurements.items()}


def begin():
    """At the start of a process: silence, for libraries chat and troubles are told otherwise.

    It ends when the one that started it does, killed or not: nobody would wait for its result.
    """
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent():
    multiprocessing.parent_process().join()
    os._exit(1)


def _peak_memory():
    """The most bytes that this process, or one it started, ever held."""
    everyone = resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN
    unit = 1 if sys.platform == "darwin" else 1024  # bytes on a Mac, kilobytes on Linux
    return unit * max(resource.getrusage(who).ru_maxrss for who in everyone)
