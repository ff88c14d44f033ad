"""Which output pixels an input pixel of an image reaches, and how many reach each output pixel."""

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from upsample.algebra.polyphase import Polyphase
from upsample.algebra.response import CHUNK, frozen, noise, scale_of


@torch.no_grad()
def footprint(layer: nn.Module, in_channels: int) -> Tensor:
    """How strongly one input pixel of an image moves each output pixel, (s*(2*r+1), s*(2*r+1)) float64.

    Root of the sum over all channels of the squared derivatives, by differences around noise of unit
    variance (seed 0): exact for a linear layer, and exactly 0 where the pixel moves nothing. r, in input
    pixels, is the smallest that holds everything it moves, at most 32.
    """
    module = frozen(layer)
    scale = scale_of(module, in_channels, 2)
    for reach in (8, 32):
        size = 2 * reach + 1
        lit = torch.zeros(in_channels, in_channels, size, size, dtype=torch.float64)
        lit[range(in_channels), range(in_channels), reach, reach] = 1
        moved = torch.cat(list(_moved(module, lit))).sum(0).sqrt()
        block = torch.tensor(scale)
        reached = int((moved.nonzero() // block - reach).abs().max()) if moved.any() else 0
        if reached < reach:
            break
    return moved[tuple(slice(s * (reach - reached), s * (reach + reached + 1)) for s in scale)]


def footprint_of(parts: Polyphase) -> Tensor:
    """`footprint` of an image layer whose phases are known, without feeding it."""
    axes = [[place[a] for r in parts.phases for place in parts.landings(r)] for a in (0, 1)]
    reach = max(max(-(min(axis) // s), max(axis) // s) for axis, s in zip(axes, parts.stride, strict=True))
    strength = torch.zeros([s * (2 * reach + 1) for s in parts.stride], dtype=torch.float64)
    for r, part in parts.phases.items():
        taps = part.kernel.double().square().sum((0, 1)).sqrt().flatten()
        for (row, column), value in zip(parts.landings(r), taps, strict=True):
            strength[row + parts.stride[0] * reach, column + parts.stride[1] * reach] = value
    return strength


def counts_of(parts: Polyphase) -> Tensor:
    """How many input pixels of any one channel move each output pixel, (*stride) int64: nonzero taps by phase."""
    reached = [(part.kernel != 0).flatten(0, 1).any(0).sum() for part in parts.phases.values()]
    return torch.stack(reached).view(parts.stride)


@torch.no_grad()
def overlap_map(layer: nn.Module, in_channels: int, blocks: int) -> Tensor:
    """How many input pixels of channel 0 move each output pixel, (s*blocks, s*blocks) int64, far from the border."""
    module = frozen(layer)
    scale = scale_of(module, in_channels, 2)
    around = len(footprint(module, in_channels)) // scale[0] // 2
    reaching, margin = blocks + 2 * around, around + 1  # what can reach the blocks, and what is left around it
    lit = torch.zeros(reaching**2, in_channels, *[reaching + 2 * margin] * 2, dtype=torch.float64)
    places = torch.arange(reaching**2)
    lit[places, 0, margin + places // reaching, margin + places % reaching] = 1
    counts = sum((part > 0).sum(0) for part in _moved(module, lit))
    assert isinstance(counts, Tensor)
    first = margin + around
    return counts[tuple(slice(s * first, s * (first + blocks)) for s in scale)]


def _moved(module: nn.Module, lit: Tensor) -> Iterator[Tensor]:
    """By how much each output pixel moves, squared and summed over channels, (n, H, W), for chunks of (n, C, h, w)."""
    around = noise(*lit.shape[1:])
    still, step = module(around[None]), 1e-3
    for some in lit.split(max(1, CHUNK // around.numel())):
        moved = ((module(around + step * some) - still) / step).square().sum(1)
        yield torch.where(moved > 1e-22 * moved.max(), moved, 0)  # rounding is about 1e-26 of what is moved
