"""Throw damaged files at every reader: python tests/fuzz_readers.py --count 10000 --seed 0

A reader may return, or raise ValueError or OSError whose one line names the file. It may not raise
anything else, hang, use more memory than stated here, import a module, start a program, or open a
file to write. Every case is repeatable: --reader NAME --first NUMBER --count 1.

One case in fifty is of a megabyte. Of all, what the worst took is told: seconds, memory, both for
each megabyte of input, of which smaller files count as one, and the number of that case. On Linux.
"""

import argparse
import codecs
import io
import multiprocessing
import os
import random
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import redirect_stderr
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

import numpy as np
from PIL import Image

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent), str(HERE), str(HERE / "formats")]

# ruff: noqa: E402 (as a command, only this folder is on the path)
from fuzz_inputs import (
    DAMAGES,
    OPCODES,
    TINY_KERNELS,
    archive_samples,
    caffe_samples,
    classes_samples,
    clear,
    damage_folder,
    damage_labels,
    damage_member,
    damage_names,
    damage_settings,
    damage_unpacked,
    enlarge,
    evaluation_samples,
    exchange_value,
    flowers_samples,
    folder_samples,
    head_samples,
    history_samples,
    inflate_text,
    keras_samples,
    layers_samples,
    names_samples,
    note_samples,
    npy_samples,
    pickle_samples,
    picture_samples,
    record_samples,
    signs_archive_samples,
    split_samples,
    strangeness_samples,
    write_folder,
)

from lab.data import dataset, images, sources
from lab.formats import caffemodel, keras_weights, pickles

SECONDS = 20  # for one file; the process is killed after that
LARGE = 50  # one case in so many is of a megabyte
FORBIDDEN = (  # audit events, by how they begin
    *("import", "exec", "pickle.find_class", "marshal.", "code.__new__", "ctypes.", "socket."),
    *("os.system", "os.exec", "os.posix_spawn", "os.fork", "os.spawn", "subprocess.", "pty."),
    *("os.mkdir", "os.remove", "os.rename", "os.link", "os.symlink", "os.chmod", "shutil."),
)


# ---- the readers ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Reader:
    """A kind of input: what it is called, valid samples, what loads it, and how to damage it.

    megabytes: of memory that a case may take. writes: unpacking archives is for writing files.
    """

    name: str
    samples: Callable
    load: Callable
    damages: list[Callable]
    megabytes: int = 64
    writes: bool = False
    write: Callable = Path.write_bytes


def picture_reader(kind, *damages):
    """A picture may declare 64 million pixels: decoded and copied, 11 bytes each, of WebP 16."""
    samples = lambda: picture_samples(kind)  # noqa: E731
    megabytes = 1100 if kind == "WEBP" else 800
    return Reader(f"a.{kind.lower()}", samples, images.read, [*DAMAGES, *damages], megabytes)


def in_run(name, samples, function, *damages):
    """A file of a run folder, read by `function` of `record` or `evaluation`."""

    def load(path):
        from lab.runs import evaluation, record

        return getattr(record, function, None) or getattr(evaluation, function)

    # A cell of a table takes 70 times its bytes; `record` bounds these.
    return Reader(name, samples, lambda path: load(path)(path.parent), [*DAMAGES, *damages], 100)


def load_head(path):
    from lab.training import heads

    return heads.load(path, 8, 3)


def load_layers(path):
    from lab.training import tuned_layers

    return tuned_layers.read(path.parent, TINY_KERNELS)


def load_strangeness(path):
    from lab.runs import strangeness

    return strangeness.load(path, 8)


def load_note(path):
    from lab.downloads.transfers import Part

    if not Part(path.with_suffix("")).source():
        raise ValueError(f"{path}: starts anew")


def unpack(function, path):
    """Unpack an archive as `download.py` does, as if it should hold one flower."""
    from lab.downloads import obtain

    target = path.parent / "flower_photos"
    clear(target)
    try:
        with mock.patch.object(obtain, "FLOWERS", 1):
            getattr(obtain, function)(path, target)
    except OSError as error:  # as documented; `download.py` names the file
        raise ValueError(f"{path}: {error}") from error


def match_names(path):
    names = os.fsdecode(path.read_bytes()).split("\n")
    named = dataset.Dataset([], np.arange(len(names)), names)
    try:
        dataset.matched(named, dataset.sign_names())
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


