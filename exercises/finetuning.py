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
    # Your code, about 6 lines.
    raise NotImplementedError


def learning(weights, head):
    """The list of all variables that train: those of the layers, from below, then the head's.

    weights: from `unfrozen`. Of a layer first the kernel, then the bias.
    """
    # Your code, about 3 lines.
    raise NotImplementedError


def factors(weights, head):
    """For each variable of `learning`, in its order, by what the step size is multiplied.

    1 for kernels and biases of convolutions (conv1 to conv5), which suit any picture already; 3 for
    all others, the head's included.
    """
    # Your code, about 4 lines.
    raise NotImplementedError


def step(weights, head, optimizer, images, labels):
    """Change what learns by one step of the optimizer on a batch; the loss before it.

    images: prepared, [b, 227, 227, 3]. labels: whole numbers [b]. The loss is the mean cross
    entropy of `head(AlexNet(images, feature_extract=True, weights=weights))`. The gradients of all
    variables are scaled down together where their joint norm is above 1. `factors` is not used
    here: the lab gives it to its optimizer.
    """
    # Your code, about 8 lines.
    raise NotImplementedError
