"""VGG16, all of it: the layers, the layout of the weights file, the preparation of pictures.

Network D of Simonyan and Zisserman, "Very Deep Convolutional Networks for Large-Scale Image
Recognition" (2014), as Oxford's Visual Geometry Group trained it in Caffe:
https://www.robots.ox.ac.uk/~vgg/research/very_deep/

    weights = load_weights("vgg16.npy")
    probabilities = VGG16(preprocess(images), weights=weights)               # [n, 1000]
    codes = VGG16(preprocess(images), feature_extract=True, weights=weights)  # [n, 4096]
"""

import functools

import tensorflow as tf

INPUT_SIZE = 224

# Layer -> shape of its kernel: [height, width, channels in, channels out] or [in, out]. Each has a
# bias as long as the last axis.
# fmt: off
KERNELS = {
    "conv1_1": (3, 3,   3,  64),
    "conv1_2": (3, 3,  64,  64),
    "conv2_1": (3, 3,  64, 128),
    "conv2_2": (3, 3, 128, 128),
    "conv3_1": (3, 3, 128, 256),
    "conv3_2": (3, 3, 256, 256),
    "conv3_3": (3, 3, 256, 256),
    "conv4_1": (3, 3, 256, 512),
    "conv4_2": (3, 3, 512, 512),
    "conv4_3": (3, 3, 512, 512),
    "conv5_1": (3, 3, 512, 512),
    "conv5_2": (3, 3, 512, 512),
    "conv5_3": (3, 3, 512, 512),
    "fc6":     (7 * 7 * 512, 4096),
    "fc7":     (4096,        4096),
    "fc8":     (4096,        1000),
}
# fmt: on

# The average ImageNet pixel, which Caffe subtracts: blue, green, red, 0-255.
BGR_MEAN = (103.939, 116.779, 123.68)


def VGG16(images, feature_extract=False, weights=None):
    """The probabilities of the 1000 ImageNet classes, or the codes of the pictures.

    images: [n, 224, 224, 3], made by `preprocess`.
    feature_extract: return codes, the 4096 activations of fc6 after its ReLU.
    weights: layer -> (kernel, bias), from `load_weights`; `tf.Variable`s make it trainable. None
        reads `vgg16.npy` in the current folder, once.

    Returns float32 probabilities [n, 1000], or [n, 4096] in the weights' own dtype.
    """
    weights = _default_weights() if weights is None else weights
    if feature_extract:
        return activations(images, weights, upto="fc6")["fc6"]
    scores = activations(images, weights)["fc8"]
    return tf.nn.softmax(tf.cast(scores, tf.float32))


def activations(x, weights, after=None, upto="fc8"):
    """Layer -> what it puts out, in the dtype of the weights: a walk through `LAYERS`.

    x: images [n, 224, 224, 3], or with `after` what the layer of that name put out.
    upto: the last layer to compute.
    """
    names = list(LAYERS)
    if after is None:
        x = _entered(x, weights["conv1_1"][0].dtype)
    out = {}
    for name in names[names.index(after) + 1 if after else 0 : names.index(upto) + 1]:
        x = LAYERS[name](x, weights[name]) if name in KERNELS else LAYERS[name](x)
        out[name] = x
    return out


def _entered(images, dtype):
    """Images as conv1_1 takes them, checked."""
    if tuple(images.shape[1:]) != (INPUT_SIZE, INPUT_SIZE, 3):
        raise ValueError(f"VGG16: expected images [n, 224, 224, 3], found {images.shape}")
    return tf.cast(images, dtype)


def conv_relu(x, layer):
    """Convolution, bias, ReLU; a border of zeros keeps the map as large as it is."""
    kernel, bias = layer
    return tf.nn.relu(tf.nn.bias_add(tf.nn.conv2d(x, kernel, 1, "SAME"), bias))


def dense(x, layer):
    """A fully connected layer: [n, in] -> [n, out]."""
    kernel, bias = layer
    return tf.nn.bias_add(tf.matmul(x, kernel), bias)


def dense_relu(x, layer):
    """A fully connected layer and its ReLU; a map [n, 7, 7, 512] is read row by row."""
    return tf.nn.relu(dense(tf.reshape(x, [-1, layer[0].shape[0]]), layer))


