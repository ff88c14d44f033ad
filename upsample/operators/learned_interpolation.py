"""Interpolation between neighbours with learned weights."""

import torch
from torch import Tensor, nn

from upsample.contract import operator


@operator("learned_interpolation")
class LearnedInterpolation(nn.Module):
    """Between two neighbours a and b, the j-th of scale-1 new pixels is sigmoid(w_j) a + (1 - sigmoid(w_j)) b.

    Stoller, Ewert & Dixon, "Wave-U-Net" (ISMIR 2018), section 3.2.2, there 1-D at scale 2; here along
    both axes, with scale-1 weights per channel and axis, and the last row and column replicated.
    The weights start at linear interpolation. Where the channel count changes, a 1x1 convolution
    comes first (it commutes: the weights sum to one).
    Cost: 2 + 2 / scale MACs per channel and output pixel, + in_channels * out_channels / scale**2.
    Pitfall: input pixel i stays at output pixel scale*i, so the image is not centred: it lies
    (scale-1)/2 output pixels further up and left than with bilinear.
    """

    def __init__(self, in_channels: int, out_channels: int, scale: int) -> None:
        super().__init__()
        self.project = nn.Identity() if in_channels == out_channels else nn.Conv2d(in_channels, out_channels, 1)
        steps = torch.arange(1, scale) / scale
        logits = torch.logit(1 - steps).expand(out_channels, -1)
        self.weight_down, self.weight_across = nn.Parameter(logits.clone()), nn.Parameter(logits.clone())

    @staticmethod
    def _interpolate(x: Tensor, weight: Tensor, dim: int) -> Tensor:
        """Make dimension `dim` (2 or 3) of (N, C, H, W) scale times longer, by weights (C, scale-1)."""
        shape = [1, len(weight), 1, 1, 1]
        shape[dim + 1] = -1
        near = torch.cat([torch.ones_like(weight[:, :1]), weight.sigmoid()], 1).to(x.dtype).view(shape)
        length = x.shape[dim]
        following = torch.cat([x.narrow(dim, 1, length - 1), x.narrow(dim, length - 1, 1)], dim)
        between = near * x.unsqueeze(dim + 1) + (1 - near) * following.unsqueeze(dim + 1)
        return between.flatten(dim, dim + 1)

    def forward(self, x: Tensor, skip: Tensor | None = None, indices: Tensor | None = None) -> Tensor:
        """(N, in_channels, H, W) -> (N, out_channels, scale*H, scale*W); skip and indices are not used."""
        y = self._interpolate(self.project(x), self.weight_down, 2)
        return self._interpolate(y, self.weight_across, 3)
