"""Each frequency under one period, and patterns taken apart and put together again."""

from math import gcd

import pytest
import torch

from upsample.instrument.harmonics import divisors, fold, harmonics


def test_divisors_start_with_the_period() -> None:
    assert divisors(12) == [12, 6, 4, 3, 2]


@pytest.mark.parametrize("period", [2, 3, 4, 6, 8, 12])
def test_every_frequency_of_a_period_belongs_to_exactly_one_of_its_divisors(period: int) -> None:
    found = harmonics(divisors(period))
    whole = (found.frequency * period).round().long().tolist()
    seen = [tuple(f) for f in whole] + [tuple(-k % period for k in f) for f in whole]
    assert set(seen) == {(a, b) for a in range(period) for b in range(period)} - {(0, 0)}
    assert len(set(map(tuple, whole))) == len(whole)
    assert found.multiple.sum().item() == period**2 - 1
    for (a, b), q in zip(whole, found.period.tolist(), strict=True):
        assert period // gcd(a, b, period) == q


@pytest.mark.parametrize("period", [2, 3, 8])
def test_a_pattern_is_put_together_again_from_its_coefficients(period: int) -> None:
    pattern = torch.randn(2, period, period, dtype=torch.float64, generator=torch.Generator().manual_seed(period))
    pattern -= pattern.mean((1, 2), keepdim=True)
    found = harmonics(divisors(period))
    coefficients = found.read([fold(pattern, q) for q in found.periods])
    torch.testing.assert_close(found.draw(coefficients, period), pattern)
    power = (coefficients.abs().square() * found.multiple).sum(-1)
    torch.testing.assert_close(power, pattern.square().mean((1, 2)))


def test_fold_against_a_literal_loop() -> None:
    y = torch.randn(11, 7, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    means = [
        [[y[i, j] for i in range(9) for j in range(6) if (i % 3, j % 3) == (a, b)] for b in range(3)] for a in range(3)
    ]
    expected = torch.tensor([[sum(cell) / len(cell) for cell in row] for row in means], dtype=torch.float64)
    torch.testing.assert_close(fold(y, 3), expected)


def test_periods_are_refused_that_are_none() -> None:
    with pytest.raises(ValueError, match="different whole numbers of at least 2"):
        harmonics([4, 4])
