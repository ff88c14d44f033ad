"""The gradient that reaches an image: strided convolutions print into it as transposed ones do into an output."""

from collections.abc import Callable
from math import prod

import torch
from torch import Tensor, nn


def input_gradient(score: Callable[[Tensor], Tensor], image: Tensor) -> Tensor:
    """The gradient of the sum of `score(image)` with respect to a floating image (N, C, H, W), of the same shape.

    Works where gradients are off, as in Lightning's test.
    """
    with torch.inference_mode(False), torch.enable_grad():
        x = image.clone().requires_grad_()
        return torch.autograd.grad(score(x).sum(), x)[0]


def stride(network: nn.Module) -> int:
    """The product of the strides of a chain of convolutions: the period of what they print into the gradient."""
    return prod(module.stride[0] for module in network.modules() if isinstance(module, nn.Conv2d))
