"""SESR: a light network for super-resolution that is trained with many more weights than it is used with."""

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.networks import network
from models.networks.super_resolution import Residual, Scale, SuperResolver
from plumbing.options import Count


class LinearBlock(nn.Module):
    """A k x k convolution to many channels and a 1x1 back, with nothing between; the input is added where `short`.

    All of it is linear, so it is one k x k convolution, which forward computes from both: what an image costs does not
    depend on how many channels there are between, in training neither (Bhardwaj et al., "Collapsible Linear Blocks for
    Super-Efficient Super Resolution" (MLSys 2022), sections 3.1 and 3.3). There are no biases, as in its counts.
    forward(x): (N, in_channels, H, W) to (N, out_channels, H, W), zeros beyond the border.
    """

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int, expansion: int, short: bool) -> None:
        super().__init__()
        self.expand = nn.Conv2d(in_channels, expansion, kernel_size, padding=kernel_size // 2, bias=False)
        self.project = nn.Conv2d(expansion, out_channels, 1, bias=False)
        one = torch.zeros(out_channels, in_channels, kernel_size, kernel_size)
        self.identity: Tensor | None  # as a weight
        self.register_buffer("identity", nn.init.dirac_(one) if short else None, persistent=False)

    def weight(self) -> Tensor:
        """The weight of the one convolution, (out_channels, in_channels, k, k) float32."""
        first, second = self.expand.weight, self.project.weight[..., 0, 0]
        with torch.autocast(first.device.type, enabled=False):  # bfloat16 would round each of the sums
            one = (second @ first.flatten(1)).view(-1, *first.shape[1:])
            return one if self.identity is None else one + self.identity

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        return F.conv2d(x, self.weight(), padding=self.expand.padding)

    def collapsed(self) -> nn.Conv2d:
        """The one convolution."""
        weight = self.weight().detach()
        one = plain(weight.shape[1], weight.shape[0], weight.shape[2]).to(weight)
        one.weight.data.copy_(weight)
        return one.train(self.training)


def plain(in_channels: int, out_channels: int, kernel_size: int) -> nn.Conv2d:
    """What a block is once it is collapsed."""
    return nn.Conv2d(in_channels, out_channels, kernel_size, padding=kernel_size // 2, bias=False)


@network("sesr")
class SESR(SuperResolver):
    """Bhardwaj et al. (MLSys 2022), figure 2: a 5x5 block, `blocks` 3x3 blocks with short residuals, PReLU after each,
    a long residual over the latter; the input, enlarged by nearest neighbours, is added to what comes out.

    Its last layer, a 5x5 block and a depth-to-space there, is the chosen upsampler, for any scale in one.
    blocks     published: 5 (M5), 3, 7, 11; of `width` channels (published: 16)
    expansion  channels within a block in training (published: 256); None: plain convolutions, as it is used

    `collapse` makes the latter of the former; the output differs by rounding. Input, output, scale and errors as for
    `SuperResolver`.
    """

    def __init__(
        self,
        channels: int,
        upsample: Callable[..., nn.Module],
        scale: Scale = 2,
        blocks: Count = 5,
        width: Count = 16,
        expansion: Count | None = 256,
    ) -> None:
        super().__init__(scale, residual=False)
        self.expansion = expansion

        def block(before: int, kernel_size: int, short: bool) -> nn.Module:
            if expansion is None:
                return plain(before, width, kernel_size)
            return LinearBlock(before, width, kernel_size, expansion, short)

        self.head = nn.Sequential(block(channels, 5, short=False), nn.PReLU(width))
        inner = [layer for _ in range(blocks) for layer in (block(width, 3, short=True), nn.PReLU(width))]
        self.body = Residual(*inner)
        self.enlarge = nn.Sequential(upsample(width, channels, scale))
        self.tail = nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        return super().forward(x) + F.interpolate(x, scale_factor=self.period, mode="nearest")

    def collapse(self) -> dict[str, Any]:
        """See `Network`."""
        if self.expansion is None:
            return {}
        for parent in list(self.modules()):
            for name, child in list(parent.named_children()):
                if isinstance(child, LinearBlock):
                    setattr(parent, name, child.collapsed())
        self.expansion = None
        return {"expansion": None}

    def notes(self) -> list[str]:
        """How large it is while it learns, and how large it then is."""
        blocks = [m for m in self.modules() if isinstance(m, LinearBlock)]
        wide = sum(p.numel() for block in blocks for p in block.parameters())
        used = sum(block.project.out_channels * block.expand.weight[0].numel() for block in blocks)
        return [f"Its blocks learn with {wide:,} weights and are used with {used:,}, to the same end"] if blocks else []
