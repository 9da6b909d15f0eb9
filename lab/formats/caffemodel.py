"""Reading the weights of AlexNet and its like as Caffe published them, in `.caffemodel` files.

Such a file is one Protocol Buffers message, the NetParameter of caffe.proto
(https://github.com/BVLC/caffe/blob/master/src/caffe/proto/caffe.proto): fields in fields, each with
a number. Five kinds of field hold all that is needed, so they are read here, in place. The protobuf
library would copy every weight first, and make 2 GB of a 10 MB file of empty fields.
"""

import math

import numpy as np

from lab.formats import files

MAX_FIELDS = 2_000_000  # those of bvlc_alexnet.caffemodel are a few hundred

# NetParameter's field of layers -> the fields of their names and blobs (weights).
LAYERS = {
    2: (4, 6),  # V1LayerParameter: bvlc_alexnet.caffemodel
    100: (1, 7),  # LayerParameter: newer files
}
# BlobProto's fields.
OLD_SHAPE, FLOATS, SHAPE, DOUBLES = (1, 2, 3, 4), 5, 7, 8

VARINT, LENGTH, SIZES = 0, 2, {1: 8, 5: 4}  # wire types; bytes of those of fixed size


def load(path):
    """The weights in the file: dict layer name -> (kernel, bias), float32 arrays.

    Axes are ordered as TensorFlow wants them: convolutions [h, w, in/groups, out], dense layers
    [in, out]. Caffe flattens the last convolution's map channel by channel, [channels, h, w]; the
    rows of the dense layer that reads it are reordered to [h, w, channels]. Colours stay BGR.

    Raises OSError when the file cannot be read, ValueError (one line) when it is no such file.
    """
    # Overflow: infinite or not is for the caller to check.
    with files.opened(path) as file, np.errstate(over="ignore"):
        try:
            return _weights(memoryview(file.read()), iter(range(MAX_FIELDS)))
        except (MemoryError, TypeError, ValueError) as error:
            raise ValueError(
                f"{path}: expected a .caffemodel with kernels and biases, found damage or another "
                f"format: {error}; download it again"
            ) from error


def _weights(network, budget):
    weights, channels = {}, None
    for name, blobs in _layers(network, budget):
        if len(blobs) != 2 or name in weights:
            raise ValueError(f"layer {name!r} is there twice, or has no kernel and bias")
        kernel, bias = (_array(blob, budget) for blob in blobs)
        if kernel.ndim == 4:
            channels = len(kernel)
            kernel = kernel.transpose(2, 3, 1, 0)
        elif kernel.ndim == 2:
            kernel, channels = _dense(kernel, channels), None
        if kernel.ndim not in (2, 4) or bias.size != kernel.shape[-1]:
            raise ValueError(f"layer {name!r} has shapes {kernel.shape} and {bias.shape}")
        weights[name] = np.ascontiguousarray(kernel, np.float32), bias.astype(np.float32).ravel()
    if not weights:
        raise ValueError("no layer holds weights")
    return weights


def _layers(network, budget):
    """The name and blobs of each layer that has blobs, in the network's order."""
    for number, layer in _fields(network, budget):
        if number not in LAYERS:
            continue
        name_field, blobs_field = LAYERS[number]
        name, blobs = "", []
        for field, value in _fields(layer, budget):
            if field == name_field:
                name = str(value, "utf-8")[:80]
            elif field == blobs_field and len(blobs) < 3:  # three are as wrong as more
                blobs.append(value)
        if blobs:
            yield name, blobs


def _array(blob, budget):
    """A BlobProto's numbers in its shape: conv kernels [out, in, h, w], dense ones [out, in]."""
    old_shape, shape = [0, 0, 0, 0], None
    numbers = {FLOATS: bytearray(), DOUBLES: bytearray()}
    for field, value in _fields(blob, budget):
        if field in numbers:
            numbers[field] += value
        elif field in OLD_SHAPE:
            old_shape[field - 1] = value
        elif field == SHAPE:
            shape = _shape(value, budget)
    if shape is None:
        shape = old_shape[2:] if old_shape[:2] == [1, 1] else old_shape
    kind = "<f4" if numbers[FLOATS] else "<f8"
    data = np.frombuffer(numbers[FLOATS] or numbers[DOUBLES], kind)
    if len(shape) > 4 or math.prod(shape) != data.size or not data.size:
        raise ValueError(f"a blob of shape {shape[:5]} has {data.size:,} numbers")
    return data.reshape(shape)


def _shape(message, budget):
    """A BlobShape's sides, whether written one by one or packed into one field."""
    sides = []
    for _, value in _fields(message, budget):
        position = 0
        while not isinstance(value, int) and position < len(value) and len(sides) < 5:
            side, position = _varint(value, position)
            sides.append(side)
        if isinstance(value, int):
            sides.append(value)
    return sides


def _dense(kernel, channels):
    """[out, in] -> [in, out]; in a map of `channels`, from channel-h-w to h-w-channel order."""
    if channels is None:
        return kernel.T
    outputs, inputs = kernel.shape
    side = math.isqrt(inputs // channels)
    by_place = kernel.reshape(outputs, channels, side, side).transpose(2, 3, 1, 0)
    return np.ascontiguousarray(by_place, np.float32).reshape(inputs, outputs)


def _fields(message, budget):
    """The fields of a message: their number, and an int or the bytes they hold.

    Each takes one from the `budget`, of which there is one for a file: empty fields take two bytes.
    """
    position = 0
    while position < len(message):
        if next(budget, None) is None:
            raise ValueError(f"more than {MAX_FIELDS:,} fields")
        key, position = _varint(message, position)
        number, wire_type = key >> 3, key & 7
        if wire_type == VARINT:
            value, position = _varint(message, position)
        else:
            size = SIZES.get(wire_type)
            if wire_type == LENGTH:
                size, position = _varint(message, position)
            if size is None or size > len(message) - position:
                raise ValueError(f"field {number} does not end before byte {len(message):,}")
            value = message[position : position + size]
            position += size
        yield number, value


def _varint(message, position):
    """The number at `position`, seven bits a byte, the lowest first, and where it ends."""
    number = 0
    for shift in range(0, 64, 7):
        if position == len(message):
            raise ValueError(f"a number does not end before byte {position:,}")
        byte = message[position]
        position += 1
        number |= (byte & 127) << shift
        if byte < 128:
            return number, position
    raise ValueError("a number has more than 64 bits")
