"""PyTorch, compiled by TorchInductor."""

import torch
from torch import nn

from benchmarks.contenders import CLASSES, RGB_MEAN, channels_first


def load(weights, images, precision):
    fc7 = compiled(weights, precision)
    return lambda: fc7(torch.from_numpy(images))


def compiled(weights, precision):
    """A function: RGB, uint8 [n, h, w, 3] -> fc7 [n, 4096]."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    dtype = getattr(torch, precision)
    network = alexnet(channels_first(weights)).eval()
    network = network.to(device, dtype, memory_format=torch.channels_last)
    mean = torch.tensor(RGB_MEAN, device=device)
    torch._inductor.config.freezing = True  # weights do not change: lay them out once

    @torch.compile(dynamic=False)  # once for each shape: whole batches, and the last
    def fc7(pictures):
        x = (pictures.float() - mean).permute(0, 3, 1, 2)
        if x.shape[2:] != (227, 227):
            x = nn.functional.interpolate(x, size=(227, 227), mode="bilinear", align_corners=False)
        return network(x.to(dtype)).float()

    def run(pictures):
        with torch.no_grad():  # freezing asks for it
            return fc7(pictures.to(device)).cpu().numpy()

    return run


def step(weights, images, labels, precision):
    """A step of Adam over the whole network; in bfloat16 by PyTorch's own autocast."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    network = nn.Sequential(alexnet(channels_first(weights)), nn.Linear(4096, CLASSES))
    network = network.to(device, memory_format=torch.channels_last)
    optimizer = torch.optim.Adam(network.parameters(), 1e-4)
    mean = torch.tensor(RGB_MEAN, device=device)
    pictures, truth = (torch.from_numpy(array).to(device) for array in (images, labels))
    torch._inductor.config.freezing = False

    @torch.compile(dynamic=False)
    def loss():
        x = (pictures.float() - mean).permute(0, 3, 1, 2)
        x = nn.functional.interpolate(x, size=(227, 227), mode="bilinear", align_corners=False)
        with torch.autocast(device, torch.bfloat16, enabled=precision == "bfloat16"):
            scores = network(x)
        return nn.functional.cross_entropy(scores.float(), truth)

    def run():
        optimizer.zero_grad()
        error = loss()
        error.backward()
        optimizer.step()
        return error.item()

    return run


def alexnet(weights):
    def lrn():
        return nn.LocalResponseNorm(5, alpha=1e-4, beta=0.75, k=1)

    network = nn.Sequential(
        nn.Conv2d(3, 96, 11, stride=4), nn.ReLU(), lrn(), nn.MaxPool2d(3, 2),
        nn.Conv2d(96, 256, 5, padding=2, groups=2), nn.ReLU(), lrn(), nn.MaxPool2d(3, 2),
        nn.Conv2d(256, 384, 3, padding=1), nn.ReLU(),
        nn.Conv2d(384, 384, 3, padding=1, groups=2), nn.ReLU(),
        nn.Conv2d(384, 256, 3, padding=1, groups=2), nn.ReLU(), nn.MaxPool2d(3, 2),
        nn.Flatten(),
        nn.Linear(9216, 4096), nn.ReLU(),
        nn.Linear(4096, 4096), nn.ReLU(),
    )  # fmt: skip
    layers = [layer for layer in network if hasattr(layer, "weight")]
    names = ["conv1", "conv2", "conv3", "conv4", "conv5", "fc6", "fc7"]
    with torch.no_grad():
        for layer, name in zip(layers, names, strict=True):
            kernel, bias = (torch.tensor(array.copy()) for array in weights[name])
            layer.weight.copy_(kernel if kernel.ndim == 4 else kernel.T)
            layer.bias.copy_(bias)
    return network
