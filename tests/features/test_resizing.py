"""What is made of a file is what the network's `preprocess` makes of its pixels."""

import threading

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

import alexnet
import vgg16
from lab.data import images
from lab.features import resizing


def noise(height, width):
    """Every pixel on its own: nothing hides how they are weighed."""
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)


def smooth(height, width):
    rows, columns = np.mgrid[:height, :width] / max(height, width)
    waves = [np.sin(9 * rows), np.cos(7 * columns), np.sin(5 * (rows + columns))]
    return np.uint8(127.5 + 127 * np.stack(waves, axis=-1))


def written(array, path):
    Image.fromarray(array).save(path, compress_level=1)
    return path


@pytest.mark.parametrize(
    "size", [(1, 1), (32, 32), (227, 227), (375, 500), (1000, 100), (907, 2000), (300, 229)]
)
def test_a_square_is_what_tensorflow_makes_of_all_pixels(tmp_path, size):
    array = noise(*size)
    found = resizing.squeezed(written(array, tmp_path / "a.png"), 227)
    expected = tf.image.resize(array, (227, 227), antialias=True)
    assert (found.dtype, found.shape) == (np.float32, (227, 227, 3))
    np.testing.assert_allclose(found, expected, atol=0.01)


@pytest.mark.parametrize("size", [(908, 908), (1300, 1100), (2400, 1900), (3700, 1000)])
def test_of_a_large_picture_blocks_are_averaged_first_which_a_smooth_one_hardly_shows(
    tmp_path, size
):
    array = smooth(*size)
    found = resizing.squeezed(written(array, tmp_path / "a.png"), 227)
    np.testing.assert_allclose(found, tf.image.resize(array, (227, 227), antialias=True), atol=1.5)


@pytest.mark.parametrize("convention", ["caffe", "course"])
@pytest.mark.parametrize("network", [alexnet, vgg16])
@pytest.mark.parametrize("size", [(20, 30), (300, 700), (890, 2100)])
def test_a_file_is_prepared_as_an_array_is(tmp_path, network, convention, size):
    array = noise(*size)
    found = resizing.prepared(written(array, tmp_path / "a.png"), network, convention)
    np.testing.assert_allclose(found, network.preprocess(array[None], convention), atol=0.01)


@pytest.mark.parametrize("network", [alexnet, vgg16])
def test_by_the_convention_of_the_course_a_large_file_too_is_prepared_as_an_array_is(
    tmp_path, network
):
    array = noise(1000, 1900)
    found = resizing.prepared(written(array, tmp_path / "a.png"), network, "course")
    np.testing.assert_allclose(found, network.preprocess(array[None], "course"), atol=0.01)


@pytest.mark.parametrize("size", [(3000, 3000), (40, 9000)])
def test_no_large_picture_is_made_float32(tmp_path, monkeypatch, size):
    pixels, read = [], images.read

    def noted(*arguments, **options):
        picture = read(*arguments, **options)
        pixels.append(picture.shape[0] * picture.shape[1])
        return picture

    monkeypatch.setattr(images, "read", noted)
    resizing.prepared(written(np.zeros((*size, 3), np.uint8), tmp_path / "a.png"), alexnet, "caffe")
    assert pixels[0] < 600_000


def test_a_whole_picture_keeps_its_memory_reserved_while_it_is_prepared(tmp_path, monkeypatch):
    path = written(noise(100, 100), tmp_path / "a.png")
    monkeypatch.setattr(images, "DECODED", images.Memory(200_000))
    inside, most = threading.Semaphore(1), []

    class Network:
        @staticmethod
        def preprocess(pictures, convention):
            most.append(inside.acquire(blocking=False))
            threading.Event().wait(0.01)
            inside.release()

    list(images.in_threads(lambda path: resizing.prepared(path, Network, "course"), [path] * 5))
    assert most == [True] * 5
