"""Trains a small network on one device and on two logical ones, and prints how far they differ.

A program of its own, as logical devices must be set up before TensorFlow starts.
"""

import json

import keras
import numpy as np
import tensorflow as tf

from lab.training.optimizers import LayerwiseAdamW, update, warmup_cosine

STEPS, BATCH, INPUTS, HIDDEN, CLASSES = 12, 16, 8, 7, 5
SHAPES = [[INPUTS, HIDDEN], [HIDDEN], [HIDDEN, CLASSES], [CLASSES]]
NORM = 0.3  # every gradient here is longer


def sgd():
    return keras.optimizers.SGD(0.5)


def sgd_clipped_by_keras():
    return keras.optimizers.SGD(0.5, global_clipnorm=NORM)


def layerwise_adamw():
    rate = warmup_cosine(1e-2, STEPS, share=0.25)
    return LayerwiseAdamW(rate, factors=[1, 1, 3, 3], weight_decay=0.1)


def clip_and_apply(optimizer, gradients):
    update(optimizer, gradients, NORM)


def train(strategy, optimizer, apply):
    """The losses, and each device's copies of the variables and what the optimiser keeps."""
    random = np.random.default_rng(0)
    images = random.normal(size=[STEPS * BATCH, INPUTS]).astype(np.float32)
    labels = random.integers(CLASSES, size=STEPS * BATCH)
    with strategy.scope():
        variables = [tf.Variable(random.normal(size=s).astype(np.float32)) for s in SHAPES]
        optimizer = optimizer()
        optimizer.build(variables)

    def step(images, labels):
        with tf.GradientTape() as tape:
            hidden = tf.nn.relu(images @ variables[0] + variables[1])
            scores = hidden @ variables[2] + variables[3]
            losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, scores)
            loss = tf.reduce_sum(losses) / BATCH
        apply(optimizer, tape.gradient(loss, variables))
        return loss

    @tf.function
    def distributed(batch):
        return strategy.reduce("SUM", strategy.run(step, batch), axis=None)

    batches = tf.data.Dataset.from_tensor_slices((images, labels)).batch(BATCH)
    batches = strategy.experimental_distribute_dataset(batches)
    losses = [distributed(batch).numpy() for batch in batches]
    state = variables + [variable.value for variable in optimizer.variables]
    return losses, [
        [copy.numpy() for copy in strategy.experimental_local_results(each)] for each in state
    ]


def difference(optimizer, apply):
    """The largest between any number of one device and the same number of each of two."""
    cpus = ["CPU:0", "CPU:1"]
    losses, state = train(tf.distribute.get_strategy(), optimizer, apply)
    losses_of_two, state_of_two = train(tf.distribute.MirroredStrategy(cpus), optimizer, apply)
    pairs = [(losses, losses_of_two)]
    for [value], copies in zip(state, state_of_two, strict=True):
        pairs += [(value, copy) for copy in copies]
    if len(pairs) != 1 + len(cpus) * len(state):
        raise RuntimeError("expected a copy of each variable on either device")
    return max(float(np.abs(np.subtract(one, two)).max()) for one, two in pairs)


def main():
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
    differences = {
        "sgd": difference(sgd, clip_and_apply),
        "adamw": difference(layerwise_adamw, clip_and_apply),
        "clipped by Keras": difference(sgd_clipped_by_keras, keras.optimizers.SGD.apply),
    }
    print(json.dumps(differences))


if __name__ == "__main__":
    main()
