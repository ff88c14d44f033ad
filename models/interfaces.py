"""What the parts of a network promise each other."""

from torch import Tensor, nn


class Encoder(nn.Module):
    """Turns (N, C, H, W) images, H and W divisible by `strides[-1]`, into feature maps, finest first.

    channels          of each map
    strides           of each map: map i is (N, channels[i], H / strides[i], W / strides[i])
    indices_channels  between map i and i+1: channels of the max-pooling indices, None where nothing is pooled

    forward(x) -> (features, indices): features as above; indices[i] is (N, indices_channels[i], H / strides[i+1],
    W / strides[i+1]) int64, where each maximum lay in map i, or None.
    """

    channels: list[int]
    strides: list[int]
    indices_channels: list[int | None]

    def forward(self, x: Tensor) -> tuple[list[Tensor], list[Tensor | None]]:
        """See the class."""
        raise NotImplementedError


class Network(nn.Module):
    """Anything with a decoder of swappable upsamplers.

    period  of the checkerboard its decoder can print, in output pixels: the product of its upsamplers' scales
    """

    period: int

    def upsamplers(self) -> list[nn.Module]:
        """The upsamplers of the decoder, coarse to fine."""
        raise NotImplementedError
