"""Other frameworks' transposed convolutions: literal loops over their definitions, and outputs they printed.

Also the claims of docs/dilated_deconvolution.md about JAX, TensorFlow's padding and ONNX, where they can be run.
"""

from itertools import product

import jax
import jax.numpy as jnp
import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from torch import Tensor, nn

from upsample.algebra.frameworks import from_caffe, from_mxnet

NINE = torch.arange(1.0, 10).view(1, 1, 3, 3)


def literal_deconvolution(
    x: Tensor, weight: Tensor, bias: Tensor | None, stride: tuple, dilate: tuple, pad: tuple, size: tuple, groups: int
) -> Tensor:
    """dot(weight.T, x) into columns, then col2im: what MXNet and Caffe both define, one product at a time."""
    n, c, h, w = x.shape
    per_group = weight.shape[1]
    y = torch.zeros(n, per_group * groups, *size, dtype=x.dtype)
    for image, i, o, a, b in product(*map(range, (n, c, per_group, weight.shape[2], weight.shape[3]))):
        out = i // (c // groups) * per_group + o
        for row, column in product(range(h), range(w)):
            to_row = row * stride[0] + a * dilate[0] - pad[0]
            to_column = column * stride[1] + b * dilate[1] - pad[1]
            if 0 <= to_row < size[0] and 0 <= to_column < size[1]:
                y[image, out, to_row, to_column] += x[image, i, row, column] * weight[i, o, a, b]
    return y if bias is None else y + bias[:, None, None]


def test_the_worked_example_of_mxnet_11203() -> None:
    """apache/mxnet #11203: kernel 3, stride 2, dilation 2, pad 2 on a centre impulse."""
    x = torch.zeros(1, 1, 3, 3)
    x[0, 0, 1, 1] = 1
    right = torch.tensor([[1.0, 0, 2, 0, 3], [0, 0, 0, 0, 0], [4, 0, 5, 0, 6], [0, 0, 0, 0, 0], [7, 0, 8, 0, 9]])
    assert torch.equal(from_mxnet(NINE, stride=2, dilate=2, pad=2)(x)[0, 0], right)
    assert torch.equal(from_caffe(NINE, stride=2, dilation=2, pad=2)(x)[0, 0], right)
    assert torch.equal(nn.functional.conv_transpose2d(x, NINE, stride=2, padding=2, dilation=2)[0, 0], right)


def test_what_caffe_printed_in_mxnet_11629() -> None:
    """apache/mxnet #11629 quotes Caffe's own output for kernel 2, stride 2, dilation 2."""
    x, weight = torch.arange(9.0).view(1, 1, 3, 3), torch.arange(4.0).view(1, 1, 2, 2)
    printed = torch.zeros(7, 7)
    printed[::2, ::2] = torch.tensor([[0.0, 0, 1, 2], [0, 5, 11, 11], [6, 23, 29, 23], [12, 32, 37, 24]])
    assert torch.equal(from_caffe(weight, stride=2, dilation=2)(x)[0, 0], printed)


