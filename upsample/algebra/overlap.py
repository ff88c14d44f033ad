"""How many kernel taps reach each output phase, from kernel_size, stride and dilation alone.

Input pixel i and tap k of a transposed convolution meet at output pixel s*i + d*k - p, so tap k
always lands on output phase (d*k - p) mod s, whatever the weights.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import gcd

Setting = int | Sequence[int]  # one number for both axes of an image, or one for each axis


@dataclass(frozen=True)
class Overlap:
    """How the taps of a kernel share out over the output phases."""

    taps: tuple[tuple[int, ...], ...]  # per axis and phase (d*k mod s), before padding shifts the phases
    variation: float  # coefficient of variation of the overlap count over all phases
    hole_fraction: float  # share of output pixels that no tap reaches: they hold only the bias

    @property
    def even(self) -> bool:
        """True where every output pixel is reached by the same number of taps, and at least one."""
        return all(len(set(axis)) == 1 and axis[0] > 0 for axis in self.taps)


def overlap(kernel_size: Setting, stride: Setting, dilation: Setting = 1) -> Overlap:
    """Count the taps that reach each output phase of a transposed convolution of any number of axes.

    Whole numbers alone mean a square kernel on images; with a sequence for any of the three, its length is
    the number of axes. An axis is even exactly when gcd(stride, dilation) = 1 and stride divides kernel_size.
    With g = gcd(stride, dilation) > 1 only the phases that g divides get anything.
    Raises ValueError for settings below 1 or sequences of different lengths.

    >>> overlap(4, 2).taps, overlap(3, 2).taps, overlap(3, 2, dilation=2).hole_fraction
    (((2, 2), (2, 2)), ((2, 1), (2, 1)), 0.75)
    >>> overlap((2, 3, 3), (1, 2, 2)).taps
    ((2,), (2, 1), (2, 1))
    """
    taps, second, reached = [], 1.0, 1.0
    for k, s, d in zip(*per_axis(kernel_size, stride, dilation), strict=True):
        axis = [0] * s
        for tap in range(k):
            axis[d * tap % s] += 1
        taps.append(tuple(axis))
        # The count is an outer product over the axes, so its relative second moment is the product of theirs.
        second *= sum(t * t for t in axis) * s / k**2
        reached *= sum(t > 0 for t in axis) / s
    return Overlap(tuple(taps), max(0.0, second - 1) ** 0.5, 1 - reached)


def per_axis(*settings: Setting) -> list[tuple[int, ...]]:
    """Each setting as one whole number per axis; numbers alone are those of two axes."""
    lengths = {len(setting) for setting in settings if not isinstance(setting, int)} or {2}
    axes = max(lengths)
    found = [(setting,) * axes if isinstance(setting, int) else tuple(setting) for setting in settings]
    if len(lengths) > 1 or min(min(values, default=0) for values in found) < 1:
        raise ValueError(
            "kernel_size, stride and dilation are whole numbers of at least 1, or as many of them as the layer has "
            f"axes, not {', '.join(map(str, settings))}"
        )
    return found


def padding_for(kernel_size: int, stride: int, dilation: int = 1) -> tuple[int, int]:
    """(padding, output_padding) of one axis that make the output exactly stride times the input.

    The output is centred on the input's pixels when output_padding is 0, that is when
    dilation*(kernel_size-1) + 1 - stride is even and not negative.
    """
    excess = dilation * (kernel_size - 1) + 1 - stride
    if excess < 0:
        return 0, -excess
    padding = (excess + 1) // 2
    return padding, 2 * padding - excess


def even_settings(kernel_size: int, stride: int, dilation: int = 1, count: int = 3) -> list[tuple[int, int]]:
    """The `count` (kernel_size, dilation) pairs of one axis nearest to the given that are even, hole-free and centred.

    An axis of stride 1 is even as it is.
    """
    found = [
        (k, d)
        for k in range(stride, kernel_size + 3 * stride + 1, stride)
        for d in range(1, dilation + stride + 2)
        if gcd(stride, d) == 1 and padding_for(k, stride, d)[1] == 0
    ]
    return sorted(found, key=lambda kd: (abs(kd[0] - kernel_size) + abs(kd[1] - dilation), kd))[:count]
