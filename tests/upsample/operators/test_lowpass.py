from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

import upsample


def literal(layer: Any, x: Tensor, scale: int, order: int) -> Tensor:
    """Zeros between the pixels, the kernel, `order` boxes, then the middle scale * H x scale * W, times scale**2."""
    height, width = x.shape[2:]
    kernel = layer.conv.weight.flip(2, 3).transpose(0, 1)
    sparse = x.new_zeros(*x.shape[:2], scale * (height - 1) + 1, scale * (width - 1) + 1)
    sparse[:, :, ::scale, ::scale] = x
    y = F.conv2d(sparse, kernel, padding=kernel.shape[-1] - 1)
    box = torch.ones(y.shape[1], 1, scale, scale, dtype=x.dtype) / scale**2
    for _ in range(order):
        y = F.conv2d(y, box, padding=scale - 1, groups=y.shape[1])
    top, left = (y.shape[2] - scale * height) // 2, (y.shape[3] - scale * width) // 2
    y = scale**2 * y[:, :, top : top + scale * height, left : left + scale * width]
    return y if layer.bias is None else y + layer.bias[:, None, None]


@pytest.mark.parametrize(
    ("name", "scale", "options"),
    [
        ("fir", 2, {}),
        ("fir", 2, {"kernel_size": 1}),
        ("fir", 2, {"kernel_size": 7}),
        ("fir", 3, {"bias": False}),
        ("fir", 4, {"kernel_size": 5}),
        ("smooth_deconv", 2, {}),
        ("smooth_deconv", 3, {"kernel_size": 5}),
        ("smooth_deconv", 2, {"kernel_size": 4, "order": 2}),
        ("smooth_deconv", 3, {"kernel_size": 3, "order": 2}),
        ("smooth_deconv", 4, {"kernel_size": 9}),
    ],
)
def test_equals_zero_insertion_kernel_and_boxes(name: str, scale: int, options: dict[str, Any]) -> None:
    torch.manual_seed(0)
    layer = upsample.build(name, 3, 2, scale, **options).double()
    if layer.bias is not None:
        torch.nn.init.normal_(layer.bias)
    order = 3 if name == "fir" else options.get("order", 1)
    for size in ((1, 1), (4, 5)):
        x = torch.randn(2, 3, *size, dtype=torch.float64)
        assert torch.allclose(layer(x), literal(layer, x, scale, order), atol=1e-12)


def test_fir_at_scale_two_is_1_3_3_1_with_gain_two_per_axis() -> None:
    layer = upsample.build("fir", 4, 4, 2)
    assert layer.taps.tolist() == [1, 3, 3, 1]
    assert layer.taps.sum() / layer.divisor == 2


@pytest.mark.parametrize("scale", [2, 3, 4])
@pytest.mark.parametrize("name", ["fir", "smooth_deconv"])
def test_a_constant_comes_out_flat_with_the_gain_of_the_kernel(name: str, scale: int) -> None:
    torch.manual_seed(0)
    layer = upsample.build(name, 3, 2, scale).double()
    with torch.no_grad():
        layer.bias.normal_()
    y = layer(torch.ones(1, 3, 9, 9, dtype=torch.float64))[0, :, 4 * scale : 5 * scale, 4 * scale : 5 * scale]
    expected = layer.conv.weight.sum((0, 2, 3)) + layer.bias
    assert torch.allclose(y, expected[:, None, None].expand_as(y), atol=1e-12)


def test_smooth_deconv_is_resize_conv_with_the_kernel_turned() -> None:
    for scale, kernel_size in ((2, 3), (3, 5), (4, 1)):
        layer = upsample.build("smooth_deconv", 3, 2, scale, kernel_size=kernel_size)
        twin = upsample.build("resize_conv", 3, 2, scale, kernel_size=kernel_size)
        with torch.no_grad():
            twin.conv.weight.copy_(layer.conv.weight.flip(2, 3).transpose(0, 1))
            twin.conv.bias.copy_(layer.bias)
        x = torch.randn(2, 3, 4, 5)
        assert torch.allclose(layer(x), twin(x), atol=1e-5)


@pytest.mark.parametrize(
    ("name", "options", "says"),
    [
        ("fir", {"kernel_size": 4}, "kernel_size must be odd"),
        ("smooth_deconv", {"kernel_size": 2}, "kernel_size must be odd"),
        ("smooth_deconv", {"order": 2}, "kernel_size must be even at scale 2 and order 2"),
        ("smooth_deconv", {"order": 0}, "order must be at least 1"),
    ],
)
def test_what_is_refused(name: str, options: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        upsample.build(name, 3, 2, 2, **options)
