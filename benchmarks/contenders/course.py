"""The course's way: its network and its training of 2016, line for line, on today's TensorFlow.

Only what no longer exists is changed: `tf` is `tensorflow.compat.v1`, `train.p` is read elsewhere.
"""

import os
from functools import partial

import numpy as np

from benchmarks.contenders import CLASSES
from lab.formats import pickles

os.environ.pop("TF_ENABLE_ONEDNN_OPTS", None)  # as TensorFlow is by itself
import tensorflow.compat.v1 as tf

BATCH = 128


def conv(x, kernel, biases, stride, group=1):
    def convolve(i, k):
        return tf.nn.conv2d(i, k, [1, stride, stride, 1], padding="SAME")

    if group == 1:
        result = convolve(x, kernel)
    else:
        input_groups = tf.split(x, group, 3)
        kernel_groups = tf.split(kernel, group, 3)
        groups = [convolve(i, k) for i, k in zip(input_groups, kernel_groups, strict=True)]
        result = tf.concat(groups, 3)
    return tf.reshape(tf.nn.bias_add(result, biases), [-1, *result.get_shape().as_list()[1:]])


def lrn(x):
    return tf.nn.local_response_normalization(x, depth_radius=2, alpha=2e-05, beta=0.75, bias=1.0)


def max_pool(x):
    return tf.nn.max_pool(x, ksize=[1, 3, 3, 1], strides=[1, 2, 2, 1], padding="VALID")


def alexnet(images, net_data):
    """fc7 [n, 4096] of `images` [n, 227, 227, 3]."""
    w = {name: [tf.Variable(array) for array in layer] for name, layer in net_data.items()}
    x = max_pool(lrn(tf.nn.relu(conv(images, *w["conv1"], 4))))
    x = max_pool(lrn(tf.nn.relu(conv(x, *w["conv2"], 1, group=2))))
    x = tf.nn.relu(conv(x, *w["conv3"], 1))
    x = tf.nn.relu(conv(x, *w["conv4"], 1, group=2))
    x = max_pool(tf.nn.relu(conv(x, *w["conv5"], 1, group=2)))
    x = tf.reshape(x, [-1, int(np.prod(x.get_shape()[1:]))])
    x = tf.nn.relu(tf.matmul(x, w["fc6"][0]) + w["fc6"][1])
    return tf.nn.relu(tf.matmul(x, w["fc7"][0]) + w["fc7"][1])


def graph(weights):
    """A new graph; its placeholder for pictures, and their fc7."""
    tf.disable_v2_behavior()
    features = tf.placeholder(tf.float32, (None, 32, 32, 3))
    resized = tf.image.resize_images(features, (227, 227))
    return features, alexnet(resized, pickles.load(weights))


def load(weights, images):
    features, fc7 = graph(weights)
    session = tf.Session()
    session.run(tf.global_variables_initializer())
    return lambda: session.run(fc7, {features: images})


def step(weights, images, labels):
    """A step of Adam over the whole network."""
    train, _ = training(weights, images, labels, freeze=tf.identity)
    return train


def training(weights, images, labels, freeze=tf.stop_gradient):
    """Two functions without arguments: a step of training on these pictures, one of validation."""
    features, fc7 = graph(weights)
    truth = tf.placeholder(tf.int64, None)
    fc7 = freeze(fc7)
    shape = (fc7.get_shape().as_list()[-1], CLASSES)
    fc8W = tf.Variable(tf.truncated_normal(shape, stddev=1e-2))
    fc8b = tf.Variable(tf.zeros(CLASSES))
    logits = tf.nn.xw_plus_b(fc7, fc8W, fc8b)
    cross_entropy = tf.nn.sparse_softmax_cross_entropy_with_logits(logits=logits, labels=truth)
    loss_op = tf.reduce_mean(cross_entropy)
    trained = [fc8W, fc8b] if freeze is tf.stop_gradient else tf.trainable_variables()
    train_op = tf.train.AdamOptimizer().minimize(loss_op, var_list=trained)
    correct = tf.cast(tf.equal(tf.argmax(logits, 1), truth), tf.float32)
    accuracy_op = tf.reduce_mean(correct)
    session = tf.Session()
    session.run(tf.global_variables_initializer())
    feed = {features: images, truth: labels}
    return partial(session.run, train_op, feed), partial(session.run, [loss_op, accuracy_op], feed)
