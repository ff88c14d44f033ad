"""Exact algebra of transposed convolutions, phase by phase.

Input pixel i and tap k of a transposed convolution meet at output pixel s*i + d*k - p, so tap k
always lands on output phase (d*k - p) mod s, whatever the weights. Everything below follows.
"""

from dataclasses import dataclass
from math import gcd


@dataclass(frozen=True)
class Overlap:
    """How the taps of a square kernel share out over the output phases of one axis."""

    taps: tuple[int, ...]  # per phase (d*k mod s), before padding shifts the phases
    variation: float  # coefficient of variation of the 2-D overlap count over the s*s phases
    hole_fraction: float  # share of output pixels (2-D) that no tap reaches: they hold only the bias

    @property
    def even(self) -> bool:
        """True where every output pixel is reached by the same number of taps, and at least one."""
        return len(set(self.taps)) == 1 and self.taps[0] > 0


def overlap(kernel_size: int, stride: int, dilation: int = 1) -> Overlap:
    """Count the taps that reach each output phase of a transposed convolution.

    Even exactly when gcd(stride, dilation) = 1 and stride divides kernel_size. With
    g = gcd(stride, dilation) > 1 only the phases that g divides get anything.

    >>> overlap(4, 2).taps, overlap(3, 2).taps, overlap(3, 2, dilation=2).hole_fraction
    ((2, 2), (2, 1), 0.75)
    """
    taps = [0] * stride
    for k in range(kernel_size):
        taps[dilation * k % stride] += 1
    # The 2-D count is an outer product, so its relative second moment is the 1-D one squared.
    mean = kernel_size / stride
    second = sum(t * t for t in taps) / stride / mean**2
    reached = sum(t > 0 for t in taps) / stride
    return Overlap(tuple(taps), (second**2 - 1) ** 0.5, 1 - reached**2)


def padding_for(kernel_size: int, stride: int, dilation: int = 1) -> tuple[int, int]:
    """(padding, output_padding) that make the output exactly stride times the input.

    The output is centred on the input's pixels when output_padding is 0, that is when
    dilation*(kernel_size-1) + 1 - stride is even and not negative.
    """
    excess = dilation * (kernel_size - 1) + 1 - stride
    if excess < 0:
        return 0, -excess
    padding = (excess + 1) // 2
    return padding, 2 * padding - excess


def even_settings(kernel_size: int, stride: int, dilation: int = 1, count: int = 3) -> list[tuple[int, int]]:
    """The `count` (kernel_size, dilation) pairs nearest to the given ones that are even, hole-free and centred."""
    found = [
        (k, d)
        for k in range(stride, kernel_size + 3 * stride + 1, stride)
        for d in range(1, dilation + stride + 2)
        if gcd(stride, d) == 1 and padding_for(k, stride, d)[1] == 0
    ]
    return sorted(found, key=lambda kd: (abs(kd[0] - kernel_size) + abs(kd[1] - dilation), kd))[:count]
