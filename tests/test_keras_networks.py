"""Networks of Keras: the same features as Keras's own models, and the whole lab on one of them."""

import subprocess
import sys
from argparse import Namespace

import keras
import numpy as np
import pytest
from conftest import PROJECT
from PIL import Image

import evaluate
import feature_extraction
import train_feature_extraction
import visualize
from lab import networks
from lab.demo import stand_ins
from lab.demo.flowers import flower
from lab.features.extraction import extract
from lab.keras_networks import KerasNetwork, classifiers
from lab.runs import record

NAME = "keras:MobileNet"


MOBILENET = keras.applications.MobileNet


def narrow(weights=None, **options):
    """MobileNet with a quarter of its channels; for "imagenet" with weights as if from a file.

    Their averages in BatchNorm are those of no batch.
    """
    model = MOBILENET(weights=None, alpha=0.25, **options)
    if weights == "imagenet":
        rng = np.random.default_rng(0)
        model.set_weights([_as_trained(x, rng) for x in model.get_weights()])
    return model


def _as_trained(array, rng):
    if array.ndim == 1:
        return array + rng.uniform(0, 0.2, array.shape)
    inputs = np.prod(array.shape[:2] if array.shape[-1] == 1 else array.shape[:-1])
    return rng.normal(0, np.sqrt(2 / inputs), array.shape)


@pytest.fixture(scope="module", autouse=True)
def small():
    """Narrow networks, and ten flowers a kind."""
    networks._of_keras.cache_clear()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(keras.applications, "MobileNet", narrow)
        patch.setattr(stand_ins, "FLOWERS", 50)
        yield
    networks._of_keras.cache_clear()


@pytest.fixture(scope="module")
def network():
    return networks.named(NAME)


@pytest.fixture(scope="module")
def weights(network):
    return network.load_weights()


def test_all_classifiers_are_found_without_keras_and_each_prepares_its_own_pictures():
    assert {"EfficientNetV2B0", "ConvNeXtXLarge", "ResNet152V2", "MobileNetV3Small"} <= {
        *classifiers()
    }
    for name, module in classifiers().items():
        assert callable(getattr(keras.applications, name))
        assert callable(getattr(keras.applications, module).preprocess_input)
        KerasNetwork(f"keras:{name}")


def test_features_are_those_of_kerass_own_model(network, weights):
    own = narrow("imagenet", include_top=False, pooling="avg")
    shown = np.stack([flower(kind, size=224) for kind in range(3)])
    prepared = keras.applications.mobilenet.preprocess_input(shown.astype(np.float32))
    expected = own.predict(prepared, verbose=0)
    assert expected.shape == (3, network.layers["pooled"])
    assert expected.std(axis=0).mean() > 1e-2 * expected.mean()  # they see a difference
    found = network.features(network.preprocess(shown), weights)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5 * expected.max())
    alone = network.features(network.preprocess(shown[:1]), weights)
    np.testing.assert_allclose(alone, expected[:1], rtol=1e-4, atol=1e-5 * expected.max())
    extracted = extract(shown, weights, network=network, cache=False)
    np.testing.assert_allclose(extracted, expected, rtol=2e-3, atol=1e-3 * expected.max())
    mixed = [flower(3, size=300)[:, :200], shown[0]]
    extracted = extract(mixed, weights, network=network, cache=False)
    np.testing.assert_allclose(extracted[1], expected[0], rtol=2e-3, atol=1e-3 * expected.max())


def test_random_weights_are_the_same_at_each_call(network):
    first, again = (stand_ins.weights(network)["MobileNet"] for _ in range(2))
    for one, other in zip(first, again, strict=True):
        np.testing.assert_array_equal(one, other)


def test_random_weights_let_pictures_differ(network):
    drawn = stand_ins._drawn("flowers", 10, seed=0).images
    features = network.features(network.preprocess(drawn), stand_ins.weights(network)).numpy()
    assert np.median(features.std(axis=0)) > 0.02
    assert features.max() < 100


def test_those_that_keras_builds_otherwise_with_weights_are_refused():
    with pytest.raises(ValueError, match="take its successor, keras:EfficientNetV2B0"):
        KerasNetwork("keras:EfficientNetB3").load_weights()


