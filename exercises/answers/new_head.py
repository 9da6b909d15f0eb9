"""Exercise 2: a new last layer.

20 minutes, easy, 8 lines to write. Belongs to chapter 3 of the guide.

AlexNet's last layer gives scores to 1000 things, and traffic signs are none of them. Everything
below it stays; a new layer with one score for each of our classes takes its place:

`new_layer`   the layer, untrained,
`name_signs`  probabilities of pictures: AlexNet as far as fc7, then the new layer.

Training the new layer must leave AlexNet as it is: that is what makes it *feature extraction*.

How yours stands:          make exercises ONLY=new_head
A hint, and a larger one:  make exercises ONLY=new_head HINT=1, then HINT=2
"""

import keras
import tensorflow as tf

from alexnet import AlexNet


def new_layer(width, classes, seed=0):
    """An untrained head, a `keras.Sequential`: features [n, width] -> scores [n, classes].

    After `keras.Input([width])` comes `keras.layers.LayerNormalization(center=False, scale=False)`:
    the features of each picture get mean 0 and spread 1, so that training is steady. Then one
    `keras.layers.Dense`, whose kernel starts as random numbers of spread 0.01 drawn with the seed:
    every class is about as likely as any other. Scores, not probabilities: the softmax comes later,
    with the loss.
    """
    ### BEGIN SOLUTION
    start = keras.initializers.RandomNormal(stddev=0.01, seed=seed)
    head = keras.Sequential()
    head.add(keras.Input([width]))
    head.add(keras.layers.LayerNormalization(center=False, scale=False))
    head.add(keras.layers.Dense(classes, kernel_initializer=start))
    return head
    ### END SOLUTION


def name_signs(images, weights, head):
    """Probabilities of the head's classes for prepared pictures [n, 227, 227, 3]: [n, classes].

    weights: AlexNet's, for `AlexNet(images, feature_extract=True, weights=weights)`, which gives
        what fc7 says. No gradient may pass from the head into it.
    """
    ### BEGIN SOLUTION
    fc7 = tf.stop_gradient(AlexNet(images, feature_extract=True, weights=weights))
    return tf.nn.softmax(head(fc7))
    ### END SOLUTION
