"""AlexNet, all of it: the layers, the layout of the weights file, the preparation of pictures.

The network of Krizhevsky, Sutskever and Hinton, "ImageNet Classification with Deep Convolutional
Neural Networks" (2012), as the Berkeley Vision and Learning Center trained it in Caffe:
https://github.com/BVLC/caffe/tree/master/models/bvlc_alexnet

    weights = load_weights("bvlc-alexnet.npy")
    probabilities = AlexNet(preprocess(images), weights=weights)               # [n, 1000]
    features = AlexNet(preprocess(images), feature_extract=True, weights=weights)  # [n, 4096]
"""

import functools

import tensorflow as tf

INPUT_SIZE = 227

# Layer -> shape of its kernel: [height, width, channels in, channels out] or [in, out]. Each has a
# bias as long as the last axis. conv2, conv4 and conv5 see half of the channels before them (48 of
# 96): in 2012 the network was cut in two groups to fit on two graphics cards.
# fmt: off
KERNELS = {
    "conv1": (11, 11,   3,   96),
    "conv2": ( 5,  5,  48,  256),
    "conv3": ( 3,  3, 256,  384),
    "conv4": ( 3,  3, 192,  384),
    "conv5": ( 3,  3, 192,  256),
    "fc6":   (6 * 6 * 256, 4096),
    "fc7":   (4096,        4096),
    "fc8":   (4096,        1000),
}
# fmt: on

CONV1_STRIDE = 4
# What each convention of `preprocess` needs: 55 or 57 pixels wide after conv1.
CONV1_PADDING = {"caffe": "VALID", "course": "SAME"}

# The average ImageNet pixel, which Caffe subtracts: blue, green, red, 0-255.
BGR_MEAN = (104.00698793, 116.66876762, 122.67891434)


def AlexNet(images, feature_extract=False, weights=None, conv1_padding="VALID"):
    """The probabilities of the 1000 ImageNet classes, or what the last hidden layer sees.

    images: [n, 227, 227, 3], made by `preprocess`.
    feature_extract: return the 4096 activations of fc7, after its ReLU, instead of probabilities.
    weights: layer -> (kernel, bias), from `load_weights`; `tf.Variable`s make it trainable. None
        reads `bvlc-alexnet.npy` in the current folder, once.
    conv1_padding: "VALID" as the weights were trained; "SAME" as the 2016 course had it.

    Returns float32 probabilities [n, 1000], or [n, 4096] in the weights' own dtype.
    """
    weights = _default_weights() if weights is None else weights
    if feature_extract:
        return activations(images, weights, upto="fc7", conv1_padding=conv1_padding)["fc7"]
    scores = activations(images, weights, conv1_padding=conv1_padding)["fc8"]
    return tf.nn.softmax(tf.cast(scores, tf.float32))


def activations(x, weights, after=None, upto="fc8", conv1_padding="VALID"):
    """Layer -> what it puts out, in the dtype of the weights: a walk through `LAYERS`.

    x: images [n, 227, 227, 3], or with `after` what the layer of that name put out.
    upto: the last layer to compute.
    """
    names = list(LAYERS)
    if after is None:
        x = _entered(x, weights["conv1"][0].dtype, conv1_padding)
    out = {}
    for name in names[names.index(after) + 1 if after else 0 : names.index(upto) + 1]:
        x = LAYERS[name](x, weights[name]) if name in KERNELS else LAYERS[name](x)
        out[name] = x
    return out


def _entered(images, dtype, conv1_padding):
    """Images as conv1 takes them: checked, and for SAME with a border of zeros."""
    if tuple(images.shape[1:]) != (INPUT_SIZE, INPUT_SIZE, 3):
        raise ValueError(f"AlexNet: expected images [n, 227, 227, 3], found {images.shape}")
    images = tf.cast(images, dtype)
    return tf.pad(images, [[0, 0], [4, 4], [4, 4], [0, 0]]) if conv1_padding == "SAME" else images


def conv_relu(x, layer, stride=1, padding="SAME"):
    """Convolution, bias, ReLU; where the kernel sees half of `x`, in two halves that never meet."""
    kernel, bias = layer
    groups = x.shape[-1] // kernel.shape[2]
    halves = zip(
        tf.split(x, groups, axis=-1),
        tf.split(kernel, groups, axis=-1),
        tf.split(bias, groups),
        strict=True,
    )
    # Bias and ReLU before the halves are joined: TensorFlow does all three in one pass.
    return tf.concat(
        [tf.nn.relu(tf.nn.bias_add(tf.nn.conv2d(a, k, stride, padding), b)) for a, k, b in halves],
        -1,
    )


def conv1_relu(x, layer):
    """conv1 looks at every fourth place, and never beyond the edge."""
    return conv_relu(x, layer, CONV1_STRIDE, "VALID")


def dense(x, layer):
    """A fully connected layer: [n, in] -> [n, out]."""
    kernel, bias = layer
    return tf.nn.bias_add(tf.matmul(x, kernel), bias)


def dense_relu(x, layer):
    """A fully connected layer and its ReLU; a map [n, 6, 6, 256] is read row by row."""
    return tf.nn.relu(dense(tf.reshape(x, [-1, layer[0].shape[0]]), layer))


def max_pool(x):
    """The largest of 3x3 neighbours at every second pixel: the windows overlap."""
    return tf.nn.max_pool2d(x, ksize=3, strides=2, padding="VALID")


compiled = functools.partial(tf.function, jit_compile=True, autograph=False)


