"""visualize.py draws what the network does, and its maps of decisions are gradients, checked."""

import numpy as np
import pytest
from PIL import Image

import visualize
from lab.demo import stand_ins
from lab.formats.weights import digest
from lab.networks import ALEXNET, VGG16
from lab.runs.record import Record
from lab.runs.run import Run


@pytest.fixture(scope="module")
def weights(demo_weights):
    return demo_weights


@pytest.fixture(autouse=True)
def no_features_from_before(tmp_path, monkeypatch):
    monkeypatch.setenv("ALEXNET_LAB_CACHE", str(tmp_path / "cache"))


def head_on(layer):
    import keras

    keras.utils.set_random_seed(0)
    return keras.Sequential([keras.Input([ALEXNET.layers[layer]]), keras.layers.Dense(43)])


def record_of(weights, layer="fc7"):
    figures = {"loss": 1.0, "accuracy": 0.5}
    sha256 = digest(weights)
    return Record(
        command="python", arguments={"demo": True}, started="2026-01-01T00:00:00Z", versions={},
        device="CPU", network="alexnet", layer=layer, preprocess="caffe", precision="float32",
        seed=0, names=[f"sign {label}" for label in range(43)],
        weights={"path": "random weights (--demo)", "sha256": sha256},
        data={"path": "train.p", "sha256": sha256, "pictures": 3},
        split={"kind": "random", "train": 2, "validation": 1},
        metrics={"train": figures, "validation": figures},
    )  # fmt: skip


@pytest.fixture(scope="module")
def run(weights, tmp_path_factory):
    """The folder of a run of --demo."""
    folder = tmp_path_factory.mktemp("run")
    head_on("fc7").save(folder / "head.keras")
    (folder / "run.json").write_text(record_of(weights).model_dump_json(exclude_none=True))
    return folder


def test_the_demo_draws_everything_and_names_each_file(run, weights, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(stand_ins, "weights", lambda _: weights)
    monkeypatch.setattr(stand_ins, "photographs", dict)
    visualize.main(["--demo", "--run", str(run), "--limit", "43", "--out", str(tmp_path / "out")])
    names = ["conv1", "activations-construction", "activations-stop", "gradcam-construction",
             "gradcam-stop", "map"]  # fmt: skip
    paths = [tmp_path / "out" / f"{name}.png" for name in names]
    assert capsys.readouterr().out.split() == [str(path) for path in paths]
    for path in paths:
        assert np.ptp(np.asarray(Image.open(path).convert("L"))) > 100


@pytest.mark.parametrize("named", [True, False])
def test_drawings_of_a_run_are_in_its_folder_and_others_beside_the_runs(
    named, run, weights, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(stand_ins, "weights", lambda _: weights)
    Image.new("RGB", (40, 40)).save("a.png")
    monkeypatch.setattr(visualize, "read_map", lambda *_: None)
    visualize.main(["a.png", "--demo", *(["--run", str(run)] if named else [])])
    place = run / "seen" if named else "runs/seen"
    assert f"{place}/activations-a.png" in capsys.readouterr().out.splitlines()


@pytest.mark.parametrize(("layer", "last"), [("fc7", "conv5"), ("conv4", "conv4")])
def test_evidence_is_what_a_channel_adds_to_the_score(weights, layer, last):
    """By finite differences, all from the maps of the last convolution below the head."""
    head = head_on(layer)
    picture = stand_ins.signs()["stop"]
    maps = visualize.look(picture, weights, ALEXNET)[last].numpy()

    def scores(maps):
        return head(ALEXNET.features(maps, weights, layer, after=last)).numpy().astype(float)

    label = scores(maps)[0].argmax()
    small = 1e-2 * maps.max()
    channels = maps.shape[-1]
    steps = small * np.eye(channels, dtype=np.float32)[:, None, None, :]  # one channel, everywhere
    change = (scores(maps + steps) - scores(maps - steps))[:, label]
    worth = change / (2 * small * 13 * 13)  # the mean over places
    expected = np.maximum(maps[0] @ worth, 0)
    found = visualize.evidence(picture, Run(None, record_of(weights, layer), weights, head))
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


@pytest.mark.parametrize(
    ("network", "convention", "channel"),
    [(ALEXNET, "caffe", 2), (ALEXNET, "course", 0), (VGG16, "caffe", 2), (VGG16, "course", 2)],
)
def test_filters_are_shown_in_the_colours_they_answer_to(network, convention, channel, monkeypatch):
    import tensorflow as tf

    from lab.runs import drawings

    kernel = np.zeros(network.module.KERNELS[network.first], np.float32)
    kernel[:, :, channel] = 1  # red is the last of blue, green, red
    drawn = []
    monkeypatch.setattr(drawings, "filters", lambda rgb, path: drawn.append(rgb))
    weights = {network.first: (tf.constant(kernel), None)}
    visualize.draw_filters(weights, network, convention, "seen")
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
        visualize.read_pictures([tmp_path / "a.png", tmp_path / "a.bmp"], demo=False)


def test_a_map_of_too_few_pictures_is_one_line(weights, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(stand_ins, "weights", lambda _: weights)
    with pytest.raises(SystemExit) as end:
        visualize.main(["--demo", "--limit", "9", "--out", str(tmp_path)])
    assert end.value.code == 2
    assert "a map needs 10 pictures, found 9: raise --limit" in capsys.readouterr().err
