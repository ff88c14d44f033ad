"""What `callbacks.compile=true` brings."""

from copy import deepcopy

import numpy as np
import torch

import models
from benchmarks.configuration import configuration, device
from benchmarks.measure import Line, ratios, seconds, take_turns
from benchmarks.training.steps import RESNET18
from benchmarks.training.turns import forward_backward

# What is compiled, and the batch that a step of it sees.
NETWORKS: dict[str, tuple[list[str], tuple[int, ...]]] = {
    "default U-Net": ([], (8, 3, 128, 128)),
    "U-Net on ResNet-18": (RESNET18, (4, 3, 256, 256)),
    "SRResNet": (["model=srresnet"], (4, 3, 48, 48)),
}


def compiled(rounds: int) -> list[Line]:
    """The network as written against its compiled form; of both, the first step is told, not counted."""
    torch.compiler.config.force_disable_caches = True  # as on a machine that has not compiled it before
    lines = []
    for name, (overrides, shape) in NETWORKS.items():
        network = models.build(configuration(*overrides), 3, 3).to(memory_format=torch.channels_last).to(device())
        other = deepcopy(network)
        x = torch.randn(shape, device=device()).contiguous(memory_format=torch.channels_last)
        plain, fast = forward_backward(network, network, x), forward_backward(other, torch.compile(other.forward), x)
        first = seconds(fast)
        before, after = take_turns([plain, fast], rounds)
        saved = float(np.median(before) - np.median(after))
        note = f"{first:.0f} s to compile, won back " + (f"in {first / saved:.0f} steps" if saved > 0 else "never")
        lines.append(Line(f"{name}, compiled", "as written", ratios(before, after), None, note=note))
    return lines
