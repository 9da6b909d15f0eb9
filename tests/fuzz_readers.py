"""Throw damaged files at every reader: python tests/fuzz_readers.py --count 10000 --seed 0

A reader may return, or raise ValueError or FileNotFoundError whose one line names the file. It may
not raise anything else, hang, use more memory than stated here, import a module, start a program,
or open a file to write. Every case is repeatable: --reader NAME --first NUMBER --count 1.
"""

import argparse
import io
import multiprocessing
import os
import pickle
import pickletools
import random
import resource
import signal
import struct
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable
from contextlib import redirect_stderr
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from PIL import Image

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent), str(HERE), str(HERE / "formats")]

# ruff: noqa: E402 (as a command, only this folder is on the path)
from test_caffemodel import FORMS, caffemodel_bytes, random_weights
from test_keras_weights import STYLES, TINY, write_h5

from lab.data import dataset, images
from lab.formats import caffemodel, keras_weights, pickles

SECONDS = 10  # for one file; the process is killed after that
FORBIDDEN = (  # audit events, by how they begin
    *("import", "exec", "pickle.find_class", "marshal.", "code.__new__", "ctypes.", "socket."),
    *("os.system", "os.exec", "os.posix_spawn", "os.fork", "os.spawn", "subprocess.", "pty."),
    *("os.mkdir", "os.remove", "os.rename", "os.link", "os.symlink", "os.chmod", "shutil."),
)


# ---- valid files, small --------------------------------------------------------------------------


def pickle_samples():
    rng = np.random.default_rng(0)
    features = rng.integers(0, 256, (4, 32, 32, 3), np.uint8)
    content = {"features": features, "labels": np.arange(4), "sizes": np.full((4, 2), 30)}
    content["coords"] = [(1, 2.5, "é", b"\xff", None, True)] * 2 + [np.float32(2)]
    return [pickle.dumps(content, protocol=protocol) for protocol in range(6)]


def npy_samples():
    weights = {"conv1": [np.ones((2, 3), np.float32), np.zeros(3)], "fc8": [np.eye(2), np.ones(2)]}
    arrays = [np.arange(6).reshape(2, 3), np.asfortranarray(np.eye(3)), np.array(["a", "bc"])]
    return [saved(np.save, array) for array in [weights, *arrays, np.array([True, False])]]


def caffe_samples():
    weights = random_weights({"conv1": (3, 3, 1, 2), "fc6": (8, 3), "fc7": (3, 2)})
    return [caffemodel_bytes(weights, form) for form in FORMS]


def keras_samples():
    weights = random_weights(TINY)
    return [saved(write_h5, weights, style) for style in STYLES]


def picture_samples(kind):
    smooth = np.linspace(0, 255, 16 * 12 * 3).astype(np.uint8).reshape(12, 16, 3)
    exif = Image.Exif()
    exif[0x0112] = 6
    pictures = [Image.fromarray(smooth), Image.fromarray(smooth[..., 0])]
    pictures.append(pictures[0].convert("P") if kind in ("PNG", "GIF", "BMP") else pictures[0])
    options = {"exif": exif} if kind in ("PNG", "JPEG", "WEBP") else {}
    return [saved(lambda file, one: one.save(file, kind, **options), one) for one in pictures]


def archive_samples():
    picture = picture_samples("PPM")[0]
    return [
        archive({f"GTSRB/Final_Training/Images/0000{i}/00000_00000.ppm": picture for i in (0, 1)}),
        archive({"GTSRB/Final_Test/Images/00000.ppm": picture, "GT-final_test.csv": LABELS}),
    ]


LABELS = (
    b"Filename;Width;Height;Roi.X1;Roi.Y1;Roi.X2;Roi.Y2;ClassId\r\n00000.ppm;16;12;1;1;9;9;7\r\n"
)


def archive(members):
    with zipfile.ZipFile(file := io.BytesIO(), "w", zipfile.ZIP_DEFLATED) as opened:
        for name, content in members.items():
            opened.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)
    return file.getvalue()


def saved(save, *arguments):
    save(file := io.BytesIO(), *arguments)
    return file.getvalue()


# ---- damage --------------------------------------------------------------------------------------

EDGES = [
    0,
    1,
    0x7F,
    0x80,
    0xFF,
    0x7FFF,
    0xFFFF,
    1 << 24,
    0x7FFFFFFF,
    0xFFFFFFFF,
    1 << 40,
    2**63 - 1,
]


def flip_bits(rng, data, _):
    data = bytearray(data)
    for _ in range(rng.choice([1, 1, 2, 8, 64])):
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    return bytes(data)


