from typing import Any

import pytest
import torch
import torch.nn.functional as F

from upsample.operators.forms.edge_padding import replicate


@pytest.mark.parametrize("size", [(1, 1), (1, 5), (4, 3)])
@pytest.mark.parametrize(("before", "after"), [(0, 0), (1, 0), (2, 2), (0, 3)])
def test_equals_torch(size: Any, before: Any, after: Any) -> None:
    x = torch.randn(2, 3, *size, dtype=torch.float64, requires_grad=True)
    y, expected = replicate(x, before, after), F.pad(x, [before, after, before, after], mode="replicate")
    assert torch.equal(y, expected)
    gradient = torch.randn_like(y)
    found, reference = (torch.autograd.grad(value, x, gradient)[0] for value in (y, expected))
    assert torch.allclose(found, reference, atol=1e-12)
