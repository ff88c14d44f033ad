from typing import Any

import pytest
import torch

import upsample


@pytest.mark.parametrize(
    ("name", "scale", "kernel_size", "dilation", "padding"),
    [
        ("deconv", 2, 4, 1, 1),
        ("deconv", 3, 9, 1, 3),
        ("deconv", 4, 8, 1, 2),
        ("dilated_deconv", 2, 4, 3, 4),
        ("dilated_deconv", 3, 6, 2, 4),
        ("dilated_deconv", 4, 8, 3, 9),
    ],
)
def test_defaults_are_even_and_centred(name: str, scale: int, kernel_size: int, dilation: int, padding: int) -> None:
    conv = upsample.build(name, 3, 2, scale).conv
    assert conv.kernel_size == (kernel_size, kernel_size)
    assert conv.dilation == (dilation, dilation)
    assert conv.padding == (padding, padding)
    assert conv.output_padding == (0, 0)
    assert upsample.overlap(kernel_size, scale, dilation).even


def test_holes_fail_at_build_with_settings_that_work() -> None:
    with pytest.raises(ValueError, match=r"holes.*what works: kernel_size=\d+ dilation=\d+") as caught:
        upsample.build("deconv", 3, 2, 2, kernel_size=3, dilation=2)
    assert "75%" in str(caught.value)


@pytest.mark.parametrize("options", [{"kernel_size": 0}, {"kernel_size": 4, "dilation": 0}])
def test_empty_kernels_fail_at_build(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        upsample.build("deconv", 3, 2, 2, **options)


def test_worked_example_of_a_dilated_kernel_on_a_centre_impulse() -> None:
    """k3 s2 d2 p2 on 3 x 3 (apache/mxnet #11203), with the output_padding that makes the output even."""
    layer = upsample.build(
        "dilated_deconv", 1, 1, 2, kernel_size=3, dilation=2, bias=False, allow_holes=True, balanced=False
    )
    with torch.no_grad():
        layer.conv.weight.copy_(torch.arange(1.0, 10).view(1, 1, 3, 3))
    impulse = torch.zeros(1, 1, 3, 3)
    impulse[..., 1, 1] = 1
    rows = ["102030", "000000", "405060", "000000", "708090", "000000"]
    assert layer(impulse)[0, 0].tolist() == [[float(digit) for digit in row] for row in rows]


def test_separable_is_a_transposed_convolution_of_rank_one() -> None:
    layer = upsample.build("separable_deconv", 3, 2, 2)
    dense = upsample.build("deconv", 3, 2, 2, balanced=False)
    with torch.no_grad():
        # weight[in, out] = pointwise[out, in] * depthwise[in]
        pointwise = layer.pointwise.weight[:, :, 0, 0].T[:, :, None, None]
        dense.conv.weight.copy_(pointwise * layer.depthwise.conv.weight)
        dense.conv.bias.copy_(layer.pointwise.bias)
    x = torch.randn(2, 3, 4, 5)
    assert torch.allclose(layer(x), dense(x), atol=1e-6)
