"""What groups.py is held to: the lab's layers, TensorFlow's own, and differences."""

import numpy as np
import tensorflow as tf

import alexnet
from exercises.checks import groups_mistakes as mistakes
from exercises.machinery.checking import check, numbers, same

HINTS = {
    "conv_relu": (
        "tf.split(tensor, 2, axis=-1) cuts a tensor in two halves. Which axis of the "
        "kernel counts the kernels?",
        "Two convolutions, each of one half of x with one half of the kernels; "
        "tf.concat joins them; then the bias, then tf.nn.relu.",
    ),
    "neighbourhood": (
        "With two channels of zeros on either side every channel has four neighbours: "
        "tf.pad(x, [[0, 0], [0, 0], [0, 0], [2, 2]]).",
        "The sum is five slices of that, padded[..., i : i + channels] for i from 0 to 4.",
    ),
    "lrn": (
        "First the energy, a tensor like x, with your `neighbourhood`.",
        "x * x is x squared, and ** works on tensors.",
    ),
    "lrn_gradient": (
        "`neighbourhood` is needed twice: in the energy, and to collect what the neighbours feel.",
        "What each feels is upstream * x / energy ** 1.75. Its neighbourhood, times 1.5 "
        "* ALPHA * x, is what to subtract.",
    ),
}


def maps(channels=8, scale=1.0, seed=0, dtype=np.float32):
    return tf.constant(np.random.default_rng(seed).normal(0, scale, [2, 5, 6, channels]), dtype)


def layer(channels=8, kernels=12):
    rng = np.random.default_rng(1)
    kernel = rng.normal(0, 1, [3, 3, channels // 2, kernels])
    return tf.constant(kernel, tf.float32), tf.constant(rng.normal(0, 1, kernels), tf.float32)


@check("conv_relu", "`conv_relu` makes what the lab's own layer makes")
def two_groups(learner):
    x, weights = maps(), layer()
    expected = alexnet.conv_relu(x, weights)
    same(learner.conv_relu(x, weights), expected, mistakes, "conv_relu", x, weights)


@check("neighbourhood", "`neighbourhood` adds up five channels, fewer at the ends")
def five(learner):
    x = maps(channels=9)
    values = x.numpy()
    expected = np.stack(
        [values[..., max(0, c - 2) : c + 3].sum(-1) for c in range(values.shape[-1])], -1
    )
    same(learner.neighbourhood(x), expected, mistakes, "neighbourhood", x)


@check("lrn", "`lrn` is TensorFlow's own")
def normalised(learner):
    x = maps(channels=9, scale=300)
    expected = tf.nn.local_response_normalization(x, 2, 1, 1e-4 / 5, 0.75)
    same(learner.lrn(x), expected, mistakes, "lrn", x)


@check("lrn_gradient", "`lrn_gradient` agrees with differences of `lrn`")
def gradient(learner):
    x = maps(channels=7, scale=300, dtype=np.float64)[:1, :2, :2]
    upstream = maps(channels=7, seed=2, dtype=np.float64)[:1, :2, :2]
    found = learner.lrn_gradient(*(tf.cast(each, tf.float32) for each in (x, upstream)))
    same(found, differences(x.numpy(), upstream.numpy()), mistakes, "lrn_gradient", x, upstream)


def differences(x, upstream, width=1e-2):
    """The gradient of sum(upstream * lrn(x)), each number moved a little up and down."""

    def total(moved):
        c = moved.shape[-1]
        squares = [(moved[..., max(0, i - 2) : i + 3] ** 2).sum(-1) for i in range(c)]
        return (upstream * moved / (1 + 1e-4 / 5 * np.stack(squares, -1)) ** 0.75).sum()

    result = np.empty_like(x)
    for place in np.ndindex(x.shape):
        step = np.zeros_like(x)
        step[place] = width
        result[place] = (total(x + step) - total(x - step)) / (2 * width)
    return result


def draw(learner, path):
    """Which channel each kernel sees, by the learner's code and as it should be."""
    from lab.runs import canvas

    panels = {"your `conv_relu`": seen(learner.conv_relu), "as it should be": seen(_right)}
    with canvas.figure(path, 2.6, "groups: which kernel sees which channel") as figure:
        for axes, (title, image) in zip(figure.subplots(1, 2), panels.items(), strict=True):
            canvas.show(axes, image, cmap="Blues", vmin=0, vmax=1, aspect="auto")
            axes.set_title(title, fontsize=10)
            axes.set(xlabel="kernels", ylabel="channels")


def _right(x, weights):
    return alexnet.conv_relu(x, weights)


def seen(conv_relu, channels=8, kernels=12):
    """1 where a kernel's output follows a channel, else 0: [channels, kernels]."""
    weights = tf.ones([3, 3, channels // 2, kernels]), tf.zeros([kernels])
    one_by_one = tf.eye(channels)[:, tf.newaxis, tf.newaxis]  # [n, 1, 1, channels], one lit
    return numbers(conv_relu(one_by_one, weights), "conv_relu").reshape(channels, -1).clip(0, 1)
