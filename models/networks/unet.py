"""U-Net: an encoder's features, brought back to full size by the chosen upsampler."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from models.networks import network
from models.networks.blocks import double_conv, pad_to_period
from models.networks.interfaces import Encoder, Network
from plumbing.options import Count


class Level(nn.Module):
    """One step of the decoder: upsample, append the skip if there is one, convolve twice."""

    def __init__(
        self,
        upsample: Callable[..., nn.Module],
        in_channels: int,
        out_channels: int,
        scale: int,
        skip_channels: int | None,
        indices_channels: int | None,
    ) -> None:
        super().__init__()
        self.upsample = upsample(
            in_channels, out_channels, scale, skip_channels=skip_channels, indices_channels=indices_channels
        )
        self.conv = double_conv(out_channels + (skip_channels or 0), out_channels)

    def forward(self, x: Tensor, skip: Tensor | None, indices: Tensor | None) -> Tensor:
        """x (N, in_channels, H, W) to (N, out_channels, scale*H, scale*W)."""
        x = self.upsample(x, skip, indices)
        return self.conv(x if skip is None else torch.cat((x, skip), 1))


@network("unet")
class UNet(Network):
    """Ronneberger et al., "U-Net: Convolutional Networks for Biomedical Image Segmentation" (2015).

    upsample   builds an upsampler: `functools.partial(upsample.build, "deconv")`, say
    channels   of the decoder's levels, coarse to fine; None: those of the encoder's level at the same stride

    forward(x): (N, in_channels, H, W) of any size to logits (N, classes, H, W). The input is padded at the
    right and bottom to whole periods (replicating the border), the logits are cropped.
    `period` is the product of the decoder's scales.
    """

    takes_encoder = True

    def __init__(
        self,
        encoder: Encoder,
        classes: int,
        upsample: Callable[..., nn.Module],
        channels: list[Count] | None = None,
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.period, self.normalisation = encoder.strides[-1], encoder.normalisation
        # A decoder level for each gap between encoder levels, and one more where the finest is not at full size.
        strides, pooled = [*encoder.strides], [*encoder.indices_channels]
        skips: list[int | None] = [*encoder.channels[:-1]]
        if strides[0] > 1:
            strides, skips, pooled = [1, *strides], [None, *skips], [None, *pooled]
        if channels is None:
            channels = [skip or encoder.channels[0] for skip in reversed(skips)]
        if len(channels) != len(skips):
            raise ValueError(f"channels needs one number for each of the decoder's {len(skips)} levels, not {channels}")
        inputs = [encoder.channels[-1], *channels]
        self.levels = nn.ModuleList(
            Level(upsample, inputs[i], channels[i], strides[-1 - i] // strides[-2 - i], skips[-1 - i], pooled[-1 - i])
            for i in range(len(channels))
        )
        self.head = nn.Conv2d(channels[-1], classes, 1)

    def upsamplers(self) -> list[nn.Module]:
        """The upsamplers of the decoder, coarse to fine."""
        return [level.get_submodule("upsample") for level in self.levels]

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        height, width = x.shape[-2:]
        x = pad_to_period(x, self.period)
        features, indices = self.encoder(x)
        x, *rest = reversed(features)
        where = list(reversed(indices))
        for i, level in enumerate(self.levels):
            x = level(x, rest[i] if i < len(rest) else None, where[i] if i < len(where) else None)
        return self.head(x)[..., :height, :width]
