"""An operator by itself, offered what it needs."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from upsample.contract import available, build


class Alone(nn.Module):
    """An operator as a function of x alone: the skip or the pooling indices that it needs are noise (seed 0)."""

    def __init__(self, name: str, in_channels: int, out_channels: int, scale: int, **options: Any) -> None:
        super().__init__()
        self.in_channels, self.scale = in_channels, scale
        extras = {"skip_channels": in_channels, "indices_channels": in_channels}
        self.operator = build(name, in_channels, out_channels, scale, **extras, **options)
        self.needs = available()[name].needs

    def forward(self, x: Tensor) -> Tensor:
        """(N, in_channels, H, W) -> (N, out_channels, scale*H, scale*W)."""
        if not self.needs:
            return self.operator(x)
        shape = 1, self.in_channels, self.scale * x.shape[2], self.scale * x.shape[3]
        skip = torch.randn(shape, generator=torch.Generator().manual_seed(0)).to(x).expand(len(x), -1, -1, -1)
        return self.operator(x, skip, F.max_pool2d(skip, self.scale, return_indices=True)[1])
