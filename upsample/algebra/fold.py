"""Nearest-neighbour resize and a convolution, folded into one transposed convolution.

Every output pixel of the pair sees each input pixel through up to scale**2 kernel taps, whose sum is
all that matters. Along one axis the pair's taps w[j] on a fine pixel scale*i + a, for a = 0..scale-1,
reach output pixel scale*i + a - j + (k-1)/2. That is a transposed convolution with stride scale,
padding (k-1)/2 and the k+scale-1 taps

    W[t] = sum over a of w[a + k - 1 - t],

the kernel turned by 180 degrees and convolved with a box of width scale. With zero padding this is
exact up to the border. It costs (k+scale-1)**2 / scale**2 instead of k**2 MACs per output pixel and
channel pair (scale 2, kernel 3: 4 instead of 9) and never makes the enlarged input.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn


def fold_kernel(weight: Tensor, scale: int | Sequence[int]) -> Tensor:
    """The transposed convolution's weight (in, out, k+scale-1, ...) from the convolution's (out, in, k, ...).

    Of any number of axes; scale is one number for all, or one for each.
    """
    k, axes = weight.shape[-1], weight.dim() - 2
    for axis, s in enumerate([scale] * axes if isinstance(scale, int) else scale, 2):
        w = [weight.select(axis, j) for j in range(k)]
        # Slices added up, since kernels have few taps but many channels: a pooling takes four times as long.
        reach = [w[max(0, k - 1 - t) : k - 1 - t + s] for t in range(k + s - 1)]
        weight = torch.stack([sum(taps[1:], start=taps[0]) for taps in reach], axis)
    return weight.transpose(0, 1)


def fold(conv: nn.Conv2d, scale: int) -> nn.ConvTranspose2d:
    """One layer that computes `conv` after a nearest-neighbour resize by `scale`: for export, or for any model.

    Raises ValueError unless conv has stride 1, dilation 1, one group, a square odd kernel and zero
    padding that keeps the size.
    """
    k = conv.kernel_size[0]
    same = nn.Conv2d(conv.in_channels, conv.out_channels, k, padding=k // 2, device="meta")
    fixed = ("kernel_size", "stride", "padding", "dilation", "groups", "padding_mode")
    if k % 2 == 0 or any(getattr(conv, name) != getattr(same, name) for name in fixed):
        raise ValueError(
            f"only a convolution with stride 1, dilation 1, one group, a square odd kernel and zero padding of "
            f"(kernel_size-1)/2 folds with a resize, not {conv}"
        )
    weight, bias = conv.weight, conv.bias
    folded = nn.ConvTranspose2d(
        conv.in_channels,
        conv.out_channels,
        k + scale - 1,
        scale,
        k // 2,
        bias=bias is not None,
        device=weight.device,
        dtype=weight.dtype,
    )
    with torch.no_grad():
        folded.weight.copy_(fold_kernel(weight, scale))
        if bias is not None and folded.bias is not None:
            folded.bias.copy_(bias)
    return folded
