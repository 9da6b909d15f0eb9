"""What pictures go through: a run, or a network alone; and what is told about each."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

PLACE = [pa.field("path", pa.string(), False), pa.field("member", pa.string())]


@dataclass(frozen=True)
class Asked:
    """What the command line asks for: small enough to be sent to other machines."""

    what: str
    dtype: str
    run: str | None = None
    network: str | None = None
    weights: str | None = None
    layer: str | None = None
    precision: str = "auto"
    demo: bool = False
    column: str | None = None  # of Parquet files

    def loaded(self, processors=None):
        """The Model; processors: see `device.prepare`. OSError or ValueError, one line."""
        from lab import device  # TensorFlow

        device.prepare(processors)
        if self.run:
            from lab.runs.run import load

            run = load(self.run, self.weights, demo=self.demo)
            frozen = run.frozen()
            return (
                _predictions(run, frozen) if self.what == "predictions" else self._features(frozen)
            )
        return self._features(self._frozen())

    def _frozen(self):
        from lab import inputs, networks
        from lab.features.extraction import Frozen

        network = networks.named(self.network)
        layer = self.layer or network.layer
        network.check_layer(layer)
        weights = inputs.weights(network, self.weights, self.demo)
        return Frozen(network, weights, layer, "caffe", network.precision(self.precision))

    def _features(self, frozen):
        def columns(features):
            flat = pa.array(features.astype(self.dtype).ravel())
            return [pa.FixedSizeListArray.from_arrays(flat, frozen.width)]

        kind = {"float16": pa.float16(), "float32": pa.float32()}[self.dtype]
        field = pa.field("features", pa.list_(kind, frozen.width), False)
        return Model("features", frozen, _sha256(frozen), [field], columns)


@dataclass(frozen=True, eq=False)
class Model:
    """A frozen network, and what is told of its features.

    what: "features" or "predictions". frozen: see lab.features.extraction.
    digest: names all that it depends on.
    fields: of its columns. columns: a function: float16 features [n, width] -> the arrays for them.
    """

    what: str
    frozen: object
    digest: str
    fields: list
    columns: Callable

    @property
    def schema(self):
        """Of a shard: where the picture is, and what is told of it."""
        return pa.schema(PLACE + self.fields)


def _predictions(run, frozen):
    def columns(features):
        probabilities, strange = run.judged_by(features)
        best = probabilities.argmax(axis=1)
        strange = [None] * len(best) if strange is None else strange
        names = pa.array([run.names[label] for label in best], pa.string())
        return [names, pa.array(probabilities.max(axis=1)), pa.array(strange, pa.float32())]

    fields = [
        pa.field("name", pa.string(), False),
        pa.field("probability", pa.float32(), False),
        pa.field("strangeness", pa.float32()),
    ]
    return Model("predictions", frozen, _sha256(frozen, run), fields, columns)


def _sha256(frozen, run=None):
    """Names a network, and the head and all else that its run says of features."""
    from lab.features.extraction import FILES_VERSION

    content = hashlib.sha256(frozen.text(FILES_VERSION).encode())
    if run:
        content.update(repr((run.names, run.record.temperature)).encode())
        arrays = [*run.head.get_weights(), *(vars(run.usual).values() if run.usual else ())]
        for array in arrays:
            content.update(np.ascontiguousarray(array))
    return content.hexdigest()
