"""Exercise 4: two groups, and neighbours that damp each other.

60 minutes, hard, 11 lines to write. Belongs to chapter 1 of the guide.

In 2012 AlexNet was cut in two to fit on two graphics cards: the first half of conv2's kernels sees
the first half of the channels only, the second half the second. And after conv1 and conv2 strong
channels damp their neighbours: local response normalisation, section 3.3 of the paper. By hand:

`conv_relu`      convolution in two groups, bias, ReLU,
`neighbourhood`  the sum over five neighbouring channels,
`lrn`            the normalisation,
`lrn_gradient`   its gradient, which is checked against differences of `lrn`.

How yours stands:          make exercises ONLY=groups
A hint, and a larger one:  make exercises ONLY=groups HINT=1, then HINT=2
"""

import tensorflow as tf

ALPHA = 1e-4 / 5  # Caffe divides by the number of neighbours


def conv_relu(x, layer):
    """ReLU(convolution + bias) in two groups: [n, h, w, c] -> [n, h, w, k], stride 1, "SAME".

    layer: kernel [3, 3, c / 2, k] and bias [k]. The first k / 2 kernels see the first c / 2
        channels of x, the other kernels the other channels. `tf.nn.conv2d(x, kernel, 1, "SAME")`
        is a convolution with kernels that see all channels.
    """
    # Your code, about 4 lines.
    raise NotImplementedError


def neighbourhood(x):
    """For each channel the sum of x over it and two on either side, as far as there are any.

    [n, h, w, c] -> [n, h, w, c].
    """
    # Your code, about 2 lines.
    raise NotImplementedError


def lrn(x):
    """x / energy ** 0.75, where energy is 1 + ALPHA times the neighbourhood of x squared."""
    # Your code, about 2 lines.
    raise NotImplementedError


def lrn_gradient(x, upstream):
    """The gradient of sum(upstream * lrn(x)) by x: [n, h, w, c].

    x stands in its own numerator, and in the energy of all its neighbours. With the chain rule:
    upstream / energy ** 0.75, minus 1.5 ALPHA x times what all neighbours feel together, each of
    them upstream * x / energy ** 1.75.
    """
    # Your code, about 3 lines.
    raise NotImplementedError
