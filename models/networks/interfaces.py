"""What the parts of a network promise each other."""

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import torch
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
    held              layers that `freeze` has frozen

    forward(x) -> (features, indices): features as above; indices[i] is (N, indices_channels[i], H / strides[i+1],
    W / strides[i+1]) int64, where each maximum lay in map i, or None.
    """

    channels: list[int]
    strides: list[int]
    indices_channels: list[int | None]
    normalisation: Normalisation | None = None
    held: Sequence[nn.Module] = ()

    def forward(self, x: Tensor) -> tuple[list[Tensor], list[Tensor | None]]:
        """See the class."""
        raise NotImplementedError

    def freeze(self, stages: bool | int) -> None:
        """Have training leave the first stages as they are: their weights get no gradient, and their BatchNorms keep
        their statistics, whatever `train` is told.

        stages  True: all; a number: those up to the so manieth map, the finest first. Raises ValueError for more.
        """
        if stages is not True and stages > len(self.strides):
            raise ValueError(f"freeze={stages} is more than its {len(self.strides)} stages, at strides {self.strides}")
        self.held = layers(self) if stages is True else [m for m, at in stages_of(self) if at < stages]
        for layer in self.held:
            layer.requires_grad_(False)
        self.train(self.training)

    def train(self, mode: bool = True) -> "Encoder":
        """As of any module, but for what is frozen, which stays as in evaluation."""
        super().train(mode)
        for layer in self.held:
            layer.eval()
        return self


def layers(encoder: nn.Module) -> list[nn.Module]:
    """An encoder's layers that learn, shallow first: its children, or those of what it wraps, with lists opened."""
    children = list(encoder.children())
    while len(children) == 1 and not isinstance(children[0], nn.ModuleList):  # a list is the layers, not a wrapper
        children = list(children[0].children())
    opened = [
        layer
        for child in children
        for layer in (child.children() if isinstance(child, (nn.ModuleList, nn.Sequential)) else [child])
    ]
    return [layer for layer in opened if any(True for _ in layer.parameters())]


@torch.no_grad()
def stages_of(encoder: Encoder) -> list[tuple[nn.Module, int]]:
    """The layers that learn, each with the place of the map that it leads to, by the size of what it answers."""
    height, last = 2 * encoder.strides[-1], len(encoder.strides) - 1
    channels = next(p.shape[1] for p in encoder.parameters() if p.ndim == 4)
    found: dict[nn.Module, int] = {}

    def seen(layer: nn.Module, _: object, answer: object) -> None:
        size = answer.shape[-2] if isinstance(answer, Tensor) and answer.ndim == 4 else 0
        found[layer] = next((i for i, stride in enumerate(encoder.strides) if size * stride >= height), last)

    hooks = [layer.register_forward_hook(seen) for layer in layers(encoder)]
    training = encoder.training
    encoder.eval()(torch.zeros(1, channels, height, height, device=next(encoder.parameters()).device))
    encoder.train(training)
    for hook in hooks:
        hook.remove()
    return [(layer, found.get(layer, last)) for layer in layers(encoder)]


class Network(nn.Module):
    """Anything with a decoder of swappable upsamplers.

    period         of the checkerboard its decoder can print, in output pixels: the product of its upsamplers' scales
    normalisation  that its weights expect of its input; None: any, such as the data's own
    used           name of the submodule that is used once trained; "" is all of it
    takes_encoder  whether it is built as `network(encoder, classes, upsample, ...)`; else `network(channels, upsample,
                   ...)`, and makes images
    own_encoder    whether it is built as `network(channels, classes, upsample, ...)`, with an encoder and an upsampling
                   of its own, which `upsample=None` leaves
    """

    period: int
    normalisation: Normalisation | None = None
    used = ""
    takes_encoder = False
    own_encoder = False

    def upsamplers(self) -> list[nn.Module]:
        """The upsamplers of the decoder, coarse to fine."""
        raise NotImplementedError

    def collapse(self) -> dict[str, Any]:
        """Put what computes the same with less in the place of what only training needs, in place. Returns the options
        of `model` by which the network is built as it then is: here none, as it is used as it is trained."""
        return {}

    def notes(self) -> list[str]:
        """What a user should know about the network as built, in lines for the log of a run."""
        return []