def test_weights_that_cannot_be_fetched_are_one_line(network, monkeypatch):
    def refuse(*_, **__):
        raise Exception("URL fetch failure on https://host/file.h5: None -- unreachable")

    monkeypatch.setattr(keras.applications, "MobileNet", refuse)
    with pytest.raises(OSError, match=r"cannot get its weights: URL fetch failure .* or --demo"):
        network.load_weights()


# ---- the whole lab ------------------------------------------------------------------------------


@pytest.fixture(scope="module", autouse=True)
def no_features_from_before(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ALEXNET_LAB_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """Two trainings: with random weights on drawn flowers, with fetched ones on a folder."""
    place = tmp_path_factory.mktemp("lab")
    options = ["--network", NAME, "--epochs", "2", "--no-cache", "--out", str(place / "runs")]
    train_feature_extraction.main([*options, "--demo", "--name", "random"])
    drawn = stand_ins._drawn("flowers", 30, seed=2)
    for row, (picture, label) in enumerate(zip(drawn.images, drawn.labels, strict=True)):
        path = place / "flowers" / drawn.names[label] / f"{row}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture).save(path)
    folder = str(place / "flowers")
    train_feature_extraction.main([*options, "--data", folder, "--name", "fetched"])
    return Namespace(runs=place / "runs", data=folder, place=place)


@pytest.mark.parametrize(
    ("name", "file"),
    [("random", "random weights (--demo)"), ("fetched", "Keras's ImageNet weights")],
)
def test_a_run_knows_its_network_and_brings_its_weights(lab, name, file, capsys):
    found = record.read(lab.runs / name)
    assert (found.network, found.layer, found.weights.path) == (NAME, "pooled", file)
    assert found.precision == "float32"
    options = ["--run", str(lab.runs / name)]
    feature_extraction.main([*options, f"{lab.data}/roses/12.png", "--top", "5"])
    assert {line.split(": ")[0] for line in capsys.readouterr().out.splitlines()[2:7]} == {
        *found.names
    }
    evaluate.main([*options, "--data", lab.data, "--no-cache"])
    assert "30 pictures of 5 classes" in capsys.readouterr().out


def test_of_its_layers_nothing_is_drawn_and_the_map_is(lab, capsys):
    out = str(lab.place / "seen")
    visualize.main(["--run", str(lab.runs / "fetched"), "--data", lab.data, "--out", out])
    said = capsys.readouterr()
    assert said.out.split() == [f"{out}/map.png"]
    assert f"{NAME} shows nothing of its layers" in said.err


def train(*options):
    train_feature_extraction.main(["--network", NAME, "--demo", *options])


@pytest.mark.parametrize(
    ("refused", "said"),
    [
        (
            lambda: train("--preprocess", "course"),
            f"--preprocess course: {NAME} has one of its own",
        ),
        (lambda: train("--layer", "fc7"), f"--layer fc7: {NAME} gives its features after pooled"),
        (lambda: train("--weights", "w.h5"), f"--weights w.h5: {NAME} takes Keras's ImageNet"),
        (lambda: train("--precision", "bfloat16"), "--precision bfloat16: "),
        (lambda: visualize.main(["--network", NAME]), "--data draws a map"),
    ],
)
def test_what_does_not_apply_is_one_line(refused, said, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as end:
        refused()
    assert end.value.code == 2
    said_all = capsys.readouterr().err
    assert said in said_all.splitlines()[-1]
    assert "Traceback" not in said_all
    assert not (tmp_path / "runs").exists()


UNKNOWN = {
    "keras:efficientnetv2b0": "of keras.applications there is EfficientNetV2B0, ",
    "keras:MobilNetV2": "of keras.applications there is MobileNetV2, ",
    "keras:": "of keras.applications there is ConvNeXtBase, ",
    "vgg19": "expected alexnet or vgg16, or keras:NAME",
}
ASK = """
import sys
import train_feature_extraction
for name in sys.argv[1:]:
    try:
        train_feature_extraction.main(["--demo", "--network", name])
    except SystemExit as end:
        assert end.code == 2
assert not {"tensorflow", "keras"} & {*sys.modules}
"""


def test_an_unknown_name_is_one_line_with_those_like_it_before_tensorflow():
    line = [sys.executable, "-c", ASK, *UNKNOWN]
    done = subprocess.run(line, cwd=PROJECT, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "")
    for said, known in zip(done.stderr.splitlines(), UNKNOWN.values(), strict=True):
        assert known in said
