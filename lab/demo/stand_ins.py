"""What `--demo` stands in for files nobody has yet: weights, signs and pictures made by code."""

from pathlib import Path

import numpy as np

from lab.console import notice

SIGNS = 4000
PIXELS = 16  # divides conv1: pixels from 0 to 255 then give fc7 a spread of about 1


def weights():
    """Random weights of AlexNet's true shapes, He-normal (He et al. 2015), the same at each call.

    Good enough to extract features a new layer can learn from; useless for ImageNet's names.
    Returns layer -> (kernel, bias), float32 tensors, like `alexnet.load_weights`.
    """
    import tensorflow as tf

    from alexnet import KERNELS

    notice("DEMO: random weights stand in for bvlc-alexnet.npy; ImageNet names mean nothing.")
    rng = np.random.default_rng(0)

    def layer(shape, spread):
        kernel = rng.standard_normal(shape, dtype=np.float32)
        # He's formula alone lets all pictures look the same after seven layers; filters without a
        # mean of their own keep apart what differs.
        kernel -= kernel.mean(axis=tuple(range(len(shape) - 1)), keepdims=True)
        kernel *= np.sqrt(2 / np.prod(shape[:-1])) / spread
        return tf.constant(kernel), tf.zeros(shape[-1])

    return {name: layer(shape, PIXELS if name == "conv1" else 1) for name, shape in KERNELS.items()}


def dataset():
    """Drawn traffic signs, like `dataset.load("train.p")`."""
    from lab.demo import signs as drawn_signs

    notice(f"DEMO: {SIGNS:,} traffic signs drawn by code stand in for train.p.")
    return drawn_signs.draw(SIGNS)


def signs():
    """Two drawn signs: name -> uint8 RGB [32, 32, 3]."""
    from lab.demo import signs as drawn_signs

    notice("DEMO: drawn signs stand in for construction.jpg and stop.jpg.")
    return {"construction": drawn_signs.sign(25), "stop": drawn_signs.sign(14)}


def photographs():
    """The two photographs that scikit-learn ships: name -> uint8 RGB [h, w, 3]."""
    from sklearn.datasets import load_sample_images

    notice("DEMO: two photographs from scikit-learn stand in for poodle.png and weasel.png.")
    samples = load_sample_images()
    return {
        Path(name).stem: image
        for name, image in zip(samples.filenames, samples.images, strict=True)
    }
