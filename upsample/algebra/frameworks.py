"""Transposed convolutions of other frameworks as the PyTorch layer that computes the same.

docs/dilated_deconvolution.md has the whole translation table. In all of them, as in PyTorch, input
pixel i and tap k meet at output pixel s*i + d*k - p; what differs is how the output's size and the
crop p are asked for. Weights are (in_channels, out_channels / groups, height, width) throughout.
"""

import torch
from torch import Tensor, nn

Size = int | tuple[int, int]  # one number for both axes, or (height, width)


def _pair(value: Size) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else (int(value[0]), int(value[1]))


def from_mxnet(
    weight: Tensor,
    bias: Tensor | None = None,
    *,
    stride: Size = 1,
    dilate: Size = 1,
    pad: Size = 0,
    adj: Size = 0,
    target_shape: Size | None = None,
    num_group: int = 1,
    input_shape: Size | None = None,
) -> nn.ConvTranspose2d:
    """The layer that computes mx.sym.Deconvolution (gluon: Conv2DTranspose) with these parameters.

    `kernel` and `num_filter` are read off the weight, `no_bias` is bias=None. A `target_shape` other
    than 0 replaces pad and adj, as in MXNet: with excess = stride*(n-1) + dilate*(k-1) + 1 - target,
    pad = ceil(excess / 2) and adj = excess mod 2. That takes the input's size n, `input_shape`, and
    unlike in MXNet the layer then keeps that pad and adj for inputs of other sizes.
    Source: MXNet 1.9, src/operator/nn/deconvolution-inl.h, DeconvolutionParam::InferPad.
    Raises ValueError for a target_shape without input_shape or larger than the uncropped output.
    """
    kernel, strides, dilates = (weight.shape[2], weight.shape[3]), _pair(stride), _pair(dilate)
    pads, adjs = _pair(pad), _pair(adj)
    target = _pair(target_shape or 0)
    if any(target):
        if input_shape is None:
            raise ValueError(
                "from_mxnet: target_shape decides the padding together with the input's size; give input_shape too"
            )
        excess = [
            s * (n - 1) + d * (k - 1) + 1 - t
            for s, n, d, k, t in zip(strides, _pair(input_shape), dilates, kernel, target, strict=True)
        ]
        if min(excess) < 0:
            raise ValueError(
                f"from_mxnet: target_shape={target} is larger than the output without padding, "
                f"{tuple(t + e for t, e in zip(target, excess, strict=True))}; MXNet refuses it too"
            )
        pads = ((excess[0] + 1) // 2, (excess[1] + 1) // 2)
        adjs = (excess[0] % 2, excess[1] % 2)
    return _transposed(weight, bias, strides, dilates, pads, adjs, num_group)


def from_caffe(
    weight: Tensor,
    bias: Tensor | None = None,
    *,
    stride: Size = 1,
    pad: Size = 0,
    dilation: Size = 1,
    group: int = 1,
) -> nn.ConvTranspose2d:
    """The layer that computes Caffe's Deconvolution with this convolution_param.

    `kernel_size` and `num_output` are read off the weight blob, `bias_term: false` is bias=None;
    stride_h and stride_w are stride=(h, w), and so on. Caffe has no output_padding.
    Source: Caffe, src/caffe/layers/deconv_layer.cpp and base_conv_layer.cpp.
    """
    return _transposed(weight, bias, _pair(stride), _pair(dilation), _pair(pad), (0, 0), group)


def _transposed(
    weight: Tensor,
    bias: Tensor | None,
    stride: tuple[int, int],
    dilation: tuple[int, int],
    padding: tuple[int, int],
    output_padding: tuple[int, int],
    groups: int,
) -> nn.ConvTranspose2d:
    layer = nn.ConvTranspose2d(
        weight.shape[0],
        weight.shape[1] * groups,
        (weight.shape[2], weight.shape[3]),
        stride=stride,
        padding=padding,
        output_padding=output_padding,
        dilation=dilation,
        groups=groups,
        bias=bias is not None,
    ).to(weight)
    with torch.no_grad():
        layer.weight.copy_(weight)
        if layer.bias is not None and bias is not None:
            layer.bias.copy_(bias)
    return layer
