"""Known inputs for any upsampler: what its weights alone do not say is read off its output."""

from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from upsample.contract import available, build

CHUNK = 2**18  # input values per forward pass, so that wide layers are probed in bounded memory


def frozen(module: nn.Module) -> nn.Module:
    """A copy on the CPU, in evaluation mode and float64, whose probing leaves the original as it is."""
    return deepcopy(module).cpu().double().eval().requires_grad_(False)


def input_channels(module: nn.Module) -> int:
    """What the module's first convolution takes, or 1 where it has none (a fixed interpolation takes any)."""
    known = (getattr(m, "in_channels", None) for m in module.modules())
    return next((channels for channels in known if isinstance(channels, int)), 1)


@torch.no_grad()
def scale_of(module: nn.Module, in_channels: int) -> int:
    """Output pixels per input pixel of a frozen module, whatever it adds or crops at the border.

    Raises ValueError where the module cannot be fed or does not enlarge both axes by one integer.
    """
    zeros = torch.zeros(1, in_channels, 48, 48, dtype=torch.float64)
    try:
        sizes = [module(zeros[..., :n, :n]).shape[2:] for n in (24, 48)]
    except Exception as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise ValueError(
            f"{type(module).__name__} cannot be probed with an input of {in_channels} channels: {reason}"
        ) from error
    growth = {(b - a) / 24 for a, b in zip(*sizes, strict=True)}
    scale = growth.pop()
    if growth or scale != int(scale) or scale < 1:
        raise ValueError(
            f"{type(module).__name__} turns 24x24 pixels into {'x'.join(map(str, sizes[0]))}: "
            "not the same integer factor along both axes"
        )
    return int(scale)


