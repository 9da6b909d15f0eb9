"""Small files in place of what `download.py` fetches and a reader has: same names and forms."""

import io
import pickle
import zipfile

import numpy as np
from PIL import Image

from lab.demo import flowers, signs, stand_ins
from lab.networks import NETWORKS

FRAMES = 30  # of a track in train.p
PHOTOGRAPHS = (
    "poodle.png", "weasel.png", "dog.jpg", "dogs/one.jpg", "dogs/two.jpg", "new.jpg", "rose.jpg",
)  # fmt: skip


def put(folder):
    """Writes all of them into a folder: 0.8 GB, nearly all of it random weights."""
    for network in NETWORKS.values():
        random = stand_ins.he_normal(network)
        layers = {name: [*map(np.array, layer)] for name, layer in random.items()}
        np.save(folder / network.file, layers, allow_pickle=True)
    put_signs(folder)
    put_photographs(folder)
    for name in ("flower_photos", "my_pictures", "more_pictures"):
        put_flowers(folder / name)


def put_signs(folder):
    """train.p: two tracks of each of four classes; the test archive: a sign of each class."""
    rng = np.random.default_rng(0)
    labels = np.repeat(range(4), 2 * FRAMES).astype(np.uint8)
    pictures = [signs.track(label, FRAMES, rng) for label in labels[::FRAMES]]
    sides = np.tile(np.linspace(20, 80, FRAMES), 8).astype(np.uint8)
    content = {
        "features": np.concatenate(pictures),
        "labels": labels,
        "sizes": np.stack([sides, sides], axis=1),
    }
    (folder / "train.p").write_bytes(pickle.dumps(content))
    with zipfile.ZipFile(folder / "GTSRB_Final_Test_Images.zip", "w") as archive:
        for label in range(43):
            picture = io.BytesIO()
            Image.fromarray(signs.sign(label)).save(picture, "ppm")
            archive.writestr(f"GTSRB/Final_Test/Images/{label:05}.ppm", picture.getvalue())
        lines = [f"{label:05}.ppm;{label}" for label in range(43)]
        archive.writestr("GT-final_test.csv", "\n".join(["Filename;ClassId", *lines]))


def put_photographs(folder):
    (folder / "dogs").mkdir()
    drawn = list(stand_ins.photographs().values())
    for number, name in enumerate(PHOTOGRAPHS):
        Image.fromarray(drawn[number % 2]).save(folder / name)
    for label, name in ((25, "construction.jpg"), (14, "stop.jpg")):
        Image.fromarray(signs.sign(label, size=96)).save(folder / name)


def put_flowers(folder):
    """Six of each of five kinds, a subfolder a kind; other ones in each folder."""
    drawn = flowers.draw(30, seed=len(folder.name))
    for number, (picture, label) in enumerate(zip(drawn.images, drawn.labels, strict=True)):
        place = folder / drawn.names[label]
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture).save(place / f"{number:02}.png")