@tf.custom_gradient
def lrn(x):
    """Local response normalisation, section 3.3 of the paper: strong neighbours damp a channel.

    The same as tf.nn.local_response_normalization(x, 2, 1, 1e-4 / 5, 0.75), written out because
    the compiler makes one fast loop of it, and two of its gradient. Float32 inside, whatever comes.
    """
    return _normalised(x), lambda upstream: _lrn_gradient(x, upstream, _pull(x, upstream))


LRN_SIZE = 5  # the channel itself and two on either side
LRN_ALPHA = 1e-4 / LRN_SIZE  # Caffe divides by the size of the window, TensorFlow does not


@compiled
def _normalised(x):
    x32 = tf.cast(x, tf.float32)
    return tf.cast(x32 * _damping(_energy(x32)), x.dtype)


@compiled
def _pull(x, upstream):
    """What each channel feels of its own energy; its neighbours will feel it too."""
    x32, energy = tf.cast(x, tf.float32), _energy(tf.cast(x, tf.float32))
    return tf.cast(tf.cast(upstream, tf.float32) * x32 * _damping(energy) / energy, x.dtype)


@compiled
def _lrn_gradient(x, upstream, pull):
    x32 = tf.cast(x, tf.float32)
    direct = tf.cast(upstream, tf.float32) * _damping(_energy(x32))
    damped = 1.5 * LRN_ALPHA * x32 * _neighbourhood(tf.cast(pull, tf.float32))
    return tf.cast(direct - damped, x.dtype)


def _energy(x):
    return 1 + LRN_ALPHA * _neighbourhood(x * x)


def _damping(energy):
    """energy ** -0.75, by two square roots."""
    root = tf.sqrt(energy)
    return 1 / (root * tf.sqrt(root))


def _neighbourhood(x):
    """The sum over the window of each channel."""
    padded = tf.pad(x, [[0, 0], [0, 0], [0, 0], [LRN_SIZE // 2, LRN_SIZE // 2]])
    return sum(padded[..., i : i + x.shape[-1]] for i in range(LRN_SIZE))


# Layer -> what it does with the output of the one above. Shapes are those of conv1 with VALID; SAME
# makes maps 57, 28, 13 and 6 pixels wide.
# fmt: off
LAYERS = {                        # [n, 227, 227, 3]
    "conv1": conv1_relu,          # [n, 55, 55, 96]
    "norm1": lrn,                 # [n, 55, 55, 96]
    "pool1": max_pool,            # [n, 27, 27, 96]
    "conv2": conv_relu,           # [n, 27, 27, 256]
    "norm2": lrn,                 # [n, 27, 27, 256]
    "pool2": max_pool,            # [n, 13, 13, 256]
    "conv3": conv_relu,           # [n, 13, 13, 384]
    "conv4": conv_relu,           # [n, 13, 13, 384]
    "conv5": conv_relu,           # [n, 13, 13, 256]
    "pool5": max_pool,            # [n, 6, 6, 256]
    "fc6": dense_relu,            # [n, 4096]
    "fc7": dense_relu,            # [n, 4096]
    "fc8": dense,                 # [n, 1000], before the softmax
}
# fmt: on


def preprocess(images, convention="caffe"):
    """Pictures as the network wants them: [n, height, width, 3] RGB 0-255 -> [n, 227, 227, 3].

    "caffe": what the weights were trained with. Blue, green, red, minus the average ImageNet pixel.
    "course": what the lab of 2016 did. Red, green, blue, minus the picture's own mean, and the
        resize of TensorFlow 1, which shifts the picture by half a pixel.
    """
    images = tf.cast(images, tf.float32)
    if images.shape[-1] != 3:
        raise ValueError(f"preprocess: expected RGB [n, height, width, 3], found {images.shape}")
    size = (INPUT_SIZE, INPUT_SIZE)
    if convention == "caffe":
        images = tf.reverse(images, [-1]) - BGR_MEAN
        return tf.image.resize(images, size, antialias=not _enlarges(images.shape))
    if convention == "course":
        mean = tf.reduce_mean(images, axis=[1, 2, 3], keepdims=True)
        return tf.raw_ops.ResizeBilinear(images=images, size=size) - mean
    raise ValueError(f"preprocess: expected convention caffe or course, found {convention!r}")


def _enlarges(shape):
    """Whether a resize only enlarges: antialiasing changes nothing then, and costs time."""
    return all(side is not None and side <= INPUT_SIZE for side in shape[1:3])


def load_weights(path="bvlc-alexnet.npy", dtype=tf.float32):
    """Layer -> (kernel, bias), tensors of `dtype`, each checked against `KERNELS`.

    path: `bvlc-alexnet.npy`, a pickled dict of layer -> [kernel, bias], or the original
        `bvlc_alexnet.caffemodel`. Nothing in a file is run.
    Raises FileNotFoundError or ValueError: path, expected, found, what to do.
    """
    from lab.formats import weights

    layers = weights.read(path, KERNELS)
    return {name: tuple(_tensor(array, dtype) for array in layers[name]) for name in KERNELS}


def _tensor(array, dtype):
    if tf.executing_eagerly():
        return tf.cast(array, dtype)
    # A graph of TensorFlow 1: as constants, the weights would be optimised anew, for 20 seconds, at
    # each new fetch; as variables, which the course made of them too, they are left alone.
    return tf.compat.v1.Variable(tf.cast(array, dtype))


def _default_weights():
    with tf.init_scope():  # outside any tf.function: its graph would copy all weights
        return _read_once(None if tf.executing_eagerly() else tf.compat.v1.get_default_graph())


@functools.lru_cache(maxsize=1)
def _read_once(graph):
    """The default weights; in TensorFlow 1 tensors belong to a graph, so once for each."""
    return load_weights()
