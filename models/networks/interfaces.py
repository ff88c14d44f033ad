"""What the parts of a network promise each other."""

from typing import Literal, NamedTuple

from torch import Tensor, nn


class Normalisation(NamedTuple):
    """Per channel, of images in [0, 1]: what was subtracted, then what was divided by, when weights were trained."""

    mean: tuple[float, ...]
    std: tuple[float, ...]


OutputStride = Literal[8, 16, 32]  # of an encoder's deepest map


class Encoder(nn.Module):
    """Turns (N, C, H, W) images, H and W divisible by `strides[-1]`, into feature maps, finest first.

    channels          of each map
    strides           of each map, each stride once: map i is (N, channels[i], H / strides[i], W / strides[i])
    indices_channels  between map i and i+1: channels of the max-pooling indices, None where nothing is pooled
    normalisation     that pretrained weights expect; None: any, such as the data's own

    forward(x) -> (features, indices): features as above; indices[i] is (N, indices_channels[i], H / strides[i+1],
    W / strides[i+1]) int64, where each maximum lay in map i, or None.
    """

    channels: list[int]
    strides: list[int]
    indices_channels: list[int | None]
    normalisation: Normalisation | None = None

    def forward(self, x: Tensor) -> tuple[list[Tensor], list[Tensor | None]]:
        """See the class."""
        raise NotImplementedError


class Network(nn.Module):
    """Anything with a decoder of swappable upsamplers.

    period         of the checkerboard its decoder can print, in output pixels: the product of its upsamplers' scales
    normalisation  that its weights expect of its input; None: any, such as the data's own
    used           name of the submodule that is used once trained; "" is all of it
    takes_encoder  whether it is built as `network(encoder, classes, upsample, ...)`; else `network(channels, upsample,
                   ...)`, and makes images
    """

    period: int
    normalisation: Normalisation | None = None
    used = ""
    takes_encoder = False

    def upsamplers(self) -> list[nn.Module]:
        """The upsamplers of the decoder, coarse to fine."""
        raise NotImplementedError

    def notes(self) -> list[str]:
        """What a user should know about the network as built, in lines for the log of a run."""
        return []
