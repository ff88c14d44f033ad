"""What `trainer.compile=true` brings."""

from collections.abc import Callable
from copy import deepcopy

import numpy as np
import torch
from torch import Tensor, nn

import models
from benchmarks.configuration import autocast, configuration, device
from benchmarks.measure import Line, ratios, seconds, take_turns
from benchmarks.steps import RESNET18

# What is compiled, and the batch that a step of it sees.
NETWORKS: dict[str, tuple[list[str], tuple[int, ...]]] = {
    "default U-Net": ([], (8, 3, 128, 128)),
    "U-Net on ResNet-18": (RESNET18, (4, 3, 256, 256)),
    "SRResNet": (["model=srresnet"], (4, 3, 48, 48)),
}


def step(network: nn.Module, form: Callable[[Tensor], Tensor], x: Tensor) -> Callable[[], object]:
    """Forward and backward."""

    def run() -> None:
        network.zero_grad()
        with autocast():
            y = form(x)
        y.float().square().mean().backward()

    return run


def compiled(rounds: int) -> list[Line]:
    """The network as written against its compiled form; of both, the first step is told, not counted."""
    torch.compiler.config.force_disable_caches = True  # as on a machine that has not compiled it before
    lines = []
    for name, (overrides, shape) in NETWORKS.items():
        network = models.build(configuration(*overrides), 3, 3).to(memory_format=torch.channels_last).to(device())
        other = deepcopy(network)
        x = torch.randn(shape, device=device()).contiguous(memory_format=torch.channels_last)
        plain, fast = step(network, network, x), step(other, torch.compile(other.forward), x)
        first = seconds(fast)
        before, after = take_turns([plain, fast], rounds)
        saved = float(np.median(before) - np.median(after))
        note = f"{first:.0f} s to compile, won back " + (f"in {first / saved:.0f} steps" if saved > 0 else "never")
        lines.append(Line(f"{name}, compiled", "as written", ratios(before, after), None, note=note))
    return lines
