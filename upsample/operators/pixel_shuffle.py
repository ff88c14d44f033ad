"""Sub-pixel convolution."""

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from upsample.algebra.balance import balance_shuffle
from upsample.contract import check_odd, operator
from upsample.operators.forms.edge_padding import replicate


@operator("pixel_shuffle")
class PixelShuffle(nn.Module):
    """A convolution to scale**2 * out_channels channels, dealt out to the scale x scale output phases.

    Shi et al., "Real-Time Single Image and Video Super-Resolution Using an Efficient Sub-Pixel
    Convolutional Neural Network" (CVPR 2016). `icnr` starts all phases of a channel from the same
    kernel and bias, so that the layer begins as nearest-resize after convolution (Aitken et al.,
    "Checkerboard artifact free sub-pixel convolution", 2017). `blur` averages scale x scale outputs,
    borders replicated (Sugawara, Shiota & Kiya, ICIP 2018), which keeps constants flat inside the
    image whatever the weights. `balanced` keeps the phases' kernel sums equal and their bias
    tied, so that constants stay constant; balanced=2 keeps ramps linear as well (see upsample.algebra.balance).
    Cost: kernel_size**2 * in_channels * out_channels MACs per output pixel.
    Pitfalls: ICNR is only an initialisation, training pulls the phases apart; for even scales the
    blur shifts the image by half an output pixel.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        scale: int,
        kernel_size: int = 3,
        bias: bool = True,
        icnr: bool = True,
        blur: bool = False,
        balanced: bool | Literal[2] = False,
    ) -> None:
        super().__init__()
        check_odd("pixel_shuffle", "kernel_size", kernel_size)
        self.scale, self.blur = scale, blur
        self.conv = nn.Conv2d(in_channels, out_channels * scale**2, kernel_size, padding=kernel_size // 2, bias=bias)
        if icnr:
            with torch.no_grad():
                for parameter in self.conv.parameters():
                    parameter.copy_(parameter[:: scale**2].repeat_interleave(scale**2, 0))
        if balanced:
            balance_shuffle(self.conv, scale, order=int(balanced))

    def forward(self, x: Tensor, skip: Tensor | None = None, indices: Tensor | None = None) -> Tensor:
        """(N, in_channels, H, W) -> (N, out_channels, scale*H, scale*W); skip and indices are not used."""
        y = F.pixel_shuffle(self.conv(x), self.scale)
        if self.blur:
            y = F.avg_pool2d(replicate(y, self.scale // 2, (self.scale - 1) // 2), self.scale, stride=1)
        return y