READERS = {
    # Two million steps can make as many empty dicts, of 64 bytes each.
    "pickle": Reader("a.p", pickle_samples, pickles.load, DAMAGES + OPCODES, 200),
    "npy": Reader("a.npy", npy_samples, pickles.load, [*DAMAGES, inflate_text], 200),
    "npy dict": Reader("a.npy", lambda: npy_samples()[:1], pickles.load, OPCODES, 200),
    "train.p": Reader("a.p", pickle_samples, sources.load, DAMAGES + OPCODES, 200),
    "caffemodel": Reader("a.caffemodel", caffe_samples, caffemodel.load, DAMAGES),
    "h5": Reader("a.h5", keras_samples, keras_weights.load, DAMAGES),
    "zip": Reader("a.zip", archive_samples, sources.load, [*DAMAGES, damage_member]),
    "csv in zip": Reader("a.zip", lambda: archive_samples()[1:], sources.load, [damage_labels]),
    "folder": Reader("a", folder_samples, sources.load, [damage_folder], write=write_folder),
    "names": Reader("names", names_samples, match_names, [damage_names]),
    **{kind: picture_reader(kind) for kind in images.FORMATS},
    "PPM": picture_reader("PPM", inflate_text),
    "head": Reader(
        "head.keras", head_samples, load_head, [*DAMAGES, damage_member, damage_settings]
    ),
    "run.json": in_run("run.json", record_samples, "read", exchange_value),
    "evaluation.json": in_run(
        "evaluation.json", evaluation_samples, "read_evaluation", exchange_value
    ),
    "history.csv": in_run("history.csv", history_samples, "read_history", inflate_text),
    "evaluation.csv": in_run("evaluation.csv", classes_samples, "read_classes", inflate_text),
    "split.npz": in_run("split.npz", split_samples, "trained_hashes", damage_member),
    "layers.npz": Reader("layers.npz", layers_samples, load_layers, [*DAMAGES, damage_member]),
    "strangeness.npz": Reader(
        "strangeness.npz", strangeness_samples, load_strangeness, [*DAMAGES, damage_member]
    ),
    "note": Reader("a.part.json", note_samples, load_note, [*DAMAGES, exchange_value]),
    "signs zip": Reader(
        "a.zip", signs_archive_samples, lambda path: unpack("unzip", path),
        [*DAMAGES, damage_member], writes=True,
    ),
    "flowers tgz": Reader(
        "a.tgz", flowers_samples, lambda path: unpack("untar", path),
        [*DAMAGES, damage_unpacked, damage_unpacked], writes=True,
    ),
}  # fmt: skip


# ---- the run -------------------------------------------------------------------------------------


@dataclass
class Result:
    """What a reader did with its files."""

    loaded: int = 0
    refused: int = 0
    seconds: float = 0.0
    slowest: float = 0.0
    megabytes: float = 0.0  # of memory for one case
    seconds_per_mb: float = 0.0
    mb_per_mb: float = 0.0
    worst: int = 0  # the case that took most seconds for each MB
    failures: tuple[str, ...] = ()

    def add_cost(self, number, case, seconds, megabytes):
        size = max(1, len(case) / 1e6) if isinstance(case, bytes) else 1
        self.slowest = max(self.slowest, seconds)
        self.megabytes = max(self.megabytes, megabytes)
        self.mb_per_mb = max(self.mb_per_mb, megabytes / size)
        if seconds / size > self.seconds_per_mb:
            self.seconds_per_mb, self.worst = seconds / size, number


class Watch:
    """Notes what a reader does besides reading, while `on`."""

    def __init__(self):
        self.on, self.seen = False, set()
        sys.addaudithook(self.note)

    def note(self, event, arguments):
        if not self.on:
            return
        writes = event == "open" and (arguments[2] or 0) & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
        if writes or event.startswith(FORBIDDEN):
            self.seen.add(f"{event} {arguments[0] if arguments else ''!s:.60}")