@pytest.mark.parametrize(
    "setting",
    [
        {"stride": (2, 2), "dilate": (2, 2), "pad": (2, 2)},
        {"stride": (2, 3), "dilate": (3, 1), "pad": (1, 2), "adj": (1, 2)},
        {"stride": (3, 2), "dilate": (1, 2), "num_group": 2},
        {"stride": (2, 2), "dilate": (1, 1), "target_shape": (8, 10)},
        {"stride": (3, 2), "dilate": (2, 3), "target_shape": (13, 10), "num_group": 2},
    ],
)
@pytest.mark.parametrize("kernel", [(3, 3), (4, 2)])
def test_mxnet_by_its_definition(setting: dict, kernel: tuple) -> None:
    groups = setting.get("num_group", 1)
    x = torch.randn(2, 4, 4, 5, dtype=torch.float64)
    weight = torch.randn(4, 6 // groups, *kernel, dtype=torch.float64)
    bias = torch.randn(6, dtype=torch.float64)
    stride, dilate = setting["stride"], setting["dilate"]
    pad, adj = list(setting.get("pad", (0, 0))), list(setting.get("adj", (0, 0)))
    whole = [s * (n - 1) + d * (k - 1) + 1 for s, n, d, k in zip(stride, x.shape[2:], dilate, kernel, strict=True)]
    if "target_shape" in setting:
        setting = {**setting, "input_shape": (4, 5)}
        for axis, target in enumerate(setting["target_shape"]):  # InferPad, as written there
            pad[axis] = whole[axis] - target
            adj[axis] = pad[axis] % 2
            pad[axis] = (pad[axis] + 1) // 2
        if min(w - t for w, t in zip(whole, setting["target_shape"], strict=True)) < 0:
            with pytest.raises(ValueError, match="larger than the output without padding"):
                from_mxnet(weight, bias, **setting)
            return
    size = tuple(w - 2 * p + a for w, p, a in zip(whole, pad, adj, strict=True))
    layer = from_mxnet(weight, bias, **setting)
    expected = literal_deconvolution(x, weight, bias, stride, dilate, pad, size, groups)
    torch.testing.assert_close(layer(x), expected, rtol=1e-12, atol=1e-12)
    if "target_shape" in setting:
        assert layer(x).shape[2:] == setting["target_shape"]


def test_mxnet_target_shape_needs_the_input_size() -> None:
    with pytest.raises(ValueError, match="give input_shape too"):
        from_mxnet(NINE, target_shape=(5, 5))


@pytest.mark.parametrize(
    "setting", [{"stride": (2, 3), "pad": (1, 0), "dilation": (3, 2)}, {"stride": (4, 2), "group": 2}]
)
def test_caffe_by_its_definition(setting: dict) -> None:
    groups, pad, dilation = setting.get("group", 1), setting.get("pad", (0, 0)), setting.get("dilation", (1, 1))
    x, bias = torch.randn(2, 4, 3, 4, dtype=torch.float64), torch.randn(6, dtype=torch.float64)
    weight = torch.randn(4, 6 // groups, 3, 5, dtype=torch.float64)
    size = tuple(
        s * (n - 1) + d * (k - 1) + 1 - 2 * p
        for s, n, d, k, p in zip(setting["stride"], x.shape[2:], dilation, (3, 5), pad, strict=True)
    )
    expected = literal_deconvolution(x, weight, bias, setting["stride"], dilation, pad, size, groups)
    torch.testing.assert_close(from_caffe(weight, bias, **setting)(x), expected, rtol=1e-12, atol=1e-12)


# The page's table, where it can be run. k, s, d, p, output_padding:
SETTINGS = [(3, 2, 2, 2, 0), (4, 2, 3, 4, 0), (3, 2, 1, 1, 1), (5, 3, 2, 4, 1)]


@pytest.mark.parametrize(("k", "s", "d", "p", "o"), SETTINGS)
def test_the_jax_row(k: int, s: int, d: int, p: int, o: int) -> None:
    x, weight = torch.randn(1, 2, 5, 6), torch.randn(2, 3, k, k)
    reach = d * (k - 1)
    y = jax.lax.conv_general_dilated(
        jnp.asarray(x.numpy()),
        jnp.asarray(weight.flip(2, 3).transpose(0, 1).numpy()),
        window_strides=(1, 1),
        padding=[(reach - p, reach - p + o)] * 2,
        lhs_dilation=(s, s),
        rhs_dilation=(d, d),
    )
    expected = nn.functional.conv_transpose2d(x, weight, stride=s, padding=p, output_padding=o, dilation=d)
    np.testing.assert_allclose(np.asarray(y), expected.numpy(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("k", "s", "d", "p", "o"), SETTINGS)
def test_the_onnx_row(k: int, s: int, d: int, p: int, o: int) -> None:
    x, weight = torch.randn(1, 2, 5, 6), torch.randn(2, 3, k, k)
    expected = nn.functional.conv_transpose2d(x, weight, stride=s, padding=p, output_padding=o, dilation=d)
    shared = {"strides": [s, s], "dilations": [d, d]}
    explicit = {"pads": [p] * 4, "output_padding": [o, o], **shared}
    # With output_shape the pads are the runtime's to choose; the odd pixel is cropped at the start, as in torch.
    by_size = {"output_shape": list(expected.shape[2:]), **shared}
    for attributes in (explicit, by_size):
        node = onnx.helper.make_node("ConvTranspose", ["x", "w"], ["y"], **attributes)
        kind = onnx.TensorProto.FLOAT
        graph = onnx.helper.make_graph(
            [node],
            "row",
            [onnx.helper.make_tensor_value_info(name, kind, list(t.shape)) for name, t in (("x", x), ("w", weight))],
            [onnx.helper.make_tensor_value_info("y", kind, None)],
        )
        model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 18)], ir_version=10)
        session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
        (y,) = session.run(None, {"x": x.numpy(), "w": weight.numpy()})
        np.testing.assert_allclose(y, expected.numpy(), rtol=1e-4, atol=1e-5)


def test_same_padding_of_tensorflow_crops_the_other_end() -> None:
    """Kernel 3, stride 2, "same": TensorFlow's output is torch's padding=1, output_padding=1 moved by one pixel."""
    x, weight = torch.randn(1, 2, 5, 6), torch.randn(2, 3, 3, 3)
    same = jax.lax.conv_transpose(
        jnp.asarray(x.permute(0, 2, 3, 1).numpy()),
        jnp.asarray(weight.permute(2, 3, 1, 0).numpy()),  # Keras's kernel: (height, width, out, in)
        strides=(2, 2),
        padding="SAME",
        transpose_kernel=True,
    )
    same = torch.from_numpy(np.asarray(same).copy()).permute(0, 3, 1, 2)
    whole = nn.functional.conv_transpose2d(x, weight, stride=2)
    torch.testing.assert_close(same, whole[..., :-1, :-1], rtol=1e-4, atol=1e-5)
    torch_way = nn.functional.conv_transpose2d(x, weight, stride=2, padding=1, output_padding=1)
    torch.testing.assert_close(torch_way[..., :-1, :-1], same[..., 1:, 1:], rtol=1e-4, atol=1e-5)


def test_output_size_is_output_padding_by_another_name() -> None:
    layer = nn.ConvTranspose2d(2, 3, 3, stride=2, padding=1)
    wide = nn.ConvTranspose2d(2, 3, 3, stride=2, padding=1, output_padding=1)
    wide.load_state_dict(layer.state_dict())
    x = torch.randn(1, 2, 5, 6)
    assert layer(x).shape[2:] == (9, 11)
    assert torch.equal(layer(x, output_size=(10, 12)), wide(x))
