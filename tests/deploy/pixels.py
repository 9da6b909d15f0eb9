"""A network that sees nothing but the mean colour of a picture, and how to ask for it."""

import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import tensorflow as tf

from deploy.embed.model import Asked
from lab.data import images

BATCH = 4


class Pixels:
    """What lab.features.extraction.Frozen has. note: a folder in which processes leave a mark."""

    network, width = SimpleNamespace(batch=BATCH), 3

    def __init__(self, seconds=0.0, note=None):
        self.seconds = seconds
        if note:
            Path(note, str(os.getpid())).touch()

    def text(self, version):
        return f"pixels {os.getpid()}" if "PIXELS_DIFFER" in os.environ else "pixels"

    def prepared(self, file):
        return tf.constant(colour(images.read(file)), tf.float32)[None, None, None]

    def features(self, batch):
        time.sleep(self.seconds)
        return tf.cast(tf.reshape(batch, [len(batch), 3]), tf.float16)


def colour(picture):
    return picture.mean((0, 1)).astype(np.float16)


@dataclass(frozen=True)
class AskedForPixels(Asked):
    """Can be sent to other processes; seconds: a batch takes."""

    seconds: float = 0.0
    note: str | None = None

    def _frozen(self):
        return Pixels(self.seconds, self.note)


def main(sources, out, note, *options):
    """The command, with such a network in place of the one that is named."""
    from deploy.embed import __main__, work

    def asked(args):
        return AskedForPixels("features", "float16", network="alexnet", seconds=0.3, note=note)

    work._asked = asked
    __main__.main([sources, "--network", "alexnet", "--out", out, "--shard", "4", *options])


if __name__ == "__main__":
    main(*sys.argv[1:])
