"""A run as one function of TensorFlow, and as a SavedModel."""

import tensorflow as tf

from lab.runs.strangeness import FINEST
from lab.training import heads

JUDGED = "judged"  # what is computed from features has this in its name


class Classifier(tf.Module):
    """All that a run says about pictures, uint8 RGB [n, height, width, 3]; float32 inside.

    probabilities: [n, classes], calibrated if the run is. strangeness: [n], above 1 unlike all that
    it was trained on; left out of a run that does not know.
    """

    def __init__(self, run):
        super().__init__()
        self.network, self.layer, self.convention = run.network, run.layer, run.convention
        self.names, self.temperature = tf.constant(run.names), run.record.temperature
        self.epsilon, layers = heads.parts(run.head)
        self.head = [_variables(layer) for layer in layers]
        self.weights = {name: _variables(arrays) for name, arrays in run.needed_weights.items()}
        self.usual = run.usual and {
            name: tf.Variable(array, trainable=False) for name, array in vars(run.usual).items()
        }

    def __call__(self, images):
        """name -> what comes out, as above."""
        weights = {
            name: tuple(map(tf.convert_to_tensor, arrays)) for name, arrays in self.weights.items()
        }
        prepared = self.network.module.preprocess(images, self.convention)
        features = self.network.features(prepared, weights, self.layer, self.convention)
        with tf.name_scope(JUDGED):
            found = {"probabilities": tf.nn.softmax(self._scores(features) / self.temperature)}
            return found | ({"strangeness": self._strangeness(features)} if self.usual else {})

    def named(self, images):
        """The same, and `name`: of the most probable class of each picture, [n] strings."""
        found = self(images)
        return found | {"name": tf.gather(self.names, tf.argmax(found["probabilities"], 1))}

    def _scores(self, features):
        """As the head has it in Keras, whose variables the converter of LiteRT cannot freeze."""
        if self.epsilon is not None:
            mean, variance = tf.nn.moments(features, [1], keepdims=True)
            features = (features - mean) / tf.sqrt(variance + self.epsilon)
        *hidden, (kernel, bias) = self.head
        for layer in hidden:
            features = tf.nn.relu(features @ layer[0] + layer[1])
        return features @ kernel + bias

    def _strangeness(self, features):
        """As lab/runs/strangeness.py has it in NumPy."""
        usual = {name: tf.convert_to_tensor(array) for name, array in self.usual.items()}
        lengths = tf.norm(features, axis=1, keepdims=True)
        centred = features / tf.maximum(lengths, FINEST) - usual["mean"]
        along = centred @ usual["directions"]
        places = along @ usual["axes"]
        centres = usual["centres"]
        from_centres = tf.reduce_sum(centres**2, 1) - 2 * (places @ tf.transpose(centres))
        nearest = tf.reduce_min(from_centres, 1) + tf.reduce_sum(places**2, 1)
        distance = nearest - tf.reduce_sum(places**2 / usual["variances"], 1)
        residual = tf.reduce_sum(centred**2, 1) - tf.reduce_sum(along**2, 1)
        above = (tf.stack([distance, residual], 1) - usual["usual"]) / usual["unit"]
        return tf.norm(tf.maximum(above, 0), axis=1)


def _variables(arrays):
    return [tf.Variable(array, trainable=False) for array in arrays]


def saved_model(run, path):
    """Write the folder of a SavedModel: pictures of any size, those of one call all of the same."""
    classifier = Classifier(run)
    images = tf.TensorSpec([None, None, None, 3], tf.uint8, "images")
    serve = tf.function(classifier.named, input_signature=[images], autograph=False)
    tf.saved_model.save(classifier, str(path), signatures=serve)
