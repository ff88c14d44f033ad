"""Super-resolution networks that work at the input's size and enlarge at the end, by the chosen upsampler."""

from collections.abc import Callable
from typing import Literal

import torch.nn.functional as F
from torch import Tensor, nn

from models.networks import network
from models.networks.interfaces import Network
from plumbing.options import Count

Scale = Literal[2, 3, 4]


def factors(scale: int) -> list[int]:
    """The scales of the tail's upsamplers: x4 is twice x2, as SRResNet and EDSR were published."""
    return [2, 2] if scale == 4 else [scale]


class SuperResolver(Network):
    """A head and a body at the input's size, what enlarges, and a tail at the output's.

    residual  whether all of it is added to the input's bicubic enlargement, so that only what that lacks is learnt
              (Kim et al., "Accurate Image Super-Resolution Using Very Deep Convolutional Networks", CVPR 2016,
              section 3.1; theirs is MATLAB's bicubic, this torch's, whose difference is learnt with the rest)

    forward(x): (N, channels, H, W) of any size, of about zero mean and unit variance, to
    (N, channels, scale*H, scale*W) in the same units. Raises ValueError for a scale other than 2, 3 and 4.
    """

    head: nn.Module
    body: nn.Module
    enlarge: nn.Sequential
    tail: nn.Module

    def __init__(self, scale: Scale, residual: bool) -> None:
        super().__init__()
        if scale not in (2, 3, 4):
            raise ValueError(f"scale must be 2, 3 or 4, not {scale}")
        self.period, self.residual = scale, residual

    def upsamplers(self) -> list[nn.Module]:
        """The upsamplers of the decoder, coarse to fine."""
        return [layer for layer in self.enlarge if not isinstance(layer, nn.PReLU)]

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        learnt = self.tail(self.enlarge(self.body(self.head(x))))
        if not self.residual:
            return learnt
        return learnt + F.interpolate(x, scale_factor=self.period, mode="bicubic", align_corners=False)


@network("espcn")
class ESPCN(SuperResolver):
    """Shi et al., "Real-Time Single Image and Video Super-Resolution Using an Efficient Sub-Pixel Convolutional
    Neural Network" (CVPR 2016), section 2: kernels 5, 3, 3 with 64 and 32 channels, tanh between.

    Its last layer, a 3x3 convolution and a pixel shuffle there, is the chosen upsampler, for any scale in one.
    Input, output, scale, residual and errors as for `SuperResolver`.
    """

    def __init__(
        self, channels: int, upsample: Callable[..., nn.Module], scale: Scale = 2, residual: bool = False
    ) -> None:
        super().__init__(scale, residual)
        self.head = nn.Sequential(nn.Conv2d(channels, 64, 5, padding=2), nn.Tanh())
        self.body = nn.Sequential(nn.Conv2d(64, 32, 3, padding=1), nn.Tanh())
        self.enlarge = nn.Sequential(upsample(32, channels, scale))
        self.tail = nn.Identity()


class Residual(nn.Module):
    """x plus what the layers make of it."""

    def __init__(self, *layers: nn.Module) -> None:
        super().__init__()
        self.layers = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to the same shape."""
        return x + self.layers(x)


@network("srresnet")
class SRResNet(SuperResolver):
    """Ledig et al., "Photo-Realistic Single Image Super-Resolution Using a Generative Adversarial Network"
    (CVPR 2017), section 2.1.1 and figure 4: SRGAN's generator, here trained without the GAN.

    blocks  residual blocks (published: 16) of `width` channels (published: 64)

    Input, output, scale, residual and errors as for `SuperResolver`.
    """

    def __init__(
        self,
        channels: int,
        upsample: Callable[..., nn.Module],
        scale: Scale = 2,
        blocks: Count = 16,
        width: Count = 64,
        residual: bool = False,
    ) -> None:
        super().__init__(scale, residual)

        def conv() -> nn.Conv2d:
            return nn.Conv2d(width, width, 3, padding=1, bias=False)  # a norm follows

        stack = [
            Residual(conv(), nn.BatchNorm2d(width), nn.PReLU(), conv(), nn.BatchNorm2d(width)) for _ in range(blocks)
        ]
        self.head = nn.Sequential(nn.Conv2d(channels, width, 9, padding=4), nn.PReLU())
        self.body = Residual(*stack, conv(), nn.BatchNorm2d(width))
        self.enlarge = nn.Sequential(
            *(layer for factor in factors(scale) for layer in (upsample(width, width, factor), nn.PReLU()))
        )
        self.tail = nn.Conv2d(width, channels, 9, padding=4)


@network("edsr_baseline")
class EDSR(SuperResolver):
    """Lim et al., "Enhanced Deep Residual Networks for Single Image Super-Resolution" (CVPRW 2017), section 3 and
    table 1, the baseline: SRResNet without norms, and without activation outside its blocks.

    blocks  residual blocks (the baseline: 16) of `width` channels (the baseline: 64)

    Input, output, scale, residual and errors as for `SuperResolver`.
    """

    def __init__(
        self,
        channels: int,
        upsample: Callable[..., nn.Module],
        scale: Scale = 2,
        blocks: Count = 16,
        width: Count = 64,
        residual: bool = False,
    ) -> None:
        super().__init__(scale, residual)

        def conv() -> nn.Conv2d:
            return nn.Conv2d(width, width, 3, padding=1)

        self.head = nn.Conv2d(channels, width, 3, padding=1)
        self.body = Residual(*(Residual(conv(), nn.ReLU(inplace=True), conv()) for _ in range(blocks)), conv())
        self.enlarge = nn.Sequential(*(upsample(width, width, factor) for factor in factors(scale)))
        self.tail = nn.Conv2d(width, channels, 3, padding=1)
