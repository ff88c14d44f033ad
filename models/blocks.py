"""Building blocks that several networks share."""

from torch import nn


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
