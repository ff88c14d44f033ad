"""What to feed a model whose input nobody told."""

import inspect
from collections.abc import Iterator
from typing import Any

import torch
from torch import nn

from upsample.algebra.polyphase import Convolution, Transposed

SIZES = {1: (256, 1024), 2: (64, 224, 256), 3: (32, 64)}  # pixels along each side, by axes, tried in turn


def required(module: nn.Module) -> list[str]:
    """The names of what forward must be given."""
    try:
        parameters = inspect.signature(module.forward).parameters.values()
    except (ValueError, TypeError):
        return ["x"]
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return [p.name for p in parameters if p.kind in kinds and p.default is inspect.Parameter.empty]


def examples(module: nn.Module) -> Iterator[tuple[Any, ...]]:
    """Zeros of the shapes that the module's first layer with weights would take, one guess after the other.

    Nothing for a module that takes more than one input.
    """
    if len(required(module)) > 1:
        return
    device = next((p.device for p in [*module.parameters(), *module.buffers()]), torch.device("cpu"))
    dtype = next((p.dtype for p in module.parameters() if p.is_floating_point()), torch.float32)
    for shape, kind in _shapes(module):
        yield (torch.zeros(shape, dtype=kind or dtype, device=device),)


def _shapes(module: nn.Module) -> Iterator[tuple[tuple[int, ...], torch.dtype | None]]:
    first = None
    for each in module.modules():
        if isinstance(each, Convolution | Transposed | nn.Linear | nn.Embedding | nn.BatchNorm2d):
            first = each
            break
    if isinstance(first, Convolution | Transposed):
        axes = len(first.kernel_size)
        for channels in dict.fromkeys([first.in_channels, 3, 1]):
            for size in SIZES[axes]:
                yield (1, channels, *[size] * axes), None
    elif isinstance(first, nn.Linear):
        yield (1, first.in_features), None
        yield (1, 64, first.in_features), None
        for size in SIZES[2]:
            yield (1, 3, size, size), None
    elif isinstance(first, nn.Embedding):
        yield (1, 16), torch.long
    else:
        channels = first.num_features if isinstance(first, nn.BatchNorm2d) else 4
        for axes in (2, 1, 3):
            yield (1, channels, *[SIZES[axes][0]] * axes), None
