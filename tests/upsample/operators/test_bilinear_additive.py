import pytest
import torch
import torch.nn.functional as F

import upsample


@pytest.mark.parametrize("scale", [2, 3])
def test_interpolates_then_adds_consecutive_channels_then_convolves(scale: int) -> None:
    layer = upsample.build("bilinear_additive", 2 * scale**2, 3, scale)
    x = torch.randn(2, 2 * scale**2, 4, 5)
    large = F.interpolate(x, scale_factor=scale, mode="bilinear")
    added = torch.stack([large[:, : scale**2].sum(1), large[:, scale**2 :].sum(1)], 1)
    assert torch.allclose(layer(x), layer.conv(added), atol=1e-5)