def fuzz(name, count, seed, first, folder):
    """Read `count` damaged files with one reader: its Result."""
    reader, result, watch = READERS[name], Result(), Watch()
    path, samples = Path(folder) / reader.name, reader.samples()
    warm_up(reader, path, samples)
    before, started = memory_now(), time.perf_counter()
    for number in range(first, first + count):
        rng = random.Random(f"{seed} {name} {number}")
        sample = rng.choice(samples)
        large = number % LARGE == LARGE - 1 and isinstance(sample, bytes)
        case = (enlarge if large else rng.choice(reader.damages))(rng, sample, samples)
        failure = step(reader, path, number, case, watch, result)
        if failure:
            result.failures += (f"{name} {number}: {failure}",)
    result.seconds, kept = time.perf_counter() - started, memory_now() - before
    if kept > reader.megabytes:
        result.failures += (f"{name}: keeps {kept:.0f} MB, over {reader.megabytes}",)
    return result


def warm_up(reader, path, samples):
    """Let the reader import what it imports late, as Pillow does for files it does not know."""
    Image.init()
    codecs.lookup("raw_unicode_escape")
    for case in [*samples, *[b"nothing known" for sample in samples if isinstance(sample, bytes)]]:
        reader.write(path, case)
        attempt(reader, path)


def step(reader, path, number, case, watch, result):
    """Read one case; what went wrong, or None."""
    reader.write(path, case)
    watch.seen.clear()
    before, started = memory_now(), time.perf_counter()
    error = attempt(reader, path, watch)
    result.add_cost(number, case, time.perf_counter() - started, memory_peak() - before)
    if error is None:
        result.loaded += 1
    elif isinstance(error, ValueError | OSError):
        result.refused += 1
        if path.parent.name not in str(error) or not str(error).isprintable():
            return f"says {error!s:.300}"
    else:
        return f"raises {error!r:.300}"
    if watch.seen and not reader.writes:
        return f"does {', '.join(sorted(watch.seen))}"
    took = memory_peak() - before
    return f"takes {took:.0f} MB, over {reader.megabytes}" if took > reader.megabytes else None


def attempt(reader, path, watch=None):
    """The error with which `reader` ends on the file or folder `path`, or None."""
    signal.alarm(SECONDS)
    try:
        with redirect_stderr(io.StringIO()):
            if watch:
                watch.on = True
            reader.load(path)
    except Exception as error:
        return error
    finally:
        signal.alarm(0)
        if watch:
            watch.on = False
    return None


def memory_now():
    """Megabytes that this process takes; the peak is counted from here."""
    Path("/proc/self/clear_refs").write_text("5")
    return memory_peak()


def memory_peak():
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1000


def fuzz_apart(name, count, seed, first):
    """`fuzz` in a process of its own, so that a crash or a hang is a failure of that reader."""
    with tempfile.TemporaryDirectory() as folder:
        receiver, sender = multiprocessing.Pipe(duplex=False)
        process = multiprocessing.get_context("fork").Process(
            target=lambda: sender.send(fuzz(name, count, seed, first, folder))
        )
        process.start()
        sender.close()
        try:
            result = receiver.recv()
        except EOFError:
            process.join()
            result = Result(failures=(f"{name}: {killed(name, folder, -process.exitcode)}",))
        process.join()
    return result


def killed(name, folder, number):
    """What is left of a reader that was killed by the signal `number`."""
    kept = Path(tempfile.gettempdir()) / f"killed-{name.replace(' ', '-')}"
    damaged = Path(folder) / READERS[name].name
    if damaged.is_file():
        kept.write_bytes(damaged.read_bytes())
    return f"ends by signal {number}, see {kept}"


def main(argv=None):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--count", type=int, default=1000, help="damaged files for each reader")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--first", type=int, default=0, help="number of the first damaged file")
    parser.add_argument("--reader", choices=READERS, action="append", help="only this one")
    options = parser.parse_args(argv)
    print(
        "reader            files  loaded refused  seconds  slowest  peak MB  s/MB  MB/MB  worst"
        "  failures"
    )
    failures = ()
    for name in options.reader or READERS:
        result = fuzz_apart(name, options.count, options.seed, options.first)
        print(
            f"{name:16} {options.count:6} {result.loaded:7} {result.refused:7} "
            f"{result.seconds:8.1f} {result.slowest:8.3f} {result.megabytes:8.1f} "
            f"{result.seconds_per_mb:5.2f} {result.mb_per_mb:6.1f} {result.worst:6} "
            f"{len(result.failures):9}",
            flush=True,
        )
        failures += result.failures
    for failure in failures[:50]:
        print(failure)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
