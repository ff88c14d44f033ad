"""What pairs of a generator and a discriminator share, and how classes of images come into both."""

from math import log2
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrizations

from models.networks.interfaces import Network

Size = Literal[32, 64, 128]
COARSE = 4  # pixels a side of the map that an image grows from


class Generator(nn.Module):
    """Makes images of noise: projects it to a coarse map, which it enlarges.

    latent   numbers of noise that an image is made from
    classes  of images, one of which is asked for; None: none is
    forward(z): (N, latent) of standard normal noise, with classes (N, latent + classes), behind the noise 1 for the
    class and 0 for the others ("one-hot"), to images (N, channels, size, size) in [-1, 1].
    """

    project: nn.Module  # (N, latent) to (N, C, COARSE, COARSE)

    def __init__(self, latent: int, classes: int | None) -> None:
        super().__init__()
        self.latent, self.classes = latent, classes

    def forward(self, z: Tensor) -> Tensor:
        """See the class."""
        noise, label = self.parted(z)
        return self.enlarged(self.project(noise), label)

    def parted(self, z: Tensor) -> tuple[Tensor, Tensor | None]:
        """The noise in what it takes, and the label behind it, None where it has no classes."""
        return (z, None) if self.classes is None else (z[:, : self.latent], z[:, self.latent :])

    def enlarged(self, coarse: Tensor, label: Tensor | None) -> Tensor:
        """What it makes of coarse maps (N, C, h, w), with classes of one label (N, classes) each: (N, channels,
        h * size / COARSE, w * size / COARSE) in [-1, 1]."""
        raise NotImplementedError


class ConditionalNorm(nn.Module):
    """BatchNorm with a scale and a shift for each class: Dumoulin et al., "A Learned Representation for Artistic Style"
    (ICLR 2017), equation 5; in GANs Miyato & Koyama, "cGANs with Projection Discriminator" (ICLR 2018), section 5.

    forward(x, label): (N, channels, H, W) and (N, classes), one-hot, to (N, channels, H, W). A label of shares mixes
    the classes' scales and shifts.
    """

    def __init__(self, channels: int, classes: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(channels, affine=False)
        self.scale, self.shift = (nn.Parameter(torch.full((classes, channels), value)) for value in (1.0, 0.0))

    def forward(self, x: Tensor, label: Tensor) -> Tensor:
        """See the class."""
        scale, shift = ((label @ table)[..., None, None] for table in (self.scale, self.shift))
        return self.norm(x) * scale + shift


def one_hot(labels: Tensor, classes: int) -> Tensor:
    """The numbers of classes (N,) int64 as rows of 0 with a 1 in the place of the class, (N, classes) float32. Raises
    IndexError beyond the classes. Unlike torch's, it does not wait for an accelerator to see that."""
    return torch.eye(classes, device=labels.device)[labels]


def labelled(noise: Tensor, labels: Tensor, classes: int) -> Tensor:
    """What a generator of classes takes: noise (N, latent) or grids of it (N, latent, g, h), and behind it the classes
    that are asked for, by their numbers (N,) int64: (N, latent + classes) or (N, latent + classes, g, h)."""
    label = one_hot(labels, classes).to(noise)[(..., *[None] * (noise.ndim - 2))]
    return torch.cat([noise, label.expand(*label.shape[:2], *noise.shape[2:])], 1)


def norm_of(channels: int, classes: int | None) -> nn.Module:
    """A generator's norm: BatchNorm, with classes one of a scale and a shift each."""
    return nn.BatchNorm2d(channels) if classes is None else ConditionalNorm(channels, classes)


def normed(norm: nn.Module, x: Tensor, label: Tensor | None) -> Tensor:
    """What a norm of `norm_of` makes of maps."""
    return norm(x) if label is None else norm(x, label)


class Projection(nn.Module):
    """A discriminator that looks whether an image is real and of its class: Miyato & Koyama (ICLR 2018), equation 3.

    To the score is added the inner product of the class's embedding with the features, summed over the pixels as there.
    features  images to maps (N, channels, h, w); score: those to numbers of each image, which are summed
    forward(x, label): images in [-1, 1] and (N, classes), one-hot, to logits (N,), higher for real.
    """

    def __init__(self, features: nn.Module, score: nn.Module, channels: int, classes: int) -> None:
        super().__init__()
        self.features, self.score = features, score
        self.embed = nn.Linear(classes, channels, bias=False)

    def forward(self, x: Tensor, label: Tensor) -> Tensor:
        """See the class."""
        maps = self.features(x)
        return self.score(maps).view(len(x), -1).sum(1) + (self.embed(label) * maps.sum((2, 3))).sum(1)


class Adversarial(Network):
    """A `generator` and a `discriminator`; `period` and `upsamplers` are the generator's.

    size     of the images, 32, 64 or 128 pixels a side
    latent   numbers that an image is made from
    classes  of images, one of which is asked for: a number or, of a configuration, "auto", as many as the data have;
             None: any image is as good
    forward(z): as of `Generator`. Raises ValueError for another size, and for "auto", which `models.build` replaces.
    """

    used = "generator"
    generator: Generator
    discriminator: nn.Module

    def __init__(self, size: Size, latent: int, classes: Literal["auto"] | int | None) -> None:
        super().__init__()
        if size not in (32, 64, 128):
            raise ValueError(f"size must be one of 32, 64, 128, not {size}")
        if classes == "auto":
            raise ValueError("classes=auto is as many as data have, and there are none here; give their number")
        self.size, self.latent, self.classes, self.period = size, latent, classes, size // COARSE

    def forward(self, z: Tensor) -> Tensor:
        """See the class."""
        return self.generator(z)


def doublings(size: int) -> int:
    """How often a coarse map is doubled to have the size of an image."""
    return round(log2(size / COARSE))


def normalise_spectra(network: nn.Module) -> None:
    """Keep the largest singular value of every layer's weights at 1: Miyato et al., "Spectral Normalization for
    Generative Adversarial Networks" (ICLR 2018), section 2.1. Raises ValueError for a layer of zeros."""
    for name, module in list(network.named_modules()):
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
            if not module.weight.is_meta and not module.weight.any():  # on meta weights have shapes alone
                raise ValueError(
                    f"spectral_norm=true cannot scale {name}: this upsampler starts it at zero; "
                    "choose another upsampler, or options without that layer"
                )
            parametrizations.spectral_norm(module)
