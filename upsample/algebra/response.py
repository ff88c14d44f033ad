"""Known inputs for any upsampler: what its weights alone do not say is read off its output.

A linear layer that does the same everywhere is known by its answers to single lit pixels; a layer whose
answer depends on the content is fed constants and noise.
"""

from collections.abc import Sequence
from copy import deepcopy
from itertools import product

import torch
from torch import Tensor, nn

from upsample.algebra.polyphase import Convolution, Phase, Place, Polyphase, Transposed, polyphase

CHUNK = 2**18  # input values per forward pass, so that wide layers are probed in bounded memory
REACHES = {1: (4, 16, 64), 2: (2, 4, 8, 16, 32), 3: (3, 6)}  # input pixels around a lit one, by axes, tried in turn
SIZES = {1: (24, 48, 96), 2: (24, 48, 96), 3: (12, 24)}  # of constant inputs, by axes, tried in turn


def frozen(module: nn.Module) -> nn.Module:
    """A copy on the CPU, in evaluation mode and float64, whose probing leaves the original as it is.

    Raises ValueError where there are no values to copy: weights on the meta device.
    """
    if any(p.is_meta for p in module.parameters()):
        raise ValueError(f"the weights of {type(module).__name__} are on the meta device: there are no values to read")
    try:
        return deepcopy(module).cpu().double().eval().requires_grad_(False)
    except RuntimeError as error:  # a weight that is computed from others and kept, say
        raise ValueError(f"{type(module).__name__} cannot be copied to be probed: {error}") from error


def input_channels(module: nn.Module) -> int:
    """What the module's first convolution takes, or 1 where it has none (a fixed interpolation takes any)."""
    known = (getattr(m, "in_channels", None) for m in module.modules())
    return next((channels for channels in known if isinstance(channels, int)), 1)


def axes_of(module: nn.Module) -> int:
    """The spatial axes of the module's input: those of its first convolution or interpolation, else 2."""
    for m in module.modules():
        if isinstance(m, Transposed | Convolution):
            return len(m.kernel_size)
        if isinstance(m, nn.Upsample) and m.mode in ("linear", "trilinear"):
            return {"linear": 1, "trilinear": 3}[m.mode]
    return 2


@torch.no_grad()
def scale_of(module: nn.Module, in_channels: int, axes: int) -> Place:
    """Output pixels per input pixel of a frozen module, axis by axis, whatever it adds or crops at the border.

    Raises ValueError where the module cannot be fed or does not enlarge its axes by whole numbers.
    """
    try:
        sizes = [module(torch.zeros(1, in_channels, *[n] * axes, dtype=torch.float64)).shape[2:] for n in (8, 16)]
    except Exception as error:  # anyone's module, fed with what it may not take
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise ValueError(
            f"{type(module).__name__} cannot be probed with an input of {in_channels} channels: {reason}"
        ) from error
    growth = [(b - a) / 8 for a, b in zip(*sizes, strict=True)]
    if len(growth) != axes or any(scale != int(scale) or scale < 1 for scale in growth):
        raise ValueError(
            f"{type(module).__name__} turns {'x'.join(['8'] * axes)} pixels into {'x'.join(map(str, sizes[0]))}: "
            "not a whole number of output pixels for each input pixel"
        )
    return tuple(int(scale) for scale in growth)


def phases_of(layer: nn.Module, in_channels: int | None = None) -> Polyphase | None:
    """The layer's phases, read from its weights where `polyphase` knows them, measured where not.

    None where it is not linear or not the same everywhere. Raises ValueError where it cannot be fed.
    """
    try:
        return polyphase(layer)
    except TypeError:
        return measured_polyphase(layer, in_channels)


@torch.no_grad()
def measured_polyphase(layer: nn.Module, in_channels: int | None = None, axes: int | None = None) -> Polyphase | None:
    """The phases of any module forward(x (N, in_channels, *size)), from its answers to single lit pixels.

    They hold away from the border, which is not looked at. None where the module is not linear, not the
    same everywhere, or reaches further than 32 input pixels: that is, where they do not foretell its answer
    to noise. `in_channels` and `axes` default to those of its first convolution, or 1 and 2.
    Raises ValueError where the module cannot be fed.
    """
    module, axes = frozen(layer), axes_of(layer) if axes is None else axes
    channels = input_channels(module) if in_channels is None else in_channels
    scale = scale_of(module, channels, axes)
    if not is_linear(module, channels, axes) or not _is_same_everywhere(module, channels, scale):
        return None
    for reach in REACHES[axes]:
        parts = _from_impulses(module, channels, scale, reach)
        if parts is not None and _foretells(parts, module, channels, 2 * reach):
            return parts
    return None


