"""PyTorch's DataLoader and torchvision: a process for each core decodes, the network computes."""

import os

import numpy as np
from torch.utils.data import DataLoader, Dataset
from torchvision.io import ImageReadMode, decode_image
from torchvision.transforms.v2.functional import resize

from benchmarks.contenders import pytorch


def folder(weights, paths, precision):
    batches = DataLoader(
        Pictures(paths), batch_size=128, num_workers=os.cpu_count(), persistent_workers=True
    )
    fc7 = pytorch.compiled(weights, precision)
    return lambda: np.concatenate([fc7(batch) for batch in batches])


class Pictures(Dataset):
    """The files in `paths`: uint8 RGB [227, 227, 3] each."""

    def __init__(self, paths):
        self.paths = paths

    def __len__(self):
        return len(self.paths)

    def __getitem__(self, row):
        picture = decode_image(str(self.paths[row]), ImageReadMode.RGB)
        return resize(picture, [227, 227]).permute(1, 2, 0)
