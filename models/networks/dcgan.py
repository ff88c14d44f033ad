"""DCGAN, whose generator enlarges by the chosen upsampler."""

from collections.abc import Callable
from typing import Literal

import torch
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


class DCGANGenerator(Generator):
    """Radford, Metz & Chintala, "Unsupervised Representation Learning with Deep Convolutional Generative
    Adversarial Networks" (ICLR 2016), figure 1: latents projected to 4x4, doubled up to `size`.

    BatchNorm and ReLU follow every layer but the last, which tanh follows.
    """

    def __init__(
        self,
        channels: int,
        upsample: Callable[..., nn.Module],
        size: int,
        latent: int,
        width: int,
        classes: int | None,
    ) -> None:
        super().__init__(latent, classes)
        widths = [width * 2**i for i in reversed(range(doublings(size)))]
        # No bias where a norm follows.
        self.project = nn.Sequential(
            nn.Linear(latent, COARSE**2 * widths[0], bias=False), nn.Unflatten(1, (widths[0], COARSE, COARSE))
        )
        self.norms = nn.ModuleList(norm_of(count, classes) for count in widths)
        self.levels = nn.ModuleList(upsample(a, b, 2) for a, b in zip(widths, [*widths[1:], channels], strict=True))

    def enlarged(self, coarse: Tensor, label: Tensor | None) -> Tensor:
        """See `Generator`."""
        x = coarse
        for norm, level in zip(self.norms, self.levels, strict=True):
            x = level(torch.relu(normed(norm, x, label)))
        return x.tanh()


class DCGANDiscriminator(nn.Sequential):
    """The same paper, section 3: strided convolutions, LeakyReLU of slope 0.2, BatchNorm on all but the first.

    Kernel 4 at stride 2, as in the authors' code: every input pixel is seen equally often.
    forward(x): images (N, channels, size, size) in [-1, 1] to logits (N,), higher for real.
    """

    def __init__(self, channels: int, size: int, width: int, batch_norm: bool) -> None:
        widths = [width * 2**i for i in range(doublings(size))]
        layers: list[nn.Module] = []
        for i, (before, after) in enumerate(zip([channels, *widths], widths, strict=False)):
            norm = batch_norm and i > 0
            layers.append(nn.Conv2d(before, after, 4, stride=2, padding=1, bias=not norm))
            if norm:
                layers.append(nn.BatchNorm2d(after))
            layers.append(nn.LeakyReLU(0.2, inplace=True))
        super().__init__(*layers, nn.Conv2d(widths[-1], 1, 4), nn.Flatten(0))


@network("dcgan")
class DCGAN(Adversarial):
    """DCGAN's generator and discriminator.

    upsample       builds an upsampler: `functools.partial(upsample.build, "deconv")`, say
    width          channels of the widest maps, next to the image, doubled at each halving (published: 128)
    batch_norm     in the discriminator: the paper's; gradient penalties need it off (Gulrajani et al., "Improved
                   Training of Wasserstein GANs", 2017, section 4)
    spectral_norm  on the weights of every layer of both, and no BatchNorm in the discriminator: Miyato et al.,
                   "Spectral Normalization for Generative Adversarial Networks" (ICLR 2018), section 2.1, and for
                   the generator Zhang et al., "Self-Attention Generative Adversarial Networks" (2019), section 4.1

    Initialised as the paper says, N(0, 0.02): the projection, every transposed convolution, the discriminator.
    Upsamplers of another kind begin as their own papers say (ICNR, nearly bilinear, ...); the norms after all but
    the last make their scale irrelevant. With classes the generator's norms are conditional, and the discriminator
    projects (`ConditionalNorm`, `Projection`).
    size, latent, classes, forward: as of `Adversarial`. Raises ValueError for another size, and for spectral_norm with
    an upsampler that has a layer of zeros.
    """

    generator: DCGANGenerator

    def __init__(
        self,
        channels: int,
        upsample: Callable[..., nn.Module],
        size: Size = 32,
        latent: Count = 100,
        width: Count = 128,
        classes: Literal["auto"] | Count | None = None,
        batch_norm: bool = True,
        spectral_norm: bool = False,
    ) -> None:
        super().__init__(size, latent, classes)
        self.generator = DCGANGenerator(channels, upsample, size, latent, width, self.classes)
        self.discriminator = DCGANDiscriminator(channels, size, width, batch_norm and not spectral_norm)
        if self.classes is not None:
            *features, score, _ = self.discriminator
            deepest = width * 2 ** (doublings(size) - 1)
            self.discriminator = Projection(nn.Sequential(*features), score, deepest, self.classes)
        self._initialise()
        if spectral_norm:
            normalise_spectra(self)

    def _initialise(self) -> None:
        for part, kinds in (
            (self.generator, (nn.ConvTranspose2d, nn.Linear)),
            (self.discriminator, (nn.Conv2d, nn.Linear)),
        ):
            for module in part.modules():
                if isinstance(module, kinds):
                    for parameter in module.parameters():  # also those behind a parametrisation (balanced=true)
                        _ = nn.init.zeros_(parameter) if parameter.ndim == 1 else nn.init.normal_(parameter, std=0.02)

    def upsamplers(self) -> list[nn.Module]:
        """The upsamplers of the generator, coarse to fine."""
        return list(self.generator.levels)
