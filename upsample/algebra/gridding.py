"""Receptive field and gridding of a stack of dilated convolutions."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Gridding:
    """What one output pixel of a stack of convolutions sees."""

    receptive_field: int  # input pixels per axis, from the first seen to the last
    counts: Tensor  # (receptive_field, receptive_field) int64: paths from each input pixel to the output pixel
    covered: float  # share of those input pixels that are seen at all; below 1 the stack is gridded


def gridding(layers: Sequence[tuple[int, int] | tuple[int, int, int]]) -> Gridding:
    """Which input pixels one output pixel sees through square convolutions, and how often.

    layers: (kernel_size, dilation) or (kernel_size, dilation, stride) of each, input side first.
    Dilations with a common factor leave a grid of pixels that nothing sees, however deep the stack:
    Wang et al., "Understanding Convolution for Semantic Segmentation" (WACV 2018), section 3.2, whose
    hybrid dilated convolution (such as dilations 1, 2, 5 for kernel 3) covers all of them.
    Raises ValueError for an empty stack or a setting below 1.

    >>> grid, hybrid = gridding([(3, 2), (3, 2), (3, 2)]), gridding([(3, 1), (3, 2), (3, 3)])
    >>> grid.receptive_field, round(grid.covered, 2), hybrid.receptive_field, hybrid.covered
    (13, 0.29, 13, 1.0)
    """
    if not layers or min(min(layer) for layer in layers) < 1:
        raise ValueError(f"gridding needs at least one layer and settings of at least 1, not {list(layers)}")
    paths = torch.ones(1, dtype=torch.int64)
    jump = 1  # input pixels between neighbouring pixels of the layer's input
    for kernel_size, dilation, *stride in layers:
        apart = jump * dilation
        longer = torch.zeros(len(paths) + apart * (kernel_size - 1), dtype=torch.int64)
        for tap in range(kernel_size):
            longer[apart * tap : apart * tap + len(paths)] += paths
        paths = longer
        jump *= stride[0] if stride else 1
    counts = torch.outer(paths, paths)
    return Gridding(len(paths), counts, (counts > 0).double().mean().item())
