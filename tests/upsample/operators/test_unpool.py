from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import upsample


@pytest.mark.parametrize("scale", [2, 3])
def test_equals_max_unpooling_and_its_gradient(scale: int) -> None:
    x = torch.randn(2, 4, 3, 5, requires_grad=True)
    pooled = F.max_pool2d(torch.randn(2, 4, 3 * scale, 5 * scale), scale, return_indices=True)[1]
    y = upsample.build("unpool", 4, 4, scale, indices_channels=4)(x, indices=pooled)
    expected = F.max_unpool2d(x, pooled, scale)
    assert torch.equal(y, expected)
    gradient = torch.randn_like(y)
    found, reference = (torch.autograd.grad(value, x, gradient)[0] for value in (y, expected))
    assert torch.equal(found, reference)


@pytest.mark.parametrize(("channels", "before", "after"), [((4, 4), False, False), ((6, 4), True, False)])
def test_projects_only_where_the_channels_differ(channels: tuple[int, int], before: Any, after: Any) -> None:
    layer = upsample.build("unpool", *channels, 2, indices_channels=4)
    assert isinstance(layer.before, nn.Conv2d) is before
    assert isinstance(layer.after, nn.Conv2d) is after


def test_any_channels_by_hand() -> None:
    layer = upsample.build("unpool", 6, 3, 2, indices_channels=4)
    x = torch.randn(1, 6, 3, 5)
    pooled = F.max_pool2d(torch.randn(1, 4, 6, 10), 2, return_indices=True)[1]
    assert torch.allclose(layer(x, None, pooled), layer.after(F.max_unpool2d(layer.before(x), pooled, 2)))
