"""Known inputs for any upsampler: what its weights alone do not say is read off its output."""

from copy import deepcopy

import torch
from torch import Tensor, nn

CHUNK = 2**24  # input values per forward pass, so that wide layers are probed in bounded memory


def frozen(module: nn.Module) -> nn.Module:
    """A copy in evaluation mode and float64 whose probing leaves the original as it is."""
    return deepcopy(module).eval().double().requires_grad_(False)


def input_channels(module: nn.Module) -> int:
    """What the module's first convolution takes, or 1 where it has none (a fixed interpolation takes any)."""
    known = (getattr(m, "in_channels", None) for m in module.modules())
    return next((channels for channels in known if isinstance(channels, int)), 1)


def device_of(module: nn.Module) -> torch.device:
    """Where the module's parameters lie."""
    return next((p.device for p in module.parameters()), torch.device("cpu"))


@torch.no_grad()
def scale_of(module: nn.Module, in_channels: int) -> int:
    """Output pixels per input pixel, whatever the layer adds or crops at the border.

    Raises ValueError where the module cannot be fed or does not enlarge both axes by one integer.
    """
    zeros = torch.zeros(1, in_channels, 48, 48, dtype=torch.float64, device=device_of(module))
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
    inputs = torch.eye(channels + 1, channels, dtype=torch.float64, device=device_of(module))  # the last row is zero
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
