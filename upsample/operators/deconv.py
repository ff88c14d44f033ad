"""Transposed convolution: plain, dilated, and depthwise separable."""

from itertools import count
from math import gcd
from typing import Any, Literal

from torch import Tensor, nn

from upsample.algebra.balance import balance_transposed
from upsample.algebra.overlap import even_settings, overlap, padding_for
from upsample.algebra.polyphase import TRANSPOSED
from upsample.contract import Scale, along, operator
from upsample.operators.forms.transposed import conv_transpose


class TransposedConv(nn.Module):
    """A transposed convolution that returns exactly `scale` times its input's height and width.

    Dumoulin & Visin, "A guide to convolution arithmetic for deep learning" (2016), section 4.
    Cost: kernel_size**2 / scale**2 * in_channels * out_channels / groups MACs per output pixel.
    Pitfall: with balanced=False it prints a checkerboard where scale does not divide kernel_size, or the weights of
    the output phases differ. `balanced` rules that out on constant inputs, balanced=2 on linear ramps as well, at the
    same cost per output pixel and a projection of the weights per step (see upsample.algebra.balance).
    Raises ValueError if some output pixels would be holes, unless `allow_holes`, and where no kernel of that
    size is balanced.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        scale: Scale,
        kernel_size: int | None,
        dilation: int,
        bias: bool = True,
        allow_holes: bool = False,
        balanced: bool | Literal[2] = False,
        groups: int = 1,
    ) -> None:
        super().__init__()
        if (kernel_size is not None and kernel_size < 1) or dilation < 1:
            raise ValueError(
                f"a transposed convolution needs kernel_size and dilation of at least 1, "
                f"not kernel_size={kernel_size} and dilation={dilation}"
            )
        scales = along(scale)
        # Axes that are not enlarged have one tap.
        dilations = [dilation if s > 1 else 1 for s in scales]
        kernels = [
            (kernel_size or default_kernel_size(s, d)) if s > 1 else 1 for s, d in zip(scales, dilations, strict=True)
        ]
        for k, s, d in zip(kernels, scales, dilations, strict=True):
            holes = overlap(k, s, d).hole_fraction
            if holes and not allow_holes:
                near = ", or ".join(f"kernel_size={k} dilation={d}" for k, d in even_settings(k, s, d))
                raise ValueError(
                    f"kernel_size={k}, dilation={d} at stride {s} leaves {holes:.0%} of the output pixels as holes "
                    f"that hold only the bias; what works: {near}; allow_holes=true balanced=false builds it anyway"
                )
        paddings = [padding_for(*setting) for setting in zip(kernels, scales, dilations, strict=True)]
        kind: Any = TRANSPOSED[len(scales)]
        self.conv = kind(
            in_channels,
            out_channels,
            tuple(kernels),
            stride=scales,
            padding=tuple(padding for padding, _ in paddings),
            output_padding=tuple(extra for _, extra in paddings),
            dilation=tuple(dilations),
            groups=groups,
            bias=bias,
        )
        if balanced:
            balance_transposed(self.conv, order=int(balanced))

    def forward(self, x: Tensor, skip: Tensor | None = None, indices: Tensor | None = None) -> Tensor:
        """(N, in_channels, *size) -> (N, out_channels, *scale*size); skip and indices are not used."""
        conv = self.conv
        return conv_transpose(
            x, conv.weight, conv.bias, conv.stride, conv.padding, conv.output_padding, conv.groups, conv.dilation
        )


def default_kernel_size(scale: int, dilation: int) -> int:
    """The smallest multiple of scale, from 2*scale, that keeps the output centred."""
    candidates = (m * scale for m in (2, 3, 4))
    return next((k for k in candidates if padding_for(k, scale, dilation)[1] == 0), 2 * scale)


@operator("deconv", any_axes=True)
def deconv(
    in_channels: int,
    out_channels: int,
    scale: Scale,
    kernel_size: int | None = None,
    dilation: int = 1,
    bias: bool = True,
    allow_holes: bool = False,
    balanced: bool | Literal[2] = True,
) -> TransposedConv:
    """Transposed convolution, balanced by default: over three seeds it scores as well so, and prints nothing on flat
    areas (docs/which_upsampler.md). kernel_size=None takes the smallest multiple of scale, from 2*scale, that is
    centred:
    2*scale for even scales, 3*scale for odd ones at dilation 1."""
    return TransposedConv(in_channels, out_channels, scale, kernel_size, dilation, bias, allow_holes, balanced)


@operator("dilated_deconv")
def dilated_deconv(
    in_channels: int,
    out_channels: int,
    scale: int,
    kernel_size: int | None = None,
    dilation: int | None = None,
    bias: bool = True,
    allow_holes: bool = False,
    balanced: bool | Literal[2] = True,
) -> TransposedConv:
    """Transposed convolution whose taps lie `dilation` output pixels apart while its stride stays `scale`; balanced by
    default, as deconv is.

    kernel_size=None is 2*scale; dilation=None is the smallest above 1 that shares no factor with
    scale (so no holes) and keeps the output centred. Scale 2: kernel 4, dilation 3, padding 4.
    Pitfall: neighbouring output pixels are made from different input pixels, so a convolution has to follow; a DCGAN,
    which has none, gives images of combs (docs/which_upsampler.md).
    """
    kernel_size = 2 * scale if kernel_size is None else kernel_size
    if dilation is None:
        coprime = (d for d in count(2) if gcd(scale, d) == 1)
        first = next(coprime)
        centred = (d for d in (first, *(next(coprime) for _ in range(3))) if not padding_for(kernel_size, scale, d)[1])
        dilation = next(centred, first)
    return TransposedConv(in_channels, out_channels, scale, kernel_size, dilation, bias, allow_holes, balanced)


@operator("separable_deconv")
class SeparableDeconv(nn.Module):
    """Depthwise transposed convolution, then a 1x1 convolution that mixes the channels.

    The factorisation of Howard et al., "MobileNets" (2017), section 3.1, applied to a transposed
    convolution. kernel_size=None is chosen as for deconv.
    Cost: kernel_size**2 / scale**2 * in_channels + in_channels * out_channels MACs per output pixel.
    Pitfall: the 1x1 convolution runs at the output size, so with few taps it is most of the cost.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        scale: int,
        kernel_size: int | None = None,
        bias: bool = True,
        balanced: bool | Literal[2] = False,
    ) -> None:
        super().__init__()
        kernel_size = default_kernel_size(scale, 1) if kernel_size is None else kernel_size
        # No bias between the two: the 1x1 convolution's own bias already covers it.
        self.depthwise = TransposedConv(
            in_channels, in_channels, scale, kernel_size, 1, bias=False, balanced=balanced, groups=in_channels
        )
        self.pointwise = nn.Conv2d(in_channels, out_channels, 1, bias=bias)

    def forward(self, x: Tensor, skip: Tensor | None = None, indices: Tensor | None = None) -> Tensor:
        """(N, in_channels, H, W) -> (N, out_channels, scale*H, scale*W); skip and indices are not used."""
        return self.pointwise(self.depthwise(x))
