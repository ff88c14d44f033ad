"""An encoder of depthwise convolutions with the gradients that it trains with, and with torch's own."""

from collections.abc import Callable

import torch
from torch import nn

from benchmarks.configuration import autocast, device
from benchmarks.measure import Line, ratios, take_turns
from models.networks.depthwise import with_fast_gradients

NAME, SHAPE = "tf_efficientnet_lite0", (8, 3, 320, 320)


def step(network: nn.Module, images: torch.Tensor) -> Callable[[], None]:
    """Forward and backward, as the trainer runs it."""

    def work() -> None:
        with autocast():
            features = network(images)
        sum(each.float().mean() for each in features).backward()

    return work


def encoders(rounds: int) -> list[Line]:
    """EfficientNet-Lite0 alone, as `encoder=efficientnet_lite0` has it."""
    import timm  # here, not above: an optional extra

    images = torch.rand(SHAPE).to(device(), memory_format=torch.channels_last)
    ours, plain = (timm.create_model(NAME, features_only=True).to(images) for _ in range(2))
    for network in (ours, plain):
        network.to(memory_format=torch.channels_last)
    with_fast_gradients(ours)
    fast, slow = take_turns([step(ours, images), step(plain, images)], rounds)
    note = f"{1000 * min(slow):.0f} → {1000 * min(fast):.0f} ms at best, {' x '.join(map(str, SHAPE))}"
    return [
        Line("EfficientNet-Lite0, forward and backward", "with torch's gradients", ratios(slow, fast), 1.5, note=note)
    ]
