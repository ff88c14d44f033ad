"""Fixed interpolation, alone and followed by a convolution."""

from typing import Any, Literal, get_args

import torch.nn.functional as F
from torch import Tensor, nn

from upsample.algebra.fold import fold_kernel
from upsample.algebra.polyphase import CONVOLUTIONS, CONVOLVE
from upsample.contract import Scale, along, check_odd, operator
from upsample.operators.forms.edge_padding import replicate
from upsample.operators.forms.transposed import conv_transpose

PaddingMode = Literal["zeros", "reflect", "replicate", "circular"]


def resize(x: Tensor, scale: Scale, mode: str) -> Tensor:
    """Interpolate (N, C, *size) to (N, C, *scale*size) with half-pixel centres (align_corners=False).

    mode: nearest, bilinear (linear along each axis, however many) or bicubic (images only)
    """
    if mode == "bilinear":
        mode = {3: "linear", 4: "bilinear", 5: "trilinear"}[x.dim()]
    factor = scale if isinstance(scale, int) else tuple(map(float, scale))
    return F.interpolate(x, scale_factor=factor, mode=mode, align_corners=None if mode == "nearest" else False)


class FixedResize(nn.Module):
    """Interpolation with nothing to learn; a 1x1 convolution only where the channel count changes.

    The convolution comes first: it commutes with the interpolation, whose weights sum to one, and
    costs scale**2 times less there: in_channels * out_channels / scale**2 MACs per output pixel.
    """

    def __init__(self, in_channels: int, out_channels: int, scale: Scale, mode: str) -> None:
        super().__init__()
        self.scale, self.mode = scale, mode
        kind: Any = CONVOLUTIONS[len(along(scale))]
        self.project = nn.Identity() if in_channels == out_channels else kind(in_channels, out_channels, 1)

    def forward(self, x: Tensor, skip: Tensor | None = None, indices: Tensor | None = None) -> Tensor:
        """(N, in_channels, H, W) -> (N, out_channels, scale*H, scale*W); skip and indices are not used."""
        return resize(self.project(x), self.scale, self.mode)


@operator("nearest", any_axes=True)
def nearest(in_channels: int, out_channels: int, scale: Scale) -> FixedResize:
    """Nearest neighbour: every pixel becomes a scale x scale block."""
    return FixedResize(in_channels, out_channels, scale, "nearest")


@operator("bilinear", any_axes=True)
def bilinear(in_channels: int, out_channels: int, scale: Scale) -> FixedResize:
    """Bilinear interpolation: the published decoders' usual fixed choice. Linear and trilinear on other than images."""
    return FixedResize(in_channels, out_channels, scale, "bilinear")


@operator("bicubic")
def bicubic(in_channels: int, out_channels: int, scale: int) -> FixedResize:
    """Bicubic interpolation (Keys 1981, a = -0.75 as in torch). Pitfall: it overshoots at edges, beyond x's range."""
    return FixedResize(in_channels, out_channels, scale, "bicubic")


@operator("resize_conv", any_axes=True)
class ResizeConv(nn.Module):
    """Resize, then convolve: every output phase sees the same kernel.

    Odena, Dumoulin & Olah, "Deconvolution and Checkerboard Artifacts" (Distill, 2016).
    Nearest with zero padding runs as the one transposed convolution that the pair folds into (see
    upsample.algebra.fold): the same numbers and gradients, the same parameters, no enlarged input.
    Cost: (kernel_size+scale-1)**2 / scale**2 * in_channels * out_channels MACs per output pixel where
    it folds, kernel_size**2 * in_channels * out_channels elsewhere.
    Pitfalls: zero padding darkens the frame; padding_mode=replicate does not, at the unfolded cost.
    reflect and circular need an output larger than kernel_size // 2 (torch raises RuntimeError).
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        scale: Scale,
        mode: str = "nearest",
        kernel_size: int = 3,
        padding_mode: PaddingMode = "zeros",
        bias: bool = True,
    ) -> None:
        super().__init__()
        if mode not in ("nearest", "bilinear", "bicubic"):
            raise ValueError(f"resize_conv: mode must be nearest, bilinear or bicubic, not '{mode}'")
        check_odd("resize_conv", "kernel_size", kernel_size)
        if padding_mode not in get_args(PaddingMode):
            raise ValueError(
                f"resize_conv: padding_mode must be zeros, reflect, replicate or circular, not '{padding_mode}'"
            )
        self.scale, self.mode = scale, mode
        # Faster wherever measured in training, but for an input of 3 channels, where the two are equal.
        self.folds = mode == "nearest" and padding_mode == "zeros"
        axes = len(along(scale))
        if mode == "bicubic" and axes != 2:
            raise ValueError(f"resize_conv: mode bicubic is of images, not of {axes} axes; use nearest or bilinear")
        kind: Any = CONVOLUTIONS[axes]
        self.conv = kind(
            in_channels, out_channels, kernel_size, padding=kernel_size // 2, padding_mode=padding_mode, bias=bias
        )

    def forward(self, x: Tensor, skip: Tensor | None = None, indices: Tensor | None = None) -> Tensor:
        """(N, in_channels, H, W) -> (N, out_channels, scale*H, scale*W); skip and indices are not used."""
        padding = self.conv.kernel_size[0] // 2
        if self.folds:
            return conv_transpose(x, fold_kernel(self.conv.weight, self.scale), self.conv.bias, self.scale, padding)
        large = resize(x, self.scale, self.mode)
        if self.conv.padding_mode == "replicate":
            return CONVOLVE[x.dim() - 2](replicate(large, padding, padding), self.conv.weight, self.conv.bias)
        return self.conv(large)
