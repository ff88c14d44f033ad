"""Weights whose kernel sums are the same for every output phase, before, during and after training.

On a constant input an output pixel is the sum of the taps that reach its phase, so layers with
these weights answer a constant with a constant and cannot print a checkerboard there. The
projection adds to every tap of phase r the same amount, (mean S - S_r) / n_r, with S_r the sum of
the n_r taps of that phase: the parameters stay free and the optimiser never sees the constraint.

The stored parameter moves to `parametrizations.weight.original`; call
`torch.nn.utils.parametrize.remove_parametrizations(layer, "weight")` to bake the projection in.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import parametrize

from upsample.algebra.phases import overlap


class BalancedTaps(nn.Module):
    """Projects the weight (in, out, k, k) of a transposed convolution onto equal phase sums.

    Taps k and k' reach the same output phase when stride divides k - k': without holes the dilation
    shares no factor with the stride, so it permutes the phases and changes nothing else.
    """

    taps: Tensor  # (stride, 1, stride): how many taps reach each phase

    def __init__(self, kernel_size: int, stride: int) -> None:
        super().__init__()
        self.stride, self.missing = stride, -kernel_size % stride  # taps short of a multiple of stride
        axis = torch.tensor([float(len(range(r, kernel_size, stride))) for r in range(stride)])
        self.register_buffer("taps", axis[:, None, None] * axis, persistent=False)

    def forward(self, weight: Tensor) -> Tensor:
        split = (-1, self.stride)
        periods = F.pad(weight, [0, self.missing, 0, self.missing]).unflatten(3, split).unflatten(2, split)
        sums = periods.sum((2, 4), keepdim=True)  # (in, out, 1, stride, 1, stride)
        correction = (sums.mean((3, 5), keepdim=True) - sums) / self.taps
        tiled = correction.expand_as(periods).flatten(4, 5).flatten(2, 3)
        return weight + tiled[:, :, : weight.shape[2], : weight.shape[3]]

    def right_inverse(self, weight: Tensor) -> Tensor:
        """What assigning to the layer's weight stores: the projection is taken when it is read."""
        return weight


class BalancedShuffle(nn.Module):
    """The same for a convolution whose channels a pixel shuffle deals out: weight (C*phases, in, k, k).

    On its bias (C*phases,), one tap per phase, this is the mean over the phases: the bias is tied.
    """

    def __init__(self, phases: int) -> None:
        super().__init__()
        self.phases = phases

    def forward(self, weight: Tensor) -> Tensor:
        taps = weight.unflatten(0, (-1, self.phases)).unsqueeze(-1)
        taps = taps.flatten(3) if weight.dim() == 4 else taps
        mean = taps.mean(-1, keepdim=True)
        return (taps + (mean.mean(1, keepdim=True) - mean)).reshape(weight.shape)

    def right_inverse(self, weight: Tensor) -> Tensor:
        """What assigning to the layer's weight stores: the projection is taken when it is read."""
        return weight


def balance_transposed(conv: nn.ConvTranspose2d) -> None:
    """Keep the phase sums of a square transposed convolution equal from now on (torch.nn.utils.parametrize).

    Raises ValueError where some phase has no tap that could be corrected.
    """
    kernel_size, stride, dilation = conv.kernel_size[0], conv.stride[0], conv.dilation[0]
    if overlap(kernel_size, stride, dilation).hole_fraction:
        raise ValueError(
            f"balanced=true needs a kernel without holes, but kernel_size={kernel_size}, dilation={dilation} at "
            f"stride {stride} reaches only some output phases; use kernel_size >= {stride} with a dilation that "
            f"shares no factor with {stride}"
        )
    parametrize.register_parametrization(conv, "weight", BalancedTaps(kernel_size, stride))


def balance_shuffle(conv: nn.Conv2d, scale: int) -> None:
    """Keep equal phase sums, and a tied bias, in a convolution that a pixel shuffle by `scale` follows."""
    parametrize.register_parametrization(conv, "weight", BalancedShuffle(scale**2))
    if conv.bias is not None:
        parametrize.register_parametrization(conv, "bias", BalancedShuffle(scale**2))
