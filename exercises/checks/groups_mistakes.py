"""Mistakes known of groups.py."""

import tensorflow as tf

from exercises.answers import groups as answer
from exercises.answers.groups import ALPHA, neighbourhood
from exercises.machinery.checking import instead_of


@instead_of("conv_relu")
def relu_missing(x, layer):
    """The ReLU is missing: there are numbers below zero.

    tf.nn.relu comes last, after the bias.
    """
    return _joined(x, layer[0]) + layer[1]


@instead_of("conv_relu")
def bias_missing(x, layer):
    """The bias is missing.

    Add it to what the convolution gives, before the ReLU.
    """
    return tf.nn.relu(_joined(x, layer[0]))


@instead_of("conv_relu")
def bias_after_relu(x, layer):
    """The bias comes after the ReLU.

    Convolution, then bias, then ReLU.
    """
    return tf.nn.relu(_joined(x, layer[0])) + layer[1]


@instead_of("conv_relu")
def groups_crossed(x, layer):
    """The groups are crossed: the first kernels see the second half of the channels.

    The first half of the kernels belongs to the first half of the channels.
    """
    return tf.nn.relu(_joined(tf.roll(x, x.shape[-1] // 2, -1), layer[0]) + layer[1])


@instead_of("conv_relu")
def every_other_channel(x, layer):
    """Every other channel was taken for a group: the groups are interleaved.

    The groups are halves: the first c / 2 channels, and the rest. tf.split cuts so.
    """
    mixed = tf.concat([x[..., ::2], x[..., 1::2]], -1)
    return tf.nn.relu(_joined(mixed, layer[0]) + layer[1])


@instead_of("conv_relu")
def joined_the_wrong_way_round(x, layer):
    """The two results are joined the wrong way round: the second group comes first.

    tf.concat([first, second], axis=-1).
    """
    kernel, bias = layer
    swapped = tf.roll(_joined(x, kernel), kernel.shape[-1] // 2, -1)
    return tf.nn.relu(swapped + bias)


@instead_of("conv_relu")
def halves_added(x, layer):
    """All kernels see both halves, and the results are added: that is one group, not two.

    Split the kernels as well; each half of them sees one half of the channels.
    """
    kernel, bias = layer
    sums = sum(tf.nn.conv2d(half, kernel, 1, "SAME") for half in tf.split(x, 2, -1))
    return tf.nn.relu(sums + bias)


@instead_of("conv_relu")
def edge_left_out(x, layer):
    """The map has become smaller: the edge was left out.

    With "SAME" the convolution sees zeros beyond the edge, and the map keeps its size.
    """
    kernel, bias = layer
    halves = zip(tf.split(x, 2, -1), tf.split(kernel, 2, -1), strict=True)
    return tf.nn.relu(tf.concat([tf.nn.conv2d(a, k, 1, "VALID") for a, k in halves], -1) + bias)


@instead_of("neighbourhood")
def one_side_only(x):
    """Only the neighbours that come before a channel are in its sum.

    Two on either side: pad both ends of the last axis.
    """
    padded = tf.pad(x, [[0, 0], [0, 0], [0, 0], [4, 0]])
    return sum(padded[..., i : i + x.shape[-1]] for i in range(5))


@instead_of("neighbourhood")
def three_only(x):
    """Only one neighbour on either side is in the sum: three channels, not five.

    Two on either side.
    """
    padded = tf.pad(x, [[0, 0], [0, 0], [0, 0], [1, 1]])
    return sum(padded[..., i : i + x.shape[-1]] for i in range(3))


@instead_of("neighbourhood")
def itself_left_out(x):
    """The channel itself is missing from its own neighbourhood.

    Five channels: two before, itself, two after.
    """
    return neighbourhood(x) - x


@instead_of("neighbourhood")
def around_the_ends(x):
    """The first channel counts the last ones as its neighbours.

    There is nothing beyond the ends: zeros, not the other end.
    """
    return sum(tf.roll(x, i, -1) for i in range(-2, 3))


@instead_of("neighbourhood")
def places_not_channels(x):
    """The sum runs over neighbouring places, not over neighbouring channels.

    Channels are the last axis.
    """
    padded = tf.pad(x, [[0, 0], [0, 0], [2, 2], [0, 0]])
    return sum(padded[:, :, i : i + x.shape[2]] for i in range(5))


@instead_of("lrn")
def squares_forgotten(x):
    """The energy is made of x itself, not of its squares.

    neighbourhood(x * x).
    """
    return x / tf.abs(1 + ALPHA * neighbourhood(x)) ** 0.75


@instead_of("lrn")
def alpha_not_divided(x):
    """It is damped five times too much: alpha is 1e-4 for all five neighbours together.

    Use ALPHA, which is 1e-4 / 5.
    """
    return x / (1 + 5 * ALPHA * neighbourhood(x * x)) ** 0.75


@instead_of("lrn")
def square_root(x):
    """The energy is to the power of 0.5, not of 0.75.

    energy ** 0.75.
    """
    return x / (1 + ALPHA * neighbourhood(x * x)) ** 0.5


@instead_of("lrn")
def times_energy(x):
    """Strong neighbours make a channel stronger: x is multiplied by the energy.

    Divide by it.
    """
    return x * (1 + ALPHA * neighbourhood(x * x)) ** 0.75


@instead_of("lrn_gradient")
def neighbours_forgotten(x, upstream):
    """The gradient forgets that x is also in the energy.

    The second part is missing: x makes the energy of its neighbours and its own larger.
    """
    return upstream / (1 + ALPHA * neighbourhood(x * x)) ** 0.75


@instead_of("lrn_gradient")
def own_energy_only(x, upstream):
    """The gradient forgets the neighbours: x is in their energy, not in its own alone.

    What they feel has to be summed: neighbourhood(upstream * x / energy ** 1.75).
    """
    energy = 1 + ALPHA * neighbourhood(x * x)
    return upstream / energy**0.75 - 1.5 * ALPHA * x * upstream * x / energy**1.75


@instead_of("lrn_gradient")
def sign_of_the_second_part(x, upstream):
    """The second part has the wrong sign: more energy makes everything smaller.

    Subtract it.
    """
    return 2 * neighbours_forgotten(x, upstream) - answer.lrn_gradient(x, upstream)


@instead_of("lrn_gradient")
def upstream_forgotten(x, upstream):
    """The gradient does not depend on `upstream`, as if every output counted the same.

    Chain rule: each output's share is multiplied by its number in `upstream`.
    """
    return answer.lrn_gradient(x, tf.ones_like(x))


def _joined(x, kernel):
    halves = zip(tf.split(x, 2, -1), tf.split(kernel, 2, -1), strict=True)
    return tf.concat([tf.nn.conv2d(a, k, 1, "SAME") for a, k in halves], -1)
