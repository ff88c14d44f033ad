"""What a window sees beyond the border."""

import torch
from torch import Tensor


def replicate(x: Tensor, before: int, after: int) -> Tensor:
    """Repeat the ends of (N, C, *size) along each axis: of an image, `before` times above and left, `after` times below
    and right.

    F.pad(mode="replicate") computes the same, but compiled its backward pass fails on a
    channels_last x (torch 2.15: the traced strides are not those of the kernel).
    """
    for dim in range(2, x.dim()):
        first, last = x.narrow(dim, 0, 1), x.narrow(dim, x.shape[dim] - 1, 1)
        x = torch.cat([*[first] * before, x, *[last] * after], dim)
    return x