def max_pool(x):
    """The largest of 2x2 neighbours: a map half as high and half as wide."""
    return tf.nn.max_pool2d(x, ksize=2, strides=2, padding="VALID")


# Layer -> what it does with the output of the one above.
# fmt: off
LAYERS = {                    # [n, 224, 224, 3]
    "conv1_1": conv_relu,     # [n, 224, 224, 64]
    "conv1_2": conv_relu,     # [n, 224, 224, 64]
    "pool1": max_pool,        # [n, 112, 112, 64]
    "conv2_1": conv_relu,     # [n, 112, 112, 128]
    "conv2_2": conv_relu,     # [n, 112, 112, 128]
    "pool2": max_pool,        # [n, 56, 56, 128]
    "conv3_1": conv_relu,     # [n, 56, 56, 256]
    "conv3_2": conv_relu,     # [n, 56, 56, 256]
    "conv3_3": conv_relu,     # [n, 56, 56, 256]
    "pool3": max_pool,        # [n, 28, 28, 256]
    "conv4_1": conv_relu,     # [n, 28, 28, 512]
    "conv4_2": conv_relu,     # [n, 28, 28, 512]
    "conv4_3": conv_relu,     # [n, 28, 28, 512]
    "pool4": max_pool,        # [n, 14, 14, 512]
    "conv5_1": conv_relu,     # [n, 14, 14, 512]
    "conv5_2": conv_relu,     # [n, 14, 14, 512]
    "conv5_3": conv_relu,     # [n, 14, 14, 512]
    "pool5": max_pool,        # [n, 7, 7, 512]
    "fc6": dense_relu,        # [n, 4096], the codes
    "fc7": dense_relu,        # [n, 4096]
    "fc8": dense,             # [n, 1000], before the softmax
}
# fmt: on


def preprocess(images, convention="caffe"):
    """Pictures as the network wants them: [n, height, width, 3] RGB 0-255 -> [n, 224, 224, 3].

    Blue, green, red, minus the average ImageNet pixel, as the weights were trained with.
    "caffe": the whole picture, squeezed into the square, averaged where it shrinks.
    "course": the square in its middle, as the course on codes did it, and its resize, which passes
        over pixels where it shrinks much.
    """
    images = tf.cast(images, tf.float32)
    if images.shape[-1] != 3:
        raise ValueError(f"preprocess: expected RGB [n, height, width, 3], found {images.shape}")
    if convention not in ("caffe", "course"):
        raise ValueError(f"preprocess: expected convention caffe or course, found {convention!r}")
    size = (INPUT_SIZE, INPUT_SIZE)
    if convention == "course":
        images = tf.image.resize(_centred_square(images), size)
    images = tf.reverse(images, [-1]) - BGR_MEAN
    return tf.image.resize(images, size, antialias=not _enlarges(images.shape))


def _centred_square(images):
    """The middle of pictures, as wide as they are high."""
    height, width = tf.unstack(tf.shape(images)[1:3])
    side = tf.minimum(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    return images[:, top : top + side, left : left + side]


def _enlarges(shape):
    """Whether a resize only enlarges: antialiasing changes nothing then, and costs time."""
    return all(side is not None and side <= INPUT_SIZE for side in shape[1:3])


def load_weights(path="vgg16.npy", dtype=tf.float32):
    """Layer -> (kernel, bias), tensors of `dtype`, each checked against `KERNELS`.

    path: `vgg16.npy`, a pickled dict of layer -> [kernel, bias]; the original
        `VGG_ILSVRC_16_layers.caffemodel`; or Keras's
        `vgg16_weights_tf_dim_ordering_tf_kernels.h5`. Nothing in a file is run.
    Raises FileNotFoundError or ValueError: path, expected, found, what to do.
    """
    from lab.formats import weights

    layers = weights.read(path, KERNELS, asset="vgg16")
    # Each layer's arrays are let go when its tensors are there: fc6 alone has 411 MB.
    return {name: tuple(tf.cast(array, dtype) for array in layers.pop(name)) for name in KERNELS}


@functools.cache
def _default_weights():
    with tf.init_scope():  # outside any tf.function: its graph would copy all weights
        return load_weights()
