"""What `--demo` stands in for files nobody has yet: weights, signs, flowers, pictures from code."""

from pathlib import Path

import numpy as np

from lab.console import notice

SIGNS = 4000
FLOWERS = 600  # two minutes of VGG16 on two cores, in float32
PIXELS = 16  # divides the first layer: pixels from 0 to 255 then give fc7 a spread of about 1


def weights(network):
    """`he_normal`, and a notice that these stand in for the network's file.

    Good enough to extract features a new layer can learn from; useless for ImageNet's names.
    """
    notice(f"DEMO: random weights stand in for {network.file}; ImageNet names mean nothing.")
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


def dataset():
    """Drawn traffic signs, like `dataset.load("train.p")`."""
    from lab.demo.signs import draw

    notice(f"DEMO: {SIGNS:,} traffic signs drawn by code stand in for train.p.")
    return draw(SIGNS)


def test_set():
    """Other signs than `dataset` draws."""
    from lab.demo.signs import draw

    notice("DEMO: 1,000 newly drawn signs stand in for the official test set.")
    return draw(1000, seed=1)  # seed 0 draws what the demo trains on


def signs():
    """Two drawn signs: name -> uint8 RGB [32, 32, 3]."""
    from lab.demo.signs import sign

    notice("DEMO: drawn signs stand in for construction.jpg and stop.jpg.")
    return {"construction": sign(25), "stop": sign(14)}


def flower_dataset():
    """Drawn flowers, like `dataset.load("flower_photos")`."""
    from lab.demo.flowers import draw

    notice(f"DEMO: {FLOWERS:,} flowers drawn by code stand in for flower_photos.")
    return draw(FLOWERS)


def flower_test_set():
    """Other flowers than `flower_dataset` draws."""
    from lab.demo.flowers import draw

    notice("DEMO: 100 newly drawn flowers stand in for a test set.")
    return draw(100, seed=1)  # seed 0 draws what the demo trains on


def flowers():
    """Two drawn flowers: name -> uint8 RGB [96, 96, 3]."""
    from lab.demo.flowers import flower

    notice("DEMO: drawn flowers stand in for photographs of a rose and a sunflower.")
    return {"rose": flower(2), "sunflower": flower(3)}


def photographs():
    """The two photographs that scikit-learn ships: name -> uint8 RGB [h, w, 3]."""
    from sklearn.datasets import load_sample_images

    notice("DEMO: two photographs from scikit-learn stand in for poodle.png and weasel.png.")
    samples = load_sample_images()
    return {
        Path(name).stem: image
        for name, image in zip(samples.filenames, samples.images, strict=True)
    }
