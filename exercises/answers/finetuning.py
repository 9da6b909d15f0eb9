"""Exercise 6: let the network learn, from a layer of your choice up.

40 minutes, medium, 21 lines to write. Belongs to chapter 5 of the guide.

In fine-tuning the new head is trained already, and now layers below it learn as well, in small
steps. Which variables train is all the difference to feature extraction. Write

`unfrozen`   AlexNet's weights, of which some are variables,
`learning`   the variables that train,
`factors`    how large the steps of each are, compared,
`step`       one step downhill on a batch of pictures.

How yours stands:          make exercises ONLY=finetuning
A hint, and a larger one:  make exercises ONLY=finetuning HINT=1, then HINT=2
"""

import keras
import tensorflow as tf

from alexnet import AlexNet


def unfrozen(weights, unfreeze):
    """AlexNet's weights, in which the layer `unfreeze` and all above it can learn.

    weights: layer -> (kernel, bias), from below: conv1 to fc8. In the result, a new dict in the
    same order, kernel and bias of each layer that learns are a `keras.Variable` each; the other
    layers are as they were. fc8 stays as it was, too: the head has taken its place.
    """
    ### BEGIN SOLUTION
    names = list(weights)
    names = names[names.index(unfreeze) : names.index("fc8")]
    return {
        name: tuple(keras.Variable(each) for each in layer) if name in names else layer
        for name, layer in weights.items()
    }
    ### END SOLUTION


def learning(weights, head):
    """The list of all variables that train: those of the layers, from below, then the head's.

    weights: from `unfrozen`. Of a layer first the kernel, then the bias.
    """
    ### BEGIN SOLUTION
    values = [each for layer in weights.values() for each in layer]
    below = [each for each in values if isinstance(each, keras.Variable)]
    return below + head.trainable_variables
    ### END SOLUTION


def factors(weights, head):
    """For each variable of `learning`, in its order, by what the step size is multiplied.

    1 for kernels and biases of convolutions (conv1 to conv5), which suit any picture already; 3 for
    all others, the head's included.
    """
    ### BEGIN SOLUTION
    values = [(name, each) for name, layer in weights.items() for each in layer]
    names = [name for name, each in values if isinstance(each, keras.Variable)]
    below = [1 if name.startswith("conv") else 3 for name in names]
    return below + [3] * len(head.trainable_variables)
    ### END SOLUTION


def step(weights, head, optimizer, images, labels):
    """Change what learns by one step of the optimizer on a batch; the loss before it.

    images: prepared, [b, 227, 227, 3]. labels: whole numbers [b]. The loss is the mean cross
    entropy of `head(AlexNet(images, feature_extract=True, weights=weights))`. The gradients of all
    variables are scaled down together where their joint norm is above 1. `factors` is not used
    here: the lab gives it to its optimizer.
    """
    ### BEGIN SOLUTION
    variables = learning(weights, head)
    with tf.GradientTape() as tape:
        scores = head(AlexNet(images, feature_extract=True, weights=weights))
        errors = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, scores)
        error = tf.reduce_mean(errors)
    gradients, _ = tf.clip_by_global_norm(tape.gradient(error, variables), 1.0)
    optimizer.apply(gradients, variables)
    return error
    ### END SOLUTION