def cut(rng, data, _):
    return data[: rng.randrange(len(data))]


def splice(rng, data, samples):
    other = rng.choice(samples)
    return data[: rng.randrange(len(data))] + other[rng.randrange(len(other)) :]


def repeat(rng, data, _):
    start, end = sorted(rng.randrange(len(data)) for _ in range(2))
    return data[:end] + data[start:end] * rng.choice([1, 2, 50]) + data[end:]


def remove(rng, data, _):
    start, end = sorted(rng.randrange(len(data)) for _ in range(2))
    return data[:start] + data[end:]


def inflate(rng, data, _):
    """Overwrite what may be a length with a number at the edge of some type."""
    kind = rng.choice(["B", "<H", ">H", "<I", ">I", "<Q", ">Q"])
    value = rng.choice(EDGES) & (2 ** (8 * struct.calcsize(kind)) - 1)
    position = rng.randrange(min(len(data), rng.choice([64, 1024, 1 << 30])))
    return data[:position] + struct.pack(kind, value) + data[position + struct.calcsize(kind) :]


def inflate_text(rng, data, _):
    """Replace a decimal digit with a number at the edge of some type."""
    digits = [i for i, byte in enumerate(data[:4096]) if chr(byte).isdigit()] or [0]
    position = rng.choice(digits)
    number = rng.choice([rng.choice(EDGES), -1, 10**30, 1.5, "", "nan"])
    return data[:position] + str(number).encode() + data[position + 1 :]


def shuffle_opcodes(rng, data, samples):
    """Remove, repeat, exchange or bring in whole steps of a pickle."""
    steps, others = split_steps(data), split_steps(rng.choice(samples))
    for _ in range(rng.choice([1, 2, 5])):
        position = rng.randrange(len(steps))
        new = rng.choice([[], [rng.choice(steps)], [rng.choice(others)], [random_step(rng)]])
        steps[position : position + rng.randrange(2)] = new
        steps = steps or [b"."]
    return b"".join(steps)


def random_opcodes(rng, _, __):
    return b"".join(random_step(rng) for _ in range(rng.randrange(1, 60))) + b"."


def split_steps(data):
    start = data.find(b"\x80") if data.startswith(b"\x93NUMPY") else 0
    places = [place for _, _, place in pickletools.genops(data[start:])] + [len(data) - start]
    steps = [data[start + one : start + two] for one, two in pairwise(places)]
    return [data[:start], *steps]


NAMES = [("os", "system"), ("builtins", "eval"), ("builtins", "getattr"), ("numpy", "load")]
NAMES += [name.rpartition(".")[::2] for name in pickles.NAMES] * 3


def random_step(rng):
    """An opcode of any kind with an argument that fits its kind, if not its meaning."""
    opcode = rng.choice(pickletools.opcodes)
    code, argument = opcode.code.encode("latin1"), opcode.arg
    if argument is None:
        return code
    if argument.name == "stringnl_noescape_pair":
        return code + "\n".join(rng.choice(NAMES)).encode() + b"\n"
    if argument.n == pickletools.UP_TO_NEWLINE:
        return code + rng.choice([b"1", b"0", b"-1", b"'u1'", b"latin1", b"1L", b"\xff"]) + b"\n"
    if argument.n > 0:
        return code + bytes(rng.choice([0, 1, 1, 3, rng.randrange(256)]) for _ in range(argument.n))
    width = {pickletools.TAKEN_FROM_ARGUMENT1: 1, pickletools.TAKEN_FROM_ARGUMENT8U: 8}
    content = rng.choice([b"", b"u1", b"O8", b"latin1", b"numpy", b"dtype", bytes(4)])
    return code + len(content).to_bytes(width.get(argument.n, 4), "little") + content


def damage_member(rng, data, samples):
    """Damage a file inside an archive, then pack it again."""
    with zipfile.ZipFile(io.BytesIO(data)) as opened:
        members = {name: opened.read(name) for name in opened.namelist()}
    name = rng.choice(sorted(members))
    damage = rng.choice([*DAMAGES, inflate_text])
    members[name] = damage(rng, members[name], [*members.values()])
    return archive(members)


def damage_labels(rng, _, __):
    labels = rng.choice([*DAMAGES, inflate_text])(rng, LABELS, [LABELS])
    return archive({"00000.ppm": picture_samples("PPM")[0], "GT-final_test.csv": labels})


DAMAGES = [flip_bits, cut, splice, repeat, remove, inflate]
OPCODES = [shuffle_opcodes, shuffle_opcodes, random_opcodes]