@torch.no_grad()
def constant_response(module: nn.Module, in_channels: int | None = None) -> Tensor:
    """What each output phase answers to constants, as (scale**2, out_channels, in_channels + 1) float64.

    Column c is the answer to 1 in channel c less the answer to zeros, which is the last column. The
    input grows until the middle third of the output repeats itself, or has 96 pixels a side.
    """
    module = frozen(module)
    channels = input_channels(module) if in_channels is None else in_channels
    scale = scale_of(module, channels)
    inputs = torch.eye(channels + 1, channels, dtype=torch.float64)  # the last row is zero
    for size in (24, 48, 96):
        inner = slice(scale * (size // 3), 2 * scale * (size // 3))
        means, ripple = [], 0.0
        for some in inputs.split(max(1, CHUNK // (channels * size**2))):
            y = module(some[..., None, None].expand(-1, -1, size, size))[..., inner, inner]
            periods = y.unflatten(3, (-1, scale)).unflatten(2, (-1, scale))  # (N, C, periods, s, periods, s)
            means.append(periods.mean((2, 4)))
            ripple = max(ripple, (periods - means[-1][:, :, None, :, None]).abs().max().item())
        answers = torch.cat(means)
        if ripple <= 1e-9 * answers.abs().max().item():
            break
    answers = answers.flatten(2).permute(2, 1, 0)  # (phases, out, inputs)
    return torch.cat([answers[..., :-1] - answers[..., -1:], answers[..., -1:]], -1)


class Alone(nn.Module):
    """An operator as a function of x alone: the skip or the pooling indices that it needs are noise (seed 0)."""

    def __init__(self, name: str, in_channels: int, out_channels: int, scale: int, **options: Any) -> None:
        super().__init__()
        self.in_channels, self.scale = in_channels, scale
        extras = {"skip_channels": in_channels, "indices_channels": in_channels}
        self.operator = build(name, in_channels, out_channels, scale, **extras, **options)
        self.needs = available()[name].needs

    def forward(self, x: Tensor) -> Tensor:
        """(N, in_channels, H, W) -> (N, out_channels, scale*H, scale*W)."""
        if not self.needs:
            return self.operator(x)
        shape = 1, self.in_channels, self.scale * x.shape[2], self.scale * x.shape[3]
        skip = torch.randn(shape, generator=torch.Generator().manual_seed(0)).to(x).expand(len(x), -1, -1, -1)
        return self.operator(x, skip, F.max_pool2d(skip, self.scale, return_indices=True)[1])


@torch.no_grad()
def footprint(module: nn.Module, in_channels: int) -> Tensor:
    """How strongly one input pixel moves each output pixel, (s*(2*r+1), s*(2*r+1)) float64, r input pixels around it.

    Root of the sum over all channels of the squared derivatives, by differences around noise of unit
    variance (seed 0): exact for a linear layer, and exactly 0 where the pixel moves nothing. r is the
    smallest that holds everything it moves, at most 32.
    """
    module = frozen(module)
    scale = scale_of(module, in_channels)
    for reach in (8, 32):
        size = 2 * reach + 1
        lit = torch.zeros(in_channels, in_channels, size, size, dtype=torch.float64)
        lit[range(in_channels), range(in_channels), reach, reach] = 1
        moved = torch.cat(list(_moved(module, lit))).sum(0).sqrt()
        reached = ((moved > 0).nonzero() // scale - reach).abs().max().item() if moved.any() else 0
        if reached < reach:
            break
    inner = slice(scale * int(reach - reached), scale * int(reach + reached + 1))
    return moved[inner, inner]


@torch.no_grad()
def overlap_map(module: nn.Module, in_channels: int, blocks: int) -> Tensor:
    """How many input pixels of channel 0 move each output pixel, (s*blocks, s*blocks) int64, far from the border."""
    module = frozen(module)
    scale = scale_of(module, in_channels)
    around = len(footprint(module, in_channels)) // scale // 2
    size = blocks + 2 * around  # every pixel that can reach the blocks in the middle
    lit = torch.zeros(size**2, in_channels, 3 * size, 3 * size, dtype=torch.float64)
    places = torch.arange(size**2)
    lit[places, 0, size + places // size, size + places % size] = 1
    counts = sum((part > 0).sum(0) for part in _moved(module, lit))
    assert isinstance(counts, Tensor)
    inner = slice(scale * (size + around), scale * (size + around + blocks))
    return counts[inner, inner]


def _moved(module: nn.Module, lit: Tensor) -> Iterator[Tensor]:
    """By how much each output pixel moves, squared and summed over channels, (n, H, W), for chunks of (n, C, h, w)."""
    noise = torch.randn(lit.shape[1:], dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    still, step = module(noise[None]), 1e-3
    for some in lit.split(max(1, CHUNK // noise.numel())):
        moved = ((module(noise + step * some) - still) / step).square().sum(1)
        yield torch.where(moved > 1e-22 * moved.max(), moved, 0)  # rounding is about 1e-26 of what is moved


@torch.no_grad()
def transposed_inside(module: nn.Module) -> nn.ConvTranspose2d | None:
    """The transposed convolution that the module is, where it is one and nothing else."""
    convs = [m for m in module.modules() if isinstance(m, nn.ConvTranspose2d)]
    if len(convs) != 1:
        return None
    x = torch.randn(1, convs[0].in_channels, 5, 5, generator=torch.Generator().manual_seed(0)).to(convs[0].weight)
    try:
        y, z = module(x), convs[0](x)
    except Exception:  # what is inside takes something else than the whole does
        return None
    return convs[0] if y.shape == z.shape and torch.equal(y, z) else None


@torch.no_grad()
def is_linear(module: nn.Module, in_channels: int) -> bool:
    """Whether the module answers a sum of two noises with the sum of its answers, bias apart."""
    module = frozen(module)
    x = torch.randn(3, in_channels, 9, 9, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    x[2] = x[0] + x[1]
    y, still = module(x), module(torch.zeros_like(x[:1]))[0]
    return torch.allclose(y[2] - still, y[0] + y[1] - 2 * still)
