"""Fine-tunes a narrow VGG16 as one of several workers, by the options of the script.

With KILLED_AFTER in the environment it dies when that epoch is over. A program of its own, as
workers must meet before TensorFlow starts.
"""

import os
import signal
import sys

import narrow_vgg16
import pytest

import train_finetuning
from lab import networks
from lab.demo import stand_ins
from lab.training import loop


def narrow(patch):
    """Ten flowers a kind and a sixteenth of the channels."""
    patch.setitem(networks.NETWORKS, "vgg16", narrow_vgg16.VGG16)
    patch.setattr(narrow_vgg16.VGG16.module, "KERNELS", narrow_vgg16.NARROW)
    patch.setattr(stand_ins, "weights", lambda network: narrow_vgg16.as_tensors(
        narrow_vgg16.random_arrays(narrow_vgg16.NARROW)
    ))  # fmt: skip
    patch.setattr(stand_ins, "FLOWERS", 50)


def die_after(epoch, patch):
    extended = loop.extended

    def die(history, row):
        if row[0] == epoch:
            os.kill(os.getpid(), signal.SIGKILL)
        return extended(history, row)

    patch.setattr(loop, "extended", die)


if __name__ == "__main__":
    with pytest.MonkeyPatch.context() as patch:
        narrow(patch)
        if "KILLED_AFTER" in os.environ:
            die_after(int(os.environ["KILLED_AFTER"]), patch)
        sys.exit(train_finetuning.main())
