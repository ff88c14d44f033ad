"""Patterns that repeat with a period, as the harmonics they are made of, each under its own period.

A pattern of period p has its power at the frequencies (k1/p, k2/p). Those nest: the multiples of 1/2 are multiples of
1/4 and of 1/8 as well. The harmonics *exclusive* to a period q are those that have no shorter period, where
gcd(k1, k2, q) = 1. Every harmonic is exclusive to exactly one period, so that a pattern's power is told once.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import gcd

import torch
from torch import Tensor


def divisors(period: int) -> list[int]:
    """The divisors of the period above 1, the period itself first."""
    return [p for p in range(period, 1, -1) if period % p == 0]


@dataclass(frozen=True)
class Harmonics:
    """The frequencies exclusive to each of some periods; of two that mirror each other (f and -f) only one.

    periods    as given
    index      (K, 2) long: the numerators (k1, k2), down and across
    period     (K,) long: the denominator of each
    multiple   (K,) float64: 2 where the mirrored frequency is another one, 1 where it is the same
    """

    periods: tuple[int, ...]
    index: Tensor
    period: Tensor
    multiple: Tensor

    @property
    def frequency(self) -> Tensor:
        """(K, 2) float64, in cycles per pixel."""
        return self.index.double() / self.period[:, None]

    def of(self, period: int) -> Tensor:
        """(K,) bool: which of them are exclusive to a period."""
        return self.period == period

    def read(self, folded: Sequence[Tensor]) -> Tensor:
        """The coefficients (..., K) complex128 of arrays (..., q, q) of phase means, one for each of the periods.

        They are scaled so that the sum of multiple * |coefficient|**2 is the mean square of the pattern.
        """
        parts = []
        for q, means in zip(self.periods, folded, strict=True):
            at = self.index[self.of(q)]
            parts.append(torch.fft.fft2(means.double())[..., at[:, 0], at[:, 1]] / q**2)
        return torch.cat(parts, -1)

    def draw(self, coefficients: Tensor, size: int) -> Tensor:
        """The pattern (..., size, size) float64 that has these coefficients (..., K), its corner at the grid's."""
        frequency = self.frequency.to(coefficients.device)
        along = torch.arange(size, dtype=torch.float64, device=coefficients.device)
        down, across = (torch.exp(2j * torch.pi * along[:, None] * frequency[:, axis]) for axis in (0, 1))
        weighted = coefficients * self.multiple.to(coefficients.device)
        return torch.einsum("...k,yk,xk->...yx", weighted, down, across).real


def harmonics(periods: Sequence[int]) -> Harmonics:
    """The harmonics exclusive to each of the periods. Raises ValueError for a period below 2, or given twice."""
    if len(set(periods)) != len(periods) or min(periods, default=0) < 2:
        raise ValueError(f"periods must be different whole numbers of at least 2, not {list(periods)}")
    index, period, multiple = [], [], []
    for q in periods:
        for k1 in range(q):
            for k2 in range(q):
                mirrored = (-k1 % q, -k2 % q)
                if gcd(k1, k2, q) == 1 and (k1, k2) <= mirrored:
                    index.append((k1, k2))
                    period.append(q)
                    multiple.append(1.0 if (k1, k2) == mirrored else 2.0)
    return Harmonics(
        tuple(periods), torch.tensor(index), torch.tensor(period), torch.tensor(multiple, dtype=torch.float64)
    )


def fold(y: Tensor, period: int) -> Tensor:
    """Phase means (..., period, period) float64 of (..., H, W), over its whole periods from the first pixel on."""
    rows, columns = (length // period for length in y.shape[-2:])
    whole = y[..., : rows * period, : columns * period].double()
    return whole.unflatten(-1, (columns, period)).unflatten(-3, (rows, period)).mean((-4, -2))
