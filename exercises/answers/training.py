"""Exercise 3: training, from the loss to the validation.

40 minutes, medium, 14 lines to write. Belongs to chapter 4 of the guide.

The network below is frozen, and what it says about each picture has been kept: features. Only the
head is left to train. Write what Keras's `fit` would hide:

`loss`       how wrong scores are,
`step`       one step downhill on a batch,
`epoch`      every example once, in batches, in random order,
`validate`   loss and accuracy on examples that are not trained on.

How yours stands:          make exercises ONLY=training
A hint, and a larger one:  make exercises ONLY=training HINT=1, then HINT=2
"""

import tensorflow as tf


def loss(scores, labels):
    """The cross entropy, a number: the mean over the examples of -log(probability of its label).

    scores: [b, classes], before the softmax. labels: whole numbers [b].
    """
    ### BEGIN SOLUTION
    errors = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, scores)
    return tf.reduce_mean(errors)
    ### END SOLUTION


def step(head, optimizer, features, labels):
    """Change the head by one step of the optimizer on a batch; the loss before it.

    features: [b, width]. Only `head.trainable_variables` change. The optimizer takes the step:
    `optimizer.apply(gradients, variables)`.
    """
    ### BEGIN SOLUTION
    with tf.GradientTape() as tape:
        error = loss(head(features), labels)
    gradients = tape.gradient(error, head.trainable_variables)
    optimizer.apply(gradients, head.trainable_variables)
    return error
    ### END SOLUTION


def epoch(take_step, features, labels, batch_size, rng):
    """Call `take_step(features, labels)` with batches, so that every example comes once.

    features, labels: NumPy arrays [n, width] and [n]. The order is random, by the NumPy generator
    `rng`; the last batch may be smaller.
    """
    ### BEGIN SOLUTION
    order = rng.permutation(len(labels))
    for start in range(0, len(order), batch_size):
        rows = order[start : start + batch_size]
        take_step(features[rows], labels[rows])
    ### END SOLUTION


def validate(head, features, labels):
    """(loss, accuracy) of the head on examples; nothing learns from them."""
    ### BEGIN SOLUTION
    scores = head(features)
    right = tf.argmax(scores, axis=1) == labels
    return loss(scores, labels), tf.reduce_mean(tf.cast(right, tf.float32))
    ### END SOLUTION
