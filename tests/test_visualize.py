"""visualize.py draws what the network does, and its maps of decisions are gradients, checked."""

import json

import numpy as np
import pytest
from PIL import Image

import visualize
from lab.demo import stand_ins as demo


@pytest.fixture(scope="module")
def weights():
    return demo.weights()


@pytest.fixture(scope="module")
def head():
    import keras

    keras.utils.set_random_seed(0)
    return keras.Sequential([keras.Input([4096]), keras.layers.Dense(43)])


@pytest.fixture(scope="module")
def run(weights, head, tmp_path_factory):
    """The folder of a run of --demo."""
    from lab.features import extraction as features

    folder = tmp_path_factory.mktemp("run")
    head.save(folder / "head.keras")
    record = {
        "names": [f"sign {label}" for label in range(43)],
        "preprocess": "caffe",
        "arguments": {"demo": True},
        "weights": {"path": None, "sha256": features.weights_digest(weights)},
    }
    (folder / "run.json").write_text(json.dumps(record))
    return folder


def test_the_demo_draws_everything_and_names_each_file(run, weights, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(demo, "weights", lambda: weights)
    monkeypatch.setattr(demo, "photographs", dict)
    visualize.main(["--demo", "--head", str(run), "--limit", "43", "--out", str(tmp_path / "out")])
    names = ["conv1", "activations-construction", "gradcam-construction", "activations-stop",
             "gradcam-stop", "map"]  # fmt: skip
    paths = [tmp_path / "out" / f"{name}.png" for name in names]
    assert capsys.readouterr().out.split() == [str(path) for path in paths]
    for path in paths:
        assert np.ptp(np.asarray(Image.open(path).convert("L"))) > 100


def test_evidence_is_what_a_channel_adds_to_the_score(weights, head):
    import tensorflow as tf

    from alexnet import dense, max_pool

    picture = demo.signs()["stop"]
    conv5 = visualize.look(picture, weights)["conv5"].numpy()

    def scores(conv5):
        x = tf.reshape(max_pool(tf.constant(conv5)), [len(conv5), -1])
        for layer in ("fc6", "fc7"):
            x = tf.nn.relu(dense(x, weights[layer]))
        return head(x).numpy().astype(float)

    label = scores(conv5)[0].argmax()
    small = 1e-2 * conv5.max()
    steps = small * np.eye(256, dtype=np.float32)[:, None, None, :]  # one channel, everywhere
    change = (scores(conv5 + steps) - scores(conv5 - steps))[:, label]
    worth = change / (2 * small * 13 * 13)  # the mean over places
    expected = np.maximum(conv5[0] @ worth, 0)
    found = visualize.evidence(picture, weights, head)
    assert found.shape == (13, 13)
    np.testing.assert_allclose(found, expected, atol=0.1 * expected.max())
    assert np.corrcoef(found.ravel(), expected.ravel())[0, 1] > 0.99


def test_places_keep_neighbours_together():
    rng = np.random.default_rng(0)
    kinds = np.repeat([0, 1, 2], 20)
    features = (5 * rng.normal(size=(3, 4096))[kinds] + rng.normal(size=(60, 4096))).astype("f2")
    places = visualize.lay_out(features, seed=0)
    assert places.shape == (60, 2)
    distances = np.linalg.norm(places[:, None] - places[None], axis=2) + 1e9 * np.eye(60)
    assert (kinds[distances.argmin(1)] == kinds).all()


@pytest.mark.parametrize(("convention", "channel"), [("caffe", 2), ("course", 0)])
def test_filters_are_shown_in_the_colours_they_answer_to(convention, channel, monkeypatch):
    import tensorflow as tf

    from lab.runs import drawings

    kernel = np.zeros((11, 11, 3, 96), np.float32)
    kernel[:, :, channel] = 1  # red is the last of blue, green, red
    drawn = []
    monkeypatch.setattr(drawings, "filters", lambda rgb, path: drawn.append(rgb))
    visualize.draw_filters({"conv1": (tf.constant(kernel), None)}, convention, "conv1.png")
    assert drawn[0][:, :, 0].all()
    assert not drawn[0][:, :, 1:].any()


def test_a_missing_picture_is_one_line(tmp_path, capsys):
    with pytest.raises(SystemExit) as end:
        visualize.main([str(tmp_path / "dog.png")])
    assert end.value.code == 2
    line = capsys.readouterr().err
    assert "dog.png" in line
    assert line.count("\n") == 1


def test_pictures_of_one_name_would_overwrite_each_other(tmp_path):
    for name in ("a.png", "a.bmp"):
        Image.new("RGB", (4, 4)).save(tmp_path / name)
    with pytest.raises(ValueError, match="rename one"):
        visualize.read_pictures([tmp_path / "a.png", tmp_path / "a.bmp"])


def test_a_map_of_too_few_pictures_is_one_line(weights, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(demo, "weights", lambda: weights)
    with pytest.raises(SystemExit) as end:
        visualize.main(["--demo", "--limit", "9", "--out", str(tmp_path)])
    assert end.value.code == 2
    assert "a map needs 10 pictures, found 9: raise --limit" in capsys.readouterr().err
