"""The gradient that reaches an image: strided convolutions print into it as transposed ones do into an output."""

from collections.abc import Callable
from math import prod

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.tasks.generation.losses import judge
from models.tasks.generation.scores import checkerboards

BATCH = 64  # images at a time
ENLARGED_IMAGES, ENLARGED = 16, 3  # how many images are enlarged, and how often: by no divisor of a period


def input_gradient(score: Callable[[Tensor], Tensor], image: Tensor) -> Tensor:
    """The gradient of the sum of `score(image)` with respect to a floating image (N, C, H, W), of the same shape.

    Works where gradients are off, as in Lightning's test.
    """
    with torch.inference_mode(False), torch.enable_grad():
        x = image.clone().requires_grad_()
        return torch.autograd.grad(score(x).sum(), x)[0]


def total_stride(network: nn.Module) -> int:
    """The product of the strides of a chain of convolutions and averages: the period of what they print into the
    gradient."""
    strides = (module.stride for module in network.modules() if isinstance(module, nn.Conv2d | nn.AvgPool2d))
    return prod(stride if isinstance(stride, int) else stride[0] for stride in strides)


def discriminator_checkerboards(
    discriminator: nn.Module, images: Tensor, labels: Tensor | None = None
) -> dict[str, float]:
    """Checkerboard measures of the gradient of a discriminator's output with respect to (N, C, S, S) uint8 images, of a
    network of classes with their labels (N, classes).

    `checkerboard/...` is of the images as they are, at the periods of which they hold ten; a DCGAN's image holds four
    of its discriminator's whole period, so `checkerboard_field/...` is of the first of them enlarged threefold, which
    a convolutional discriminator scores place by place. Each comes with `/null`, its noise floor. Nothing is
    measured of a discriminator without strides.
    """

    with torch.inference_mode(False):  # a label is kept for the gradient
        labels = None if labels is None else labels.clone()

    def gradient(x: Tensor) -> Tensor:
        parts = x.split(BATCH)
        given = [None] * len(parts) if labels is None else labels[: len(x)].split(BATCH)
        pairs = zip(parts, given, strict=True)
        return torch.cat([input_gradient(judge(discriminator, label), part) for part, label in pairs])

    x = images.float() / 127.5 - 1
    enlarged = F.interpolate(x[:ENLARGED_IMAGES], scale_factor=ENLARGED, mode="bicubic")
    return checkerboards(gradient(x), gradient(enlarged), total_stride(discriminator))
