"""What tests of operators share. They stand alone: they also run against an installed wheel."""

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import upsample

SKIP_CHANNELS, INDICES_CHANNELS = 6, 5


def _variants() -> list[tuple[str, bool]]:
    """Every registered operator with its defaults, and, where it has any, with all its switches the other way."""
    return [
        (name, flipped)
        for name, operator in upsample.available().items()
        for flipped in (False, True)
        if not flipped or any(isinstance(value, bool) for value in operator.options.values())
    ]


@pytest.fixture(params=_variants(), ids=lambda variant: variant[0] + ("-flipped" if variant[1] else ""))
def build_variant(request: pytest.FixtureRequest) -> Callable[..., nn.Module]:
    """`build_variant(in_channels, out_channels, scale)`, offered a skip and indices, seeded."""
    name, flipped = request.param
    options = upsample.available()[name].options
    switches = {key: not value for key, value in options.items() if flipped and isinstance(value, bool)}

    def build(in_channels: int, out_channels: int, scale: int) -> nn.Module:
        torch.manual_seed(0)
        return upsample.build(
            name,
            in_channels,
            out_channels,
            scale,
            skip_channels=SKIP_CHANNELS,
            indices_channels=INDICES_CHANNELS,
            **switches,
        )

    return build


class Offered(nn.Module):
    """A layer with its extras as required inputs, whether it uses them or not: an exporter needs them named."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: Tensor, skip: Tensor, indices: Tensor) -> Tensor:
        return self.layer(x, skip, indices)


@pytest.fixture
def offered() -> Callable[[nn.Module], nn.Module]:
    """`offered(layer)`: the same layer, called with all extras."""
    return Offered


@pytest.fixture
def offer() -> Callable[..., tuple[Tensor, Tensor, Tensor]]:
    """`offer(channels, height, width, scale)`: a random x of batch 2, a skip and pooling indices for it."""

    def inputs(channels: int, height: int, width: int, scale: int) -> tuple[Tensor, Tensor, Tensor]:
        generator = torch.Generator().manual_seed(1)
        large = (scale * height, scale * width)
        pooled = F.max_pool2d(torch.rand(2, INDICES_CHANNELS, *large, generator=generator), scale, return_indices=True)
        return (
            torch.randn(2, channels, height, width, generator=generator),
            torch.randn(2, SKIP_CHANNELS, *large, generator=generator),
            pooled[1],
        )

    return inputs
