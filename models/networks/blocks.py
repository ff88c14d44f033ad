"""Building blocks that several networks share."""

import torch.nn.functional as F
from torch import Tensor, nn


def double_conv(in_channels: int, out_channels: int) -> nn.Sequential:
    """Twice 3x3 convolution, BatchNorm, ReLU, size kept. The norm's shift makes a convolution bias redundant."""
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, 3, padding=1, bias=False),
        nn.BatchNorm2d(out_channels),
        nn.ReLU(inplace=True),
        nn.Conv2d(out_channels, out_channels, 3, padding=1, bias=False),
        nn.BatchNorm2d(out_channels),
        nn.ReLU(inplace=True),
    )


def pad_to_period(x: Tensor, period: int) -> Tensor:
    """(N, C, H, W) to the next whole multiples of `period`, replicating the border at the right and bottom.

    The new size is written as a multiple: an exporter that keeps H and W free then knows that halving and doubling
    it again loses nothing, which `H + -H % period` hides from it (61 s instead of 5 for a small DeepLab).
    """
    height, width = x.shape[-2:]
    # Not -(-height // period): ONNX divides towards zero, so there the last row would be lost.
    rows, columns = (height + period - 1) // period, (width + period - 1) // period
    return F.pad(x, (0, columns * period - width, 0, rows * period - height), mode="replicate")


def widened(weight: Tensor, channels: int) -> Tensor:
    """The weights (K, 3, h, w) of a first convolution for images of other channels, (K, channels, h, w).

    Channel i takes those of red, green or blue in turn, times 3 / channels, so that maps keep their size; one channel
    takes their sum. timm's rule (`adapt_input_conv`), by which its own pretrained backbones take other channels.
    """
    if channels == 1:
        return weight.sum(1, keepdim=True)
    return weight[:, [i % 3 for i in range(channels)]] * (3 / channels)