def _from_impulses(module: nn.Module, channels: int, scale: Place, reach: int) -> Polyphase | None:
    """Phases of a linear module from one lit pixel in each channel; None where they go beyond `reach`."""
    axes, side = len(scale), 2 * reach + 1
    still = module(torch.zeros(1, channels, *[side] * axes, dtype=torch.float64))
    answers = []
    for some in torch.arange(channels).split(max(1, CHUNK // (channels * side**axes))):
        lit = still.new_zeros(len(some), channels, *[side] * axes)
        middle: list[int] = [reach] * axes
        lit[torch.arange(len(some)), some, *middle] = 1
        answers.append(module(lit) - still)
    extra = tuple(n - s * side for n, s in zip(still.shape[2:], scale, strict=True))
    # (in, out, *size) -> (out, in, block, phase, block, phase, ...)
    uncropped = [slice(s * side) for s in scale]
    whole = torch.cat(answers)[:, :, *uncropped].transpose(0, 1)
    if any(n < s * side for n, s in zip(whole.shape[2:], scale, strict=True)):
        return None
    for a in reversed(range(axes)):
        whole = whole.unflatten(2 + a, (side, scale[a]))
    whole = torch.where(whole.abs() > 1e-13 * whole.abs().max(), whole, 0)
    touched = (whole != 0).flatten(0, 1).any(0)
    spread = 0
    for a in range(axes):
        blocks = touched.movedim(2 * a, 0).flatten(1).any(1).nonzero()
        spread = max(spread, int((blocks - reach).abs().max()) if len(blocks) else 0)
    if spread >= reach:
        return None
    inner = slice(reach - spread, reach + spread + 1)
    phases = {}
    for r in product(*map(range, scale)):
        kernel = whole[..., *(index for place in r for index in (inner, place))]
        middle = [s * reach + place for s, place in zip(scale, r, strict=True)]
        # A pixel behind is seen by taps in front: the answers in reverse are the kernel.
        phases[r] = Phase(kernel.flip(*range(2, 2 + axes)), (-spread,) * axes, still[0, :, *middle])
    return Polyphase(phases, scale, (1,) * axes, extra, 1)


def _is_same_everywhere(module: nn.Module, channels: int, scale: Place) -> bool:
    """Whether the middle of the answer to noise moves along with the noise, by one input pixel."""
    axes = len(scale)
    middle = REACHES[axes][-1] // 2
    x = noise(1, channels, *[2 * middle + 2] * axes)
    moved = x.roll([1] * axes, [*range(2, 2 + axes)])
    block = [[slice(s * at, s * (at + 1)) for s in scale] for at in (middle, middle + 1)]
    here, there = module(x)[:, :, *block[0]], module(moved)[:, :, *block[1]]
    return torch.allclose(here, there, rtol=1e-9, atol=1e-9 * here.abs().max().item())


def _foretells(parts: Polyphase, module: nn.Module, channels: int, margin: int) -> bool:
    """Whether the phases give what the module answers to noise, further than `margin` input pixels from the border."""
    x = noise(1, channels, *[2 * margin + 3] * len(parts.stride))
    inner = [slice(s * margin, s * (margin + 3)) for s in parts.stride]
    found, foretold = module(x)[:, :, *inner], parts(x)[:, :, *inner]
    return torch.allclose(found, foretold, rtol=1e-9, atol=1e-9 * foretold.abs().max().item())


def noise(*shape: int, seed: int = 0) -> Tensor:
    """White noise of unit variance, float64."""
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


@torch.no_grad()
def is_linear(module: nn.Module, in_channels: int, axes: int) -> bool:
    """Whether a frozen module answers a sum of two noises with the sum of its answers, bias apart."""
    x = noise(3, in_channels, *[9] * axes)
    x[2] = x[0] + x[1]
    y, still = module(x), module(torch.zeros_like(x[:1]))[0]
    return torch.allclose(y[2] - still, y[0] + y[1] - 2 * still)


@torch.no_grad()
def constant_response(layer: nn.Module, in_channels: int | None = None) -> Tensor:
    """What each output phase answers to constants, as (prod(scale), out_channels, in_channels + 1) float64.

    Column c is the answer to 1 in channel c less the answer to zeros, which is the last column. The
    input grows until the middle third of the output repeats itself, or has 96 pixels a side.
    """
    module, axes = frozen(layer), axes_of(layer)
    channels = input_channels(module) if in_channels is None else in_channels
    scale = scale_of(module, channels, axes)
    inputs = torch.eye(channels + 1, channels, dtype=torch.float64)  # the last row is zero
    for size in SIZES[axes]:
        inner = tuple(slice(s * (size // 3), 2 * s * (size // 3)) for s in scale)
        means, ripple = [], 0.0
        for some in inputs.split(max(1, CHUNK // (channels * size**axes))):
            periods = module(some.view(*some.shape, *[1] * axes).expand(-1, -1, *[size] * axes))[..., *inner]
            for a in reversed(range(axes)):
                periods = periods.unflatten(2 + a, (-1, scale[a]))  # (N, C, periods, s, periods, s, ...)
            over = tuple(range(2, 2 + 2 * axes, 2))
            means.append(periods.mean(over))
            ripple = max(ripple, (periods - periods.mean(over, keepdim=True)).abs().max().item())
        answers = torch.cat(means)
        if ripple <= 1e-9 * answers.abs().max().item():
            break
    answers = answers.flatten(2).permute(2, 1, 0)  # (phases, out, inputs)
    return torch.cat([answers[..., :-1] - answers[..., -1:], answers[..., -1:]], -1)


@torch.no_grad()
def transposed_inside(module: nn.Module) -> Transposed | None:
    """The transposed convolution that the module is, where it is one and nothing else."""
    convs = [m for m in module.modules() if isinstance(m, Transposed)]
    if len(convs) != 1 or convs[0].weight.is_meta:
        return None
    shape: Sequence[int] = (1, convs[0].in_channels, *[5] * len(convs[0].kernel_size))
    x = noise(*shape).to(convs[0].weight)
    try:
        y, z = module(x), convs[0](x)
    except Exception:  # what is inside takes something else than the whole does
        return None
    rounding = 64 * torch.finfo(z.dtype).eps * z.abs().max()  # operators compute the layer in another order
    return convs[0] if y.shape == z.shape and bool((y - z).abs().max() <= rounding) else None
