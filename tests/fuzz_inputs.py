"""What the readers are fed with: small valid files of every kind, and ways to damage them.

A damage is a function of a random generator, one sample and all samples, which returns the new one.
"""

import gzip
import io
import json
import os
import pickle
import pickletools
import struct
import tarfile
import zipfile
from functools import partial
from itertools import pairwise
from pathlib import Path

import numpy as np
from odd_files import NO_FILES_OR_FOLDERS, put
from PIL import Image
from test_caffemodel import FORMS, caffemodel_bytes, random_weights
from test_keras_weights import STYLES, TINY, write_h5

from lab.data.dataset import sign_names
from lab.formats import pickles

TINY_KERNELS = {"conv1": (3, 3, 1, 2), "fc6": (4, 2)}

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


def signs_archive_samples():
    return [archive({f"{name}.p": pickle_samples()[4] for name in ("train", "valid", "test")})]


def flowers_samples():
    """An archive of one picture, as there are 3,670 in flower_photos.tgz."""
    with tarfile.open(fileobj=(file := io.BytesIO()), mode="w") as opened:
        for name, content in {"LICENSE.txt": b"", "rose/1.jpg": picture_samples("JPEG")[0]}.items():
            member = tarfile.TarInfo(f"flower_photos/{name}")
            member.size = len(content)
            opened.addfile(member, io.BytesIO(content))
    return [gzip.compress(file.getvalue(), mtime=0)]


def note_samples():
    note = {"url": "https://example.org/train.p", "validator": '"5f-6a"', "total": 120_724_844}
    return [json.dumps(note | change).encode() for change in ({}, {"validator": None})]


def head_samples():
    """Heads of 8 features and 3 classes, as the lesson makes them and as it once did."""
    import keras

    norm = keras.layers.LayerNormalization(center=False, scale=False)
    samples = []
    for layers in [], [norm]:
        head = keras.Sequential([keras.Input([8]), *layers, keras.layers.Dense(3)])
        keras.saving.save_model(head, path := Path(f"{os.getpid()}.keras").absolute())
        samples.append(path.read_bytes())
        path.unlink()
    return samples


def record_samples():
    digest = "0123456789abcdef" * 4
    figures = {"loss": 0.5, "accuracy": 0.9}
    begun = {
        "command": "python train_feature_extraction.py",
        "arguments": {"epochs": 10, "seed": 0, "resume": False, "limit": None, "rate": 1e-3},
        "started": "2025-11-24T23:53:00+00:00",
        "versions": {"python": "3.11.7"},
        "device": "CPU",
        "network": "alexnet",
        "preprocess": "caffe",
        "seed": 0,
        "names": ["Stop", "Yield", "Beware of ice/snow"],
        "weights": {"path": "bvlc-alexnet.npy", "sha256": digest},
        "data": {"path": "train.p", "sha256": digest, "pictures": 4000, "tracks": 130},
        "split": {"kind": "track", "by": "tracks", "train": 3000, "validation": 1000},
    }
    ended = {"metrics": {"train": figures, "validation": figures}, "best_epoch": 3, "seconds": 2.5}
    return [json.dumps(record).encode() for record in (begun, begun | ended)]


def evaluation_samples():
    figures = {"loss": 0.5, "accuracy": 0.9, "interval": [0.8, 0.95], "count": 1000, "ece": 0.1}
    figures["most_confused"] = [{"true": "a", "predicted": "b", "times": 3, "share": 0.1}]
    figures["trained_on"] = {"count": 1, "examples": ["a.png"], "accuracy_without": 0.9}
    return [json.dumps(figures).encode()]


def history_samples():
    head = "epoch,seconds,loss,accuracy,val_loss,val_accuracy\n"
    return [(head + "".join(f"{epoch},0.1,1.5,0.4,1.6,0.3\n" for epoch in range(1, 4))).encode()]


def classes_samples():
    rows = "".join(f"{name},0.9,,0.8,{row}\n" for row, name in enumerate(sign_names()[:5]))
    return [f"name,precision,recall,f1,support\n{rows}".encode()]


def split_samples():
    arrays = {"train": np.arange(9), "validation": np.arange(9, 12)}
    arrays["hashes"] = np.arange(9, dtype=np.uint64)
    return [saved(partial(save, **arrays)) for save in (np.savez, np.savez_compressed)]


def layers_samples():
    """Layers that a training changed, of TINY_KERNELS."""
    layers = {
        f"{name}.{part}": np.ones(shape if part == "kernel" else shape[-1:], np.float32)
        for name, shape in TINY_KERNELS.items()
        for part in ("kernel", "bias")
    }
    return [saved(partial(save, **layers)) for save in (np.savez, np.savez_compressed)]


def strangeness_samples():
    """Of features [n, 8] and 3 classes."""
    rng = np.random.default_rng(0)
    arrays = {"mean": rng.random(8), "directions": rng.random((8, 2)), "axes": np.eye(2)}
    arrays |= {"variances": np.ones(2), "centres": rng.random((3, 2))}
    arrays |= {"usual": np.zeros(2), "unit": np.ones(2)}
    arrays = {name: array.astype(np.float32) for name, array in arrays.items()}
    return [saved(partial(save, **arrays)) for save in (np.savez, np.savez_compressed)]


