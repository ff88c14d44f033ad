"""Upsampling by learned sampling positions."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from upsample.contract import check_divisible, operator


@operator("dysample")
class DySample(nn.Module):
    """Bilinear sampling of x at positions shifted by learned, content-dependent offsets.

    Liu et al., "Learning to Upsample by Learning to Sample" (ICCV 2023), section 3. Style lp makes
    the offsets by a linear layer then a pixel shuffle, pl the other way round. The offsets, in input
    pixels, are 0.25 * linear(x), or 0.5 * sigmoid(linear'(x)) * linear(x) with `dynamic_scope`.
    Each of `groups` groups of channels has its own offsets. Zero offsets are bilinear
    interpolation exactly, and the layer starts close to that.
    Where the channel count changes, a 1x1 convolution comes first (it commutes with the sampling).
    Cost: 4 * out_channels + 2 * groups * in_channels (lp) or 2 * groups * in_channels / scale**2 (pl)
    MACs per output pixel, the linear part twice with `dynamic_scope`; in_channels * out_channels /
    scale**2 more where the channel count changes.
    Pitfalls: sampling gathers, so it is memory-bound; out_channels must be a multiple of `groups`
    and, with style pl, in_channels of scale**2 (ValueError).
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        scale: int,
        style: str = "lp",
        groups: int = 4,
        dynamic_scope: bool = False,
    ) -> None:
        super().__init__()
        if style not in ("lp", "pl"):
            raise ValueError(f"dysample: style must be lp or pl, not '{style}'")
        check_divisible("dysample", "out_channels", out_channels, groups, f"groups={groups}")
        if style == "pl":
            check_divisible("dysample", "in_channels", in_channels, scale**2, "style=pl shuffles scale**2 into space")
        self.scale, self.style, self.groups = scale, style, groups
        self.project = nn.Identity() if in_channels == out_channels else nn.Conv2d(in_channels, out_channels, 1)
        shape = (in_channels, 2 * groups * scale**2) if style == "lp" else (in_channels // scale**2, 2 * groups)
        self.offset = nn.Conv2d(*shape, 1)
        nn.init.normal_(self.offset.weight, std=0.001)
        assert self.offset.bias is not None
        nn.init.zeros_(self.offset.bias)
        self.scope = nn.Conv2d(*shape, 1, bias=False) if dynamic_scope else None
        if self.scope is not None:
            nn.init.zeros_(self.scope.weight)  # sigmoid(0) / 2: the static scope of 0.25

    def offsets(self, x: Tensor) -> Tensor:
        """(N, in_channels, H, W) -> (N, 2, groups, scale*H, scale*W): right and down, in input pixels."""
        if self.style == "pl":
            x = F.pixel_shuffle(x, self.scale)
        scope = 0.25 if self.scope is None else 0.5 * self.scope(x).sigmoid()
        offset = scope * self.offset(x)
        if self.style == "lp":
            offset = F.pixel_shuffle(offset, self.scale)
        return offset.unflatten(1, (2, self.groups))

    def forward(self, x: Tensor, skip: Tensor | None = None, indices: Tensor | None = None) -> Tensor:
        """(N, in_channels, H, W) -> (N, out_channels, scale*H, scale*W); skip and indices are not used."""
        features = self.project(x)
        height, width = x.shape[-2:]
        offset = self.offsets(x)
        # Half-precision coordinates would be whole pixels off in a wide image.
        offset = offset.to(torch.promote_types(offset.dtype, torch.float32))
        across = torch.arange(self.scale * width, device=x.device, dtype=offset.dtype)
        down = torch.arange(self.scale * height, device=x.device, dtype=offset.dtype)
        # Output pixel o has its centre at (o + 0.5) / scale, in input pixels from the edge; -1..1 spans the edges.
        right = 2 / width * ((across + 0.5) / self.scale + offset[:, 0]) - 1
        below = 2 / height * ((down[:, None] + 0.5) / self.scale + offset[:, 1]) - 1
        grid = torch.stack([right, below], -1).flatten(0, 1)
        grouped = features.to(grid.dtype).unflatten(1, (self.groups, -1)).flatten(0, 1)
        y = F.grid_sample(grouped, grid, mode="bilinear", padding_mode="border", align_corners=False)
        return y.unflatten(0, (-1, self.groups)).flatten(1, 2).to(features.dtype)