# ---- the readers ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Reader:
    """A file format: valid samples, what loads it, how to damage it, what memory it may take."""

    suffix: str
    samples: list[bytes]
    load: Callable
    damages: list[Callable]
    megabytes: int = 64


def picture_reader(kind, *damages):
    """A picture may declare 64 million pixels: decoded, converted and copied, 11 bytes each."""
    damages = [*DAMAGES, *damages]
    return Reader(f".{kind.lower()}", picture_samples(kind), images.read, damages, megabytes=800)


READERS = {
    "pickle": Reader(".p", pickle_samples(), pickles.load, DAMAGES + OPCODES),
    "npy": Reader(".npy", npy_samples(), pickles.load, [*DAMAGES, inflate_text]),
    "npy dict": Reader(".npy", npy_samples()[:1], pickles.load, OPCODES),
    "train.p": Reader(".p", pickle_samples(), dataset.load, DAMAGES + OPCODES),
    "caffemodel": Reader(".caffemodel", caffe_samples(), caffemodel.load, DAMAGES),
    "h5": Reader(".h5", keras_samples(), keras_weights.load, DAMAGES),
    "zip": Reader(".zip", archive_samples(), dataset.load, [*DAMAGES, damage_member], 800),
    "csv in zip": Reader(".zip", archive_samples()[1:], dataset.load, [damage_labels]),
    **{kind: picture_reader(kind) for kind in images.FORMATS},
    "PPM": picture_reader("PPM", inflate_text),
}


# ---- the run -------------------------------------------------------------------------------------


@dataclass
class Result:
    """What a reader did with its files."""

    loaded: int = 0
    refused: int = 0
    slowest: float = 0.0
    megabytes: float = 0.0
    seconds: float = 0.0
    failures: tuple[str, ...] = ()


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
    path = Path(folder) / f"damaged{reader.suffix}"
    warm_up(folder)
    before = peak_megabytes()
    started = time.perf_counter()
    for number in range(first, first + count):
        rng = random.Random(f"{seed} {name} {number}")
        content = rng.choice(reader.damages)(rng, rng.choice(reader.samples), reader.samples)
        failure = step(reader, path, content, watch, result)
        if failure:
            result.failures += (f"{name} {number}: {failure}",)
    result.seconds = time.perf_counter() - started
    result.megabytes = peak_megabytes() - before
    if result.megabytes > reader.megabytes:
        result.failures += (f"{name}: {result.megabytes:.0f} MB, over {reader.megabytes}",)
    return result


def warm_up(folder):
    """Let the readers import what they import late."""
    for reader in READERS.values():
        for content in [*reader.samples, b"nothing known"]:
            attempt(reader, Path(folder) / f"whole{reader.suffix}", content)


def step(reader, path, content, watch, result):
    """Read one file; what went wrong, or None."""
    watch.seen.clear()
    started = time.perf_counter()
    error = attempt(reader, path, content, watch)
    result.slowest = max(result.slowest, time.perf_counter() - started)
    if error is None:
        result.loaded += 1
    elif isinstance(error, (ValueError, FileNotFoundError)):
        result.refused += 1
        if str(path) not in str(error) or not str(error).isprintable():
            return f"says {error!s:.300}"
    else:
        return f"raises {error!r:.300}"
    return f"does {', '.join(sorted(watch.seen))}" if watch.seen else None


def attempt(reader, path, content, watch=None):
    """The error with which `reader` ends on `content`, or None."""
    path.write_bytes(content)
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


def peak_megabytes():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000


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
            kept = Path(tempfile.gettempdir()) / f"killed-{name.replace(' ', '-')}"
            kept.write_bytes(next(Path(folder).glob("damaged.*")).read_bytes())
            result = Result(failures=(f"{name}: ends by signal {-process.exitcode}, see {kept}",))
        process.join()
    return result


def main(argv=None):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--count", type=int, default=1000, help="damaged files for each reader")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--first", type=int, default=0, help="number of the first damaged file")
    parser.add_argument("--reader", choices=READERS, action="append", help="only this one")
    options = parser.parse_args(argv)
    print("reader        files  loaded refused  seconds  slowest  peak MB  failures")
    failures = ()
    for name in options.reader or READERS:
        result = fuzz_apart(name, options.count, options.seed, options.first)
        print(
            f"{name:12} {options.count:6} {result.loaded:7} {result.refused:7} "
            f"{result.seconds:8.1f} {result.slowest:8.3f} {result.megabytes:8.1f} "
            f"{len(result.failures):9}",
            flush=True,
        )
        failures += result.failures
    for failure in failures[:50]:
        print(failure)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
