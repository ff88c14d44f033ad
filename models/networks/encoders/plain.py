"""The U-Net's own encoder: two convolutions a level, max-pooling between."""

import torch.nn.functional as F
from torch import Tensor, nn

from models.networks.blocks import double_conv
from models.networks.encoders import encoder
from models.networks.interfaces import Encoder
from plumbing.options import Count


@encoder("plain")
class PlainEncoder(Encoder):
    """Ronneberger et al., "U-Net" (2015), contracting path, with BatchNorm and size-keeping convolutions.

    Level i has width * 2**i channels at stride 2**i, for i = 0 ... depth.
    """

    def __init__(self, in_channels: int = 3, width: Count = 16, depth: Count = 3) -> None:
        super().__init__()
        if width < 1 or depth < 1:
            raise ValueError(f"width and depth must be at least 1, not {width} and {depth}")
        self.channels = [width * 2**i for i in range(depth + 1)]
        self.strides = [2**i for i in range(depth + 1)]
        self.indices_channels = [*self.channels[:-1]]
        self.levels = nn.ModuleList(
            double_conv(a, b) for a, b in zip([in_channels, *self.channels], self.channels, strict=False)
        )

    def forward(self, x: Tensor) -> tuple[list[Tensor], list[Tensor | None]]:
        """See the class."""
        features: list[Tensor] = []
        indices: list[Tensor | None] = []
        for level in self.levels:
            if features:
                x, where = F.max_pool2d(x, 2, return_indices=True)
                indices.append(where)
            x = level(x)
            features.append(x)
        return features, indices
