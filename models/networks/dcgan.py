"""DCGAN, whose generator enlarges by the chosen upsampler."""

from collections.abc import Callable
from math import log2
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrizations

from models.networks import network
from models.networks.interfaces import Network
from plumbing.options import Count

SIZES = (32, 64, 128)


class Generator(nn.Module):
    """Radford, Metz & Chintala, "Unsupervised Representation Learning with Deep Convolutional Generative
    Adversarial Networks" (ICLR 2016), figure 1: latents projected to 4x4, doubled up to `size`.

    BatchNorm and ReLU follow every layer but the last, which tanh follows.
    forward(z): (N, latent) standard normal to images (N, channels, size, size) in [-1, 1].
    """

    def __init__(self, channels: int, upsample: Callable[..., nn.Module], size: int, latent: int, width: int) -> None:
        super().__init__()
        doublings = round(log2(size / 4))
        widths = [width * 2**i for i in reversed(range(doublings))]
        # No bias where a norm follows.
        self.project = nn.Sequential(nn.Linear(latent, 16 * widths[0], bias=False), nn.Unflatten(1, (widths[0], 4, 4)))
        self.norms = nn.ModuleList(nn.BatchNorm2d(count) for count in widths)
        self.levels = nn.ModuleList(upsample(a, b, 2) for a, b in zip(widths, [*widths[1:], channels], strict=True))

    def forward(self, z: Tensor) -> Tensor:
        """See the class."""
        x = self.project(z)
        for norm, level in zip(self.norms, self.levels, strict=True):
            x = level(torch.relu(norm(x)))
        return x.tanh()


class Discriminator(nn.Sequential):
    """The same paper, section 3: strided convolutions, LeakyReLU of slope 0.2, BatchNorm on all but the first.

    Kernel 4 at stride 2, as in the authors' code: every input pixel is seen equally often.
    forward(x): images (N, channels, size, size) in [-1, 1] to logits (N,), higher for real.
    """

    def __init__(self, channels: int, size: int, width: int, batch_norm: bool) -> None:
        widths = [width * 2**i for i in range(round(log2(size / 4)))]
        layers: list[nn.Module] = []
        for i, (before, after) in enumerate(zip([channels, *widths], widths, strict=False)):
            norm = batch_norm and i > 0
            layers.append(nn.Conv2d(before, after, 4, stride=2, padding=1, bias=not norm))
            if norm:
                layers.append(nn.BatchNorm2d(after))
            layers.append(nn.LeakyReLU(0.2, inplace=True))
        super().__init__(*layers, nn.Conv2d(widths[-1], 1, 4), nn.Flatten(0))


@network("dcgan")
class DCGAN(Network):
    """A `generator` and a `discriminator`; `period` and `upsamplers` are the generator's.

    upsample       builds an upsampler: `functools.partial(upsample.build, "deconv")`, say
    size           of the images, 32, 64 or 128
    latent         numbers that an image is made from
    width          channels of the widest maps, next to the image, doubled at each halving (published: 128)
    batch_norm     in the discriminator: the paper's; gradient penalties need it off (Gulrajani et al., "Improved
                   Training of Wasserstein GANs", 2017, section 4)
    spectral_norm  on the weights of every layer of both, and no BatchNorm in the discriminator: Miyato et al.,
                   "Spectral Normalization for Generative Adversarial Networks" (ICLR 2018), section 2.1, and for
                   the generator Zhang et al., "Self-Attention Generative Adversarial Networks" (2019), section 4.1

    Initialised as the paper says, N(0, 0.02): the projection, every transposed convolution, the discriminator.
    Upsamplers of another kind begin as their own papers say (ICNR, nearly bilinear, ...); the norms after all but
    the last make their scale irrelevant.
    forward(z): (N, latent) to images (N, channels, size, size) in [-1, 1].
    Raises ValueError for another size, and for spectral_norm with an upsampler that has a layer of zeros.
    """

    used = "generator"

    def __init__(
        self,
        channels: int,
        upsample: Callable[..., nn.Module],
        size: Literal[32, 64, 128] = 32,
        latent: Count = 100,
        width: Count = 128,
        batch_norm: bool = True,
        spectral_norm: bool = False,
    ) -> None:
        super().__init__()
        if size not in SIZES:
            raise ValueError(f"size must be one of {', '.join(map(str, SIZES))}, not {size}")
        self.size, self.latent, self.period = size, latent, size // 4
        self.generator = Generator(channels, upsample, size, latent, width)
        self.discriminator = Discriminator(channels, size, width, batch_norm and not spectral_norm)
        self._initialise()
        if spectral_norm:
            self._normalise_spectra()

    def _initialise(self) -> None:
        for part, kinds in ((self.generator, (nn.ConvTranspose2d, nn.Linear)), (self.discriminator, (nn.Conv2d,))):
            for module in part.modules():
                if isinstance(module, kinds):
                    for parameter in module.parameters():  # also those behind a parametrisation (balanced=true)
                        _ = nn.init.zeros_(parameter) if parameter.ndim == 1 else nn.init.normal_(parameter, std=0.02)

    def _normalise_spectra(self) -> None:
        for name, module in list(self.named_modules()):
            if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
                if not module.weight.is_meta and not module.weight.any():  # on meta weights have shapes alone
                    raise ValueError(
                        f"spectral_norm=true cannot scale {name}: this upsampler starts it at zero; "
                        "choose another upsampler, or options without that layer"
                    )
                parametrizations.spectral_norm(module)

    def upsamplers(self) -> list[nn.Module]:
        """The upsamplers of the generator, coarse to fine."""
        return list(self.generator.levels)

    def forward(self, z: Tensor) -> Tensor:
        """See the class."""
        return self.generator(z)
