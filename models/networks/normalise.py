"""What happens to an image before a network sees it. Part of the trained thing, so it is saved with the weights."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class Normalise(nn.Module):
    """(N, C, H, W) uint8, or floating in [0, 1] or in whatever unit mean and std are, to float32 of about zero mean and
    unit variance per channel."""

    def __init__(self, mean: Sequence[float], std: Sequence[float]) -> None:
        super().__init__()
        self.mean: Tensor
        self.std: Tensor
        self.register_buffer("mean", torch.tensor(mean).view(1, -1, 1, 1))
        self.register_buffer("std", torch.tensor(std).view(1, -1, 1, 1))

    def forward(self, image: Tensor) -> Tensor:
        """See the class."""
        x = image.float() / 255 if image.dtype == torch.uint8 else image.float()
        return (x - self.mean) / self.std

    def undo(self, x: Tensor) -> Tensor:
        """What `forward` gave back to about [0, 1], (N, C, H, W) float32."""
        return x.float() * self.std + self.mean
