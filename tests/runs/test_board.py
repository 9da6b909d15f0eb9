"""TensorBoard itself is asked what it shows of a run."""

import io
import json
import time
import urllib.request
from urllib.parse import parse_qsl, urlencode

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from tensorboard.program import TensorBoard

from lab.runs import board

NAMES = ["Stop", "Speed limit\t(30 km/h)", "Yield"]
COUNT = 70


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run folder with the extras of COUNT pictures, whose first pixel is their row."""
    folder = tmp_path_factory.mktemp("run")
    rng = np.random.default_rng(0)
    pictures = rng.integers(0, 256, (COUNT, 32, 32, 3), np.uint8)
    pictures[:, :, :, 0] = np.arange(COUNT)[:, None, None]
    features = rng.random((COUNT, 4096)).astype(np.float16)
    features[:, 0] = np.arange(COUNT)
    confusion = Image.new("RGB", (300, 200), (0, 114, 178))
    confusion.save(folder / "confusion.png")
    labels = np.arange(COUNT) % 3
    for side in ("train", "validation"):  # where Keras puts the curves
        with tf.summary.create_file_writer(str(folder / "tensorboard" / side)).as_default():
            tf.summary.scalar("epoch_loss", 1.0, step=0)
    board.write_extras(folder, features, labels, NAMES, pictures, folder / "confusion.png")
    return folder


@pytest.fixture(scope="module")
def ask(run):
    """A function from an address below /data/plugin to the bytes that TensorBoard answers."""
    server = TensorBoard()
    server.configure(
        logdir=str(run / "tensorboard"),
        host="127.0.0.1",
        port=0,  # any that is free
        load_fast="false",
        reload_interval=0,  # it reads the folder once
    )
    url = server.launch()

    def get(address, **query):
        query = urlencode({name: str(value) for name, value in query.items()})
        with urllib.request.urlopen(f"{url}data/plugin/{address}?{query}", timeout=20) as answer:
            return answer.read()

    deadline = time.monotonic() + 20
    while not json.loads(get("images/tags")) and time.monotonic() < deadline:
        time.sleep(0.1)
    return get


def test_tensorboard_shows_the_confusion_matrix(ask):
    tags = json.loads(ask("images/tags"))
    assert tags.keys() == {"validation"}
    assert list(tags["validation"]) == ["confusion"]
    [image] = json.loads(ask("images/images", run="validation", tag="confusion", sample=0))
    shown = ask("images/individualImage", **dict(parse_qsl(image["query"])))
    with Image.open(io.BytesIO(shown)) as picture:
        assert picture.size == (300, 200)
        assert picture.convert("RGB").getpixel((5, 5)) == (0, 114, 178)


def test_the_projector_shows_features_names_and_thumbnails_in_one_order(ask):
    assert json.loads(ask("projector/runs")) == ["validation"]
    [dots] = json.loads(ask("projector/info", run="validation"))["embeddings"]
    name = dots["tensorName"]
    assert dots["tensorShape"] == [COUNT, 4096]

    tensor = np.frombuffer(ask("projector/tensor", run="validation", name=name), np.float32)
    rows = tensor.reshape(COUNT, 4096)[:, 0].astype(int)
    assert sorted(rows) == list(range(COUNT))

    names = ask("projector/metadata", run="validation", name=name).decode().splitlines()
    assert names == [" ".join(NAMES[row % 3].split()) for row in rows]

    with Image.open(
        io.BytesIO(ask("projector/sprite_image", run="validation", name=name))
    ) as sheet:
        sheet = np.asarray(sheet)
    width, height = dots["sprite"]["singleImageDim"]
    columns = sheet.shape[1] // width
    corners = [sheet[place // columns * height, place % columns * width] for place in range(COUNT)]
    assert [corner[0] for corner in corners] == rows.tolist()


def test_of_many_pictures_a_sample_is_shown(tmp_path, monkeypatch):
    monkeypatch.setattr(board, "MOST", 4)
    Image.new("RGB", (9, 9)).save(tmp_path / "confusion.png")
    paths = [tmp_path / f"{row}.png" for row in range(9)]
    for path in paths:
        Image.new("RGB", (80, 60), (255, 0, 0)).save(path)
    features, labels = np.zeros((9, 4096), np.float16), np.zeros(9, int)
    board.write_extras(tmp_path, features, labels, NAMES, paths, tmp_path / "confusion.png")
    assert (tmp_path / "tensorboard/validation/names.tsv").read_text() == "Stop\n" * 4
    with Image.open(tmp_path / "tensorboard/validation/thumbnails.png") as sheet:
        assert sheet.size == (64, 64)
        assert sheet.getpixel((63, 63)) == (255, 0, 0)
