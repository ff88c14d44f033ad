"""Fixtures that the default suite and tests/stress share."""

import os
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import models
import upsample
from models.trained.saved import Saved, Trained

SKIP_CHANNELS, INDICES_CHANNELS = 6, 5

if "PYTEST_XDIST_WORKER" in os.environ:  # a process for each core: more threads would wait for each other
    torch.set_num_threads(1)
    os.environ["OMP_NUM_THREADS"] = "1"  # for the commands that tests start


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whole commands first, which take longest: the last file to begin then is a short one."""
    items.sort(key=lambda item: len(item.path.parts))


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


@pytest.fixture
def trained() -> Callable[..., Trained]:
    """`trained(upsample, model, encoder)`: a network whose norms have statistics of their own, of 3 colours to 3
    classes or as many colours, seeded."""

    def make(
        upsample: dict[str, Any], model: dict[str, Any] | None = None, encoder: dict[str, Any] | None = None
    ) -> Trained:
        torch.manual_seed(0)
        model = model or {"name": "unet"}
        task = {"dcgan": "gan"} | dict.fromkeys(("unet", "deeplab"), "segmentation")
        config = {
            "task": {"name": task.get(model["name"], "super_resolution")},
            "model": model,
            "upsample": upsample,
            "encoder": encoder or {"family": "plain", "width": 4, "depth": 1},
            "data": {"name": "earth"},
            "seed": 0,
            "mean": [0.3, 0.4, 0.5],
            "std": [0.2, 0.25, 0.3],
            "classes": ["ocean", "land", "lake"],
            "palette": [[0, 0, 200], [100, 200, 0], [200, 0, 0]],
            "ignore_index": 255,
        }
        network = models.build(config, 3, 3)
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.running_mean.normal_()
                module.running_var.uniform_(0.5, 2)
                nn.init.uniform_(module.weight, 0.5, 2)
                nn.init.normal_(module.bias)
        return Trained(Saved(config, network.state_dict()))

    return make