def folder_samples():
    """Folders: path in it -> content, or the kind of a thing that is no file."""
    picture, sign = picture_samples("JPEG")[0], picture_samples("PPM")[0]
    flowers = {f"{name}/{row}.jpg": picture for name in ("rose", "tulip") for row in range(2)}
    signs = {f"Images/0000{row}/00000_00000.ppm": sign for row in range(3)}
    return [flowers, signs, {"00000.ppm": sign, "GT-final_test.csv": LABELS}]


def write_folder(path, folder):
    """Make a folder that the last case has left nothing in; what cannot be made is left out."""
    clear(path)
    for name, content in folder.items():
        place = path / name
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            if os.path.lexists(place):  # writing into a pipe would wait for ever
                continue
            if isinstance(content, bytes):
                place.write_bytes(content)
            else:
                put(place, content)
        except (OSError, ValueError):  # a name that no file can have, or that another has
            continue


def clear(path):
    for folder, folders, names in os.walk(path, topdown=False):
        for name in names:
            Path(folder, name).unlink()
        for name in folders:
            place = Path(folder, name)
            place.unlink() if place.is_symlink() else place.rmdir()
    path.mkdir(exist_ok=True)


def names_samples():
    """Lists of classes, as folders call them."""
    folders = [name.replace("/", "-") for name in sign_names()]
    lists = [folders, folders[::-3], [f"{label:05}" for label in range(43)], ["7", "Stop"]]
    return ["\n".join(names).encode() for names in lists]


def archive(members):
    with zipfile.ZipFile(file := io.BytesIO(), "w", zipfile.ZIP_DEFLATED) as opened:
        for name, content in members.items():
            opened.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)
    return file.getvalue()


def saved(save, *arguments):
    save(file := io.BytesIO(), *arguments)
    return file.getvalue()


# ---- damage --------------------------------------------------------------------------------------

EDGES = [0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 1 << 24, 0x7FFFFFFF, 0xFFFFFFFF, 1 << 40]
EDGES += [2**63 - 1]


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


def enlarge(rng, data, _):
    """Repeat a piece until there is a megabyte of it: what does each byte cost?"""
    start = rng.randrange(len(data))
    piece = data[start : start + rng.choice([1, 2, 4, 16, 256, len(data)])]
    return data[:start] + piece * (2**20 // len(piece)) + data[start + len(piece) :]


ODD_VALUES = [None, -1, 0, 10**30, 1e308, float("nan"), True, "", "x", "a\nb", "\x1b[2J", [], {}]
ODD_VALUES += ["\ud800", [[]] * 3, {"a": 1}, "9" * 5000]


def exchange_value(rng, data, _):
    """Put something else in place of any value in a JSON file."""
    content = json.loads(data)
    inside, places = content, []
    while isinstance(inside, dict | list) and inside:
        key = rng.choice([*inside]) if isinstance(inside, dict) else rng.randrange(len(inside))
        places.append((inside, key))
        inside = inside[key]
    parent, key = rng.choice(places)
    if rng.random() < 0.2:
        del parent[key]
    else:
        parent[key] = rng.choice(ODD_VALUES)
    return json.dumps(content).encode()


def damage_settings(rng, data, samples):
    """Exchange a value in the settings of a head."""
    with zipfile.ZipFile(io.BytesIO(data)) as opened:
        members = {name: opened.read(name) for name in opened.namelist()}
    members["config.json"] = exchange_value(rng, members["config.json"], samples)
    return archive(members)


def damage_unpacked(rng, data, samples):
    """Damage what a gzip file holds."""
    return gzip.compress(rng.choice(DAMAGES)(rng, gzip.decompress(data), [data]), mtime=0)


def odd_name(rng):
    """What somebody, or some system, may call a file."""
    odd = [
        b"a\nb",
        b"\x1b[2J",
        b"\xff\xfe",
        "\u202e".encode(),
        b"..",
        b".",
        b" ",
        b"a/b",
        b"a" * 255,
    ]
    odd += [rng.randbytes(rng.randrange(1, 9)), "é".encode(), "e\u0301".encode(), b"%s{}", b"-h"]
    return os.fsdecode(rng.choice(odd).replace(b"\0", b""))


def damage_folder(rng, folder, _):
    """Rename, exchange, damage, add or remove a few things of a folder."""
    folder = dict(folder)
    for _ in range(rng.choice([1, 1, 2, 5])):
        name = rng.choice([*folder])
        parts = name.split("/")
        parts[rng.randrange(len(parts))] = odd_name(rng)
        other = "/".join(parts) if rng.random() < 0.5 else f"{'/'.join(parts[:-1])}/x.jpg"
        content = folder.get(name)
        if rng.random() < 0.3 or not isinstance(content, bytes):
            content = rng.choice([*NO_FILES_OR_FOLDERS, "folder"])
        elif rng.random() < 0.5 and content:
            content = rng.choice(DAMAGES)(rng, content, [content])
        folder[rng.choice([name, other])] = content
        if rng.random() < 0.3:
            folder.pop(name, None)
        folder = folder or {"a": "folder"}
    return folder


def damage_names(rng, data, samples):
    """Mix up lists of names; sometimes with one that nobody knows."""
    names = data.split(b"\n") + rng.choice(samples).split(b"\n")
    names = rng.sample(names, rng.randrange(1, len(names)))
    if rng.random() < 0.3:
        names[0] = os.fsencode(odd_name(rng))
    return b"\n".join(names)


DAMAGES = [flip_bits, cut, splice, repeat, remove, inflate]
OPCODES = [shuffle_opcodes, shuffle_opcodes, random_opcodes]
