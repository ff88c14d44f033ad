"""SNGAN: a residual generator, which enlarges by the chosen upsampler, and a discriminator of normalised spectra."""

from collections.abc import Callable
from itertools import pairwise
from math import sqrt
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.networks import network
from models.networks.adversarial import (
    COARSE,
    Adversarial,
    Generator,
    Projection,
    Size,
    doublings,
    norm_of,
    normalise_spectra,
    normed,
)
from plumbing.options import Count


class Enlarging(nn.Module):
    """A block that doubles: norm, ReLU, the chosen upsampler, norm, ReLU, 3x3 convolution; added to the input, its
    channels mixed, enlarged by nearest neighbours. With resize_conv it is the published one.

    forward(x, label): (N, in_channels, H, W) and a label or None to (N, out_channels, 2*H, 2*W)
    """

    def __init__(
        self, in_channels: int, out_channels: int, upsample: Callable[..., nn.Module], classes: int | None
    ) -> None:
        super().__init__()
        self.norms = nn.ModuleList(norm_of(count, classes) for count in (in_channels, out_channels))
        self.enlarge = upsample(in_channels, out_channels, 2)
        self.conv = nn.Conv2d(out_channels, out_channels, 3, padding=1)
        self.mix = nn.Conv2d(in_channels, out_channels, 1)

    def forward(self, x: Tensor, label: Tensor | None) -> Tensor:
        """See the class."""
        first, second = self.norms
        y = self.enlarge(torch.relu(normed(first, x, label)))
        y = self.conv(torch.relu(normed(second, y, label)))
        return y + F.interpolate(self.mix(x), scale_factor=2, mode="nearest")


class SNGANGenerator(Generator):
    """Latents projected to 4x4, doubled by `Enlarging` up to the size; then norm, ReLU, 3x3 convolution and tanh.

    widths  of the coarse map and of what each block makes
    """

    def __init__(
        self, channels: int, upsample: Callable[..., nn.Module], widths: list[int], latent: int, classes: int | None
    ) -> None:
        super().__init__(latent, classes)
        self.project = nn.Sequential(
            nn.Linear(latent, COARSE**2 * widths[0]), nn.Unflatten(1, (widths[0], COARSE, COARSE))
        )
        self.blocks = nn.ModuleList(Enlarging(a, b, upsample, classes) for a, b in pairwise(widths))
        self.norm = nn.BatchNorm2d(widths[-1])
        self.last = nn.Conv2d(widths[-1], channels, 3, padding=1)

    def enlarged(self, coarse: Tensor, label: Tensor | None) -> Tensor:
        """See `Generator`."""
        x = coarse
        for block in self.blocks:
            x = block(x, label)
        return self.last(torch.relu(self.norm(x))).tanh()


class Reducing(nn.Module):
    """A block of the discriminator: twice ReLU and 3x3 convolution, added to the input and, if it halves, averaged.

    first  whether it sees the image, on which it then has no ReLU
    forward(x): (N, in_channels, H, W) to (N, out_channels, H, W) or, halved, (N, out_channels, H/2, W/2)
    """

    def __init__(self, in_channels: int, out_channels: int, halve: bool = True, first: bool = False) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Identity() if first else nn.ReLU(),
            nn.Conv2d(in_channels, out_channels, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(out_channels, out_channels, 3, padding=1),
        )
        # An average of four and a mix of channels may change places: so both ways are halved as one.
        self.mix = nn.Conv2d(in_channels, out_channels, 1) if halve or in_channels != out_channels else nn.Identity()
        self.halve = nn.AvgPool2d(2) if halve else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        return self.halve(self.layers(x) + self.mix(x))


class Summed(nn.Module):
    """The sum over the pixels: (N, C, H, W) to (N, C)."""

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        return x.sum((2, 3))


@network("sngan")
class SNGAN(Adversarial):
    """Miyato et al., "Spectral Normalization for Generative Adversarial Networks" (ICLR 2018), appendix B: at 32 pixels
    the residual networks of its table 4, for CIFAR-10; at 128 those of its table 5, for ImageNet, and at 64 these with
    one doubling less.

    upsample  builds an upsampler: `functools.partial(upsample.build, "resize_conv")`, say, which is as published
    width     channels of the generator's maps at 32 pixels (published: 256), of which the discriminator has half;
              above, channels next to the image of both (published: 64), doubled at each halving

    Spectra are normalised in the discriminator, as there. Weights begin as in the authors' code: Glorot's, in the
    blocks' 3x3 convolutions with gain sqrt(2); upsamplers begin as their own papers say, and the norm after them makes
    their scale irrelevant. With classes the blocks' norms are conditional, and the discriminator projects.
    size, latent (published: 128), classes, forward: as of `Adversarial`. Raises ValueError for another size.
    """

    def __init__(
        self,
        channels: int,
        upsample: Callable[..., nn.Module],
        size: Size = 32,
        latent: Count = 128,
        width: Count = 256,
        classes: Literal["auto"] | Count | None = None,
    ) -> None:
        super().__init__(size, latent, classes)
        if size == 32:
            growing, shrinking, flat = [width] * 4, [max(1, width // 2)] * 2, 2
        else:
            shrinking, flat = [width * 2**i for i in range(doublings(size))], 1
            growing = [shrinking[-1], *reversed(shrinking)]
        deepest = shrinking[-1]
        self.generator = SNGANGenerator(channels, upsample, growing, latent, self.classes)
        ends = zip([channels, *shrinking], shrinking, strict=False)
        halving = [Reducing(a, b, first=i == 0) for i, (a, b) in enumerate(ends)]
        features = [*halving, *(Reducing(deepest, deepest, halve=False) for _ in range(flat)), nn.ReLU()]
        score = nn.Sequential(Summed(), nn.Linear(deepest, 1))
        if self.classes is None:
            self.discriminator = nn.Sequential(*features, *score, nn.Flatten(0))
        else:
            self.discriminator = Projection(nn.Sequential(*features), score, deepest, self.classes)
        self._initialise()
        normalise_spectra(self.discriminator)

    def _initialise(self) -> None:
        blocks = [m for m in self.modules() if isinstance(m, Enlarging | Reducing)]
        strong = {
            m for block in blocks for m in block.modules() if isinstance(m, nn.Conv2d) and m.kernel_size == (3, 3)
        }
        own = {m for level in self.upsamplers() for m in level.modules()}
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.Linear) and module not in own:
                nn.init.xavier_uniform_(module.weight, sqrt(2) if module in strong else 1)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    def upsamplers(self) -> list[nn.Module]:
        """The upsamplers of the generator, coarse to fine."""
        return [m.enlarge for m in self.generator.modules() if isinstance(m, Enlarging)]
