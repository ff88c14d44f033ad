"""Bilinear additive upsampling."""

from torch import Tensor, nn

from upsample.contract import check_divisible, check_odd, operator
from upsample.operators.resize import resize


@operator("bilinear_additive")
class BilinearAdditive(nn.Module):
    """Bilinear interpolation, then the sum of each scale**2 consecutive channels, then a convolution.

    Wojna et al., "The Devil is in the Decoder: Classification, Regression and GANs" (2019), section 3.
    The sum commutes with the interpolation and comes first here, where it is scale**2 times cheaper.
    Cost: kernel_size**2 * in_channels / scale**2 * out_channels MACs per output pixel.
    Pitfall: in_channels must be a multiple of scale**2 (ValueError), and the sum is a bottleneck of
    in_channels / scale**2 channels.
    """

    def __init__(
        self, in_channels: int, out_channels: int, scale: int, kernel_size: int = 3, bias: bool = True
    ) -> None:
        super().__init__()
        check_divisible("bilinear_additive", "in_channels", in_channels, scale**2, "groups of scale**2 are summed")
        check_odd("bilinear_additive", "kernel_size", kernel_size)
        self.scale = scale
        self.conv = nn.Conv2d(in_channels // scale**2, out_channels, kernel_size, padding=kernel_size // 2, bias=bias)

    def forward(self, x: Tensor, skip: Tensor | None = None, indices: Tensor | None = None) -> Tensor:
        """(N, in_channels, H, W) -> (N, out_channels, scale*H, scale*W); skip and indices are not used."""
        return self.conv(resize(x.unflatten(1, (-1, self.scale**2)).sum(2), self.scale, "bilinear"))
