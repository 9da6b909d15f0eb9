"""What `--demo` stands in for files nobody has yet: weights, signs, flowers, pictures from code."""

from importlib import import_module
from pathlib import Path

import numpy as np

from lab.console import notice

SIGNS = 4000
FLOWERS = 400  # a minute and a half of VGG16 on two cores, in float32
SEED = 6  # of two flowers that a person names at once
PIXELS = 16  # divides the first layer: pixels from 0 to 255 then give fc7 a spread of about 1


def weights(network):
    """Random weights of a network, and a notice that these stand in for its file.

    Good enough to extract features a new layer can learn from; useless for ImageNet's names.
    """
    notice(f"DEMO: random weights stand in for {network.file}; ImageNet names mean nothing.")
    if network.fetched:
        return network.random_weights(_drawn(network.subject, 32, seed=2).images)
    return he_normal(network)


def he_normal(network, seed=0):
    """Random weights of a network's true shapes, He-normal (He et al. 2015), the same for a seed.

    Returns layer -> (kernel, bias), float32 tensors, like the network's `load_weights`.
    """
    import tensorflow as tf

    kernels = network.module.KERNELS
    first, rng = next(iter(kernels)), np.random.default_rng(seed)

    def layer(shape, spread):
        kernel = rng.standard_normal(shape, dtype=np.float32)
        # He's formula alone lets all pictures look the same after seven layers; filters without a
        # mean of their own keep apart what differs.
        kernel -= kernel.mean(axis=tuple(range(len(shape) - 1)), keepdims=True)
        kernel *= np.sqrt(2 / np.prod(shape[:-1])) / spread
        return tf.constant(kernel), tf.zeros(shape[-1])

    return {name: layer(shape, PIXELS if name == first else 1) for name, shape in kernels.items()}


def dataset(subject="signs"):
    """Drawn signs, like `sources.load("train.p")`, or flowers, like those of `flower_photos`."""
    counts = {"signs": SIGNS, "flowers": FLOWERS}
    what = {"signs": "traffic signs", "flowers": "flowers"}[subject]
    file = {"signs": "train.p", "flowers": "flower_photos"}[subject]
    notice(f"DEMO: {counts[subject]:,} {what} drawn by code stand in for {file}.")
    return _drawn(subject, counts[subject], seed=0)


def test_set(subject):
    """Other pictures than `dataset` draws."""
    count = {"signs": 1000, "flowers": 100}[subject]
    file = {"signs": "the official test set", "flowers": "a test set"}[subject]
    notice(f"DEMO: {count:,} newly drawn {subject} stand in for {file}.")
    return _drawn(subject, count, seed=1)


def _drawn(subject, count, seed):
    return import_module(f"lab.demo.{subject}").draw(count, seed)


def pictures(subject="signs"):
    """Two drawn signs, or two flowers: name -> uint8 RGB [side, side, 3]."""
    return {"signs": signs, "flowers": flowers}[subject]()


def signs():
    """Two drawn signs: name -> uint8 RGB [32, 32, 3]."""
    from lab.demo.signs import sign

    notice("DEMO: drawn signs stand in for construction.jpg and stop.jpg.")
    return {"construction": sign(25), "stop": sign(14)}


def flowers():
    """Two drawn flowers: name -> uint8 RGB [96, 96, 3]."""
    from lab.demo.flowers import flower

    notice("DEMO: drawn flowers stand in for photographs of a rose and a sunflower.")
    return {"rose": flower(2, SEED), "sunflower": flower(3, SEED)}


def photographs():
    """The two photographs that scikit-learn ships: name -> uint8 RGB [h, w, 3]."""
    from sklearn.datasets import load_sample_images

    notice("DEMO: two photographs from scikit-learn stand in for poodle.png and weasel.png.")
    samples = load_sample_images()
    return {
        Path(name).stem: image
        for name, image in zip(samples.filenames, samples.images, strict=True)
    }
