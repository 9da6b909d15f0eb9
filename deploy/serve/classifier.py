"""What a trained run says about pictures, compiled once and then asked again and again."""

import numpy as np
import tensorflow as tf
from pydantic import BaseModel, Field
from threadpoolctl import threadpool_limits

from lab.data import images
from lab.runs.predictions import best
from visualize import evidence


class Name(BaseModel):
    name: str
    probability: float


class Answer(BaseModel):
    """What a picture shows."""

    names: list[Name] = Field(description="the most probable classes, the best first")
    strangeness: float | None = Field(None, description="null of runs that never measured it")
    strange: bool = Field(description="unlike anything it was trained on: believe no name")
    map: list[list[float]] | None = Field(
        None, description="how much each part of the picture spoke for the best class, 0 to 1"
    )


class Classifier:
    """A trained run that says the `top` most probable names.

    sizes: of the batches it takes, ascending: the network is compiled for each.
    maps: whether it can tell what decided.
    """

    def __init__(self, run, top=5):
        self.run, self.top, self.below = run, top, run.frozen()
        self.sizes = [2**power for power in range(run.network.batch.bit_length())]
        self.compiled = {}  # size -> the network below the head
        self.maps = run.network.layered

    def warm_up(self):
        """Compile everything, so that no picture waits for it."""
        # What comes after the network is little; NumPy's own threads for it would wait for work at
        # full speed, and take the processor from TensorFlow's.
        threadpool_limits(1, "blas")
        side = self.run.network.module.INPUT_SIZE
        for size in self.sizes:
            batch = tf.zeros([size, side, side, 3])
            self.compiled[size] = self.below.features.get_concrete_function(batch)
            self.answers([batch[:1]] * size)
        if self.maps:
            self._evidence(np.zeros((side, side, 3), np.uint8))

    def prepared(self, file):
        """The picture in an open file as the network wants it; ValueError as of `images.read`."""
        return self.below.prepared(file)

    def answers(self, pictures):
        """An Answer to each picture from `prepared`, or a ValueError: what is wrong with this one.

        As many as one of `sizes`, after `warm_up`.
        """
        features = self.compiled[len(pictures)](tf.concat(pictures, axis=0)).numpy()
        finite = np.isfinite(features).all(axis=1)
        features[~finite] = 0
        probabilities, strangeness = self.run.judged_by(features)
        strangeness = [None] * len(features) if strangeness is None else strangeness.tolist()
        return [
            self._answer(*row) if well else ValueError("the network's answer is no number")
            for well, *row in zip(finite, probabilities, strangeness, strict=True)
        ]

    def _answer(self, probabilities, strangeness):
        return Answer(
            names=[
                Name(name=self.run.names[label], probability=probabilities[label])
                for label in best(probabilities, self.top)
            ],
            strangeness=strangeness,
            strange=strangeness is not None and strangeness > 1,
        )

    def decisive(self, file):
        """How much each part of the picture in an open file spoke for its class: [h][w], 0 to 1."""
        enough = 2 * self.run.network.module.INPUT_SIZE
        return self._evidence(images.read(file, at_least=enough))

    def _evidence(self, picture):
        heat = evidence(picture, self.run).astype(float)
        return np.round(heat / max(heat.max(), 1e-12), 3).tolist()
