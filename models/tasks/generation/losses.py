"""What a discriminator and a generator minimise against each other, and the penalties on a discriminator's slope.

Scores are a discriminator's outputs, any shape, unbounded: high for real images.
"""

from collections.abc import Callable
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

# name -> (of the discriminator, given scores of real and of generated images; of the generator, given the latter)
LOSSES: dict[str, tuple[Callable[[Tensor, Tensor], Tensor], Callable[[Tensor], Tensor]]] = {
    # Goodfellow et al., "Generative adversarial nets" (2014), section 3: the non-saturating form.
    "bce": (
        lambda real, fake: F.softplus(-real).mean() + F.softplus(fake).mean(),
        lambda fake: F.softplus(-fake).mean(),
    ),
    # Lim & Ye, "Geometric GAN" (2017); Miyato et al., "Spectral normalization" (2018), equations 16 and 17.
    "hinge": (
        lambda real, fake: F.relu(1 - real).mean() + F.relu(1 + fake).mean(),
        lambda fake: -fake.mean(),
    ),
    # Gulrajani et al., "Improved training of Wasserstein GANs" (2017), algorithm 1; the penalty is added apart.
    "wgan_gp": (
        lambda real, fake: fake.mean() - real.mean(),
        lambda fake: -fake.mean(),
    ),
}


def judge(discriminator: nn.Module, label: Tensor | None) -> Callable[[Tensor], Tensor]:
    """What scores images (N, C, H, W): the discriminator, of a network of classes for these labels (N, classes)."""
    return discriminator if label is None else partial(discriminator, label=label)


def _slopes(discriminator: Callable[[Tensor], Tensor], images: Tensor) -> Tensor:
    """(N, C*H*W): the gradient of each image's score by its pixels, itself differentiable. In float32 throughout."""
    with torch.autocast(images.device.type, enabled=False):
        images = images.detach().float().requires_grad_()
        (slope,) = torch.autograd.grad(discriminator(images).sum(), images, create_graph=True)
    return slope.flatten(1)


def gradient_penalty(discriminator: Callable[[Tensor], Tensor], real: Tensor, fake: Tensor, share: Tensor) -> Tensor:
    """Mean of (|slope| - 1)**2 at `share * real + (1 - share) * fake`, a scalar.

    real, fake (N, C, H, W) floating; share (N, 1, 1, 1) uniform in [0, 1]. Gulrajani et al. (2017), equation 3,
    before its factor lambda.
    """
    norm = _slopes(discriminator, share * real + (1 - share) * fake).norm(dim=1)
    return (norm - 1).square().mean()


def r1(discriminator: Callable[[Tensor], Tensor], real: Tensor) -> Tensor:
    """Half the mean of |slope|**2 at real images (N, C, H, W), a scalar.

    Mescheder et al., "Which training methods for GANs do actually converge?" (2018), equation 9, before its gamma.
    """
    return _slopes(discriminator, real).square().sum(1).mean() / 2
