"""`.keras` files: settings come back, and what would take more memory than the file is refused."""

import io
import json
import zipfile

import h5py
import numpy as np
import pytest

from lab.formats import keras_files

KERNEL = np.arange(12, dtype=np.float32).reshape(4, 3)
SETTINGS = {"config": {"layers": []}}
PLAIN = json.dumps(SETTINGS)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "head.keras"


def arrays(fill):
    """An HDF5 file into which `fill` puts arrays."""
    with h5py.File(content := io.BytesIO(), "w") as file:
        fill(file)
    return content.getvalue()


def write(path, weights=None, settings=PLAIN):
    members = {
        "metadata.json": "{}",
        "config.json": settings,
        "model.weights.h5": weights or arrays(lambda file: file.create_dataset("0", data=KERNEL)),
    }
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            if content is not None:
                archive.writestr(name, content)
    return path


def refusal(path):
    with pytest.raises(ValueError, match=r"head\.keras: .*; train again") as error:
        keras_files.check(path, 10_000_000, "train again")
    assert str(error.value).isprintable()
    return str(error.value)


def test_the_settings_of_a_plain_file_come_back(path):
    assert keras_files.check(write(path), 1_000_000, "") == SETTINGS


def test_what_keras_writes_is_plain(path):
    keras = pytest.importorskip("keras")
    keras.Sequential([keras.Input([4]), keras.layers.Dense(3)]).save(path)
    layers = keras_files.check(path, 1_000_000, "")["config"]["layers"]
    assert [layer["class_name"] for layer in layers] == ["InputLayer", "Dense"]


def packed(file):
    file.create_dataset("0", (10_000_000, 43), "f4", compression="gzip", chunks=(2**18, 43))


def unwritten(file):
    file.create_dataset("layers/0", (10_000_000, 43), "f4")


def in_pieces(file):
    file.create_dataset("0", (4, 3), "f4", chunks=(2**20, 2**8), maxshape=(None, None))


def elsewhere(file):
    file.create_dataset("0", (4, 3), "f4", external=[("/etc/passwd", 0, 48)])


def virtual(file):
    layout = h5py.VirtualLayout((4, 3), "f4")
    layout[:] = h5py.VirtualSource("/tmp/other.h5", "0", (4, 3))
    file.create_virtual_dataset("0", layout)


def texts(file):
    file.create_dataset("0", data=["a" * 1000] * 4, dtype=h5py.string_dtype())


@pytest.mark.parametrize("fill", [packed, unwritten, in_pieces, elsewhere, virtual, texts])
def test_arrays_that_are_not_plainly_in_the_file_are_refused(path, fill):
    assert "/0 is" in refusal(write(path, arrays(fill)))


def test_arrays_that_share_their_place_count_twice(path):
    def fill(file):
        for number in range(9):
            file.create_dataset(str(number), (100, 100), "f4")
        file["0"][:] = 1

    assert "is larger than the file" in refusal(write(path, arrays(fill)))


@pytest.mark.parametrize("settings", ["", "{", "[" * 100_000, b"\xff", '"' + "9" * 5000])
def test_settings_that_are_no_json_are_one_line(path, settings):
    assert "found damage" in refusal(write(path, settings=settings))


@pytest.mark.parametrize("weights", [b"x", b"\x89HDF\r\n\x1a\n" + bytes(100)])
def test_weights_that_are_no_hdf5_are_one_line(path, weights):
    assert "found damage" in refusal(write(path, weights))


def test_a_file_without_settings_is_one_line(path):
    assert "found no config.json in it" in refusal(write(path, settings=None))


def test_a_file_that_is_no_zip_file_is_one_line(path):
    path.write_bytes(b"no head")
    assert "cut or damaged" in refusal(path)


def test_a_file_that_unpacks_to_more_than_it_may_is_refused(path):
    assert "expected at most 10,000,000 bytes" in refusal(write(path, bytes(10_000_001)))
