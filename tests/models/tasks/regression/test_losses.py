"""Losses of values against a loop over the pixels that have one."""

import math

import pytest
import torch

from models.tasks.regression.losses import LOSSES

EACH = {
    "huber": lambda d: 0.5 * d * d if abs(d) < 1 else abs(d) - 0.5,  # Huber (1964), delta = 1
    "l1": abs,
    "l2": lambda d: d * d,
}


@pytest.mark.parametrize("name", LOSSES)
def test_the_mean_over_known_pixels(name: str) -> None:
    random = torch.Generator().manual_seed(0)
    output, truth = (2 * torch.randn(2, 5, 7, generator=random) for _ in range(2))
    truth[0, :2] = math.nan
    output.requires_grad_()
    loss = LOSSES[name](output, truth)
    pixels = [
        EACH[name](o - t) for o, t in zip(output.flatten().tolist(), truth.flatten().tolist(), strict=True) if t == t
    ]
    assert len(pixels) == 2 * 35 - 14
    assert loss.item() == pytest.approx(sum(pixels) / len(pixels), rel=1e-6)
    loss.backward()
    assert output.grad.isfinite().all()
    assert (output.grad[0, :2] == 0).all()
    assert (output.grad[0, 2:] != 0).all()


@pytest.mark.parametrize("name", LOSSES)
def test_without_a_value_it_is_nothing(name: str) -> None:
    output = torch.randn(1, 3, 3, requires_grad=True)
    loss = LOSSES[name](output, torch.full((1, 3, 3), math.nan))
    loss.backward()
    assert loss.item() == 0
    assert (output.grad == 0).all()
