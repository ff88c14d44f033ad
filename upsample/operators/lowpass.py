"""Transposed convolution followed by a fixed low-pass that removes what the stride printed."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from upsample.contract import operator


class LowpassDeconv(nn.Module):
    """Transposed convolution, then `order` box filters of width `scale`, with gain scale**2 in all.

    One box already averages one of each output phase, so a constant input gives a constant output
    (away from the zero border) whatever the weights: their sum. The bias comes after the filter.
    Cost: kernel_size**2 / scale**2 * in_channels * out_channels + 2 * (order * (scale-1) + 1) *
    out_channels MACs per output pixel.
    Raises ValueError where kernel_size, scale and order cannot be centred.
    """

    taps: Tensor  # (order * (scale-1) + 1,): `order` boxes of ones convolved along one axis, whole numbers

    def __init__(
        self, name: str, in_channels: int, out_channels: int, scale: int, kernel_size: int, order: int, bias: bool
    ) -> None:
        super().__init__()
        if order < 1:
            raise ValueError(f"{name}: order must be at least 1, not {order}")
        reach = order * (scale - 1)  # how much longer the filter makes a signal
        excess = kernel_size + reach - scale  # output pixels to crop per axis, half of them at each end
        if kernel_size < 1 or excess % 2:
            parity = "odd" if (reach - scale) % 2 else "even"
            raise ValueError(
                f"{name}: kernel_size must be {parity} at scale {scale} and order {order}, "
                f"so that the output is centred, not {kernel_size}"
            )
        taps = torch.ones(1)
        for _ in range(order):
            taps = F.conv1d(taps[None, None], torch.ones(1, 1, scale), padding=scale - 1)[0, 0]
        self.register_buffer("taps", taps, persistent=False)
        self.divisor = scale ** (order - 1)  # makes the sum of the taps, the gain of one axis, scale
        # Of the crop, the filter takes what its own growth allows and the transposed convolution the rest.
        self.filter_padding = max(0, reach - excess // 2)
        self.conv = nn.ConvTranspose2d(
            in_channels, out_channels, kernel_size, stride=scale, padding=max(0, excess // 2 - reach), bias=False
        )
        self.bias = nn.Parameter(torch.zeros(out_channels)) if bias else None

    def forward(self, x: Tensor, skip: Tensor | None = None, indices: Tensor | None = None) -> Tensor:
        """(N, in_channels, H, W) -> (N, out_channels, scale*H, scale*W); skip and indices are not used."""
        y, pad = self.conv(x), self.filter_padding
        channels = y.shape[1]
        taps = (self.taps.to(y.dtype) / self.divisor).expand(channels, 1, -1)
        y = F.conv2d(y, taps[..., None], padding=(pad, 0), groups=channels)
        return F.conv2d(y, taps[..., None, :], self.bias, padding=(0, pad), groups=channels)


@operator("fir")
def fir(in_channels: int, out_channels: int, scale: int, kernel_size: int = 3, bias: bool = True) -> LowpassDeconv:
    """Transposed convolution and a FIR low-pass: three boxes of width scale, [1 3 3 1] at scale 2.

    Karras et al., "Analyzing and Improving the Image Quality of StyleGAN" (2020), who filter by
    [1 3 3 1]; wider scales take three boxes too, since [1 3 3 1] itself would not cancel their phases.
    kernel_size is odd. Pitfall: it blurs, by construction; the network must sharpen where it needs to.
    """
    return LowpassDeconv("fir", in_channels, out_channels, scale, kernel_size, 3, bias)


@operator("smooth_deconv")
def smooth_deconv(
    in_channels: int, out_channels: int, scale: int, kernel_size: int = 3, order: int = 1, bias: bool = True
) -> LowpassDeconv:
    """Transposed convolution and a fixed box of width scale, `order` times over.

    Sugawara, Shiota & Kiya, "Super-Resolution Using Convolutional Neural Networks Without Any
    Checkerboard Artifacts" (ICIP 2018); the order is that of Kinoshita & Kiya, "Fixed Smooth
    Convolutional Layer for Avoiding Checkerboard Artifacts in CNNs" (ICASSP 2020), section 3.
    Odd kernels are centred for odd orders. At order 1 it computes exactly what resize_conv
    (nearest) does with the kernel turned by 180 degrees, at the price of the transposed convolution.
    """
    return LowpassDeconv("smooth_deconv", in_channels, out_channels, scale, kernel_size, order, bias)
