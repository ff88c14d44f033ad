"""Weights for an upsampling layer that make it answer as nearly as it can like another one, whose phases are known."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from upsample.algebra.polyphase import Convolution, Polyphase, Transposed
from upsample.algebra.response import frozen, is_linear, noise

STEPS = 200  # of L-BFGS, where there is no closed form
SIZES = {1: 24, 2: 12, 3: 7}  # of the noise that layers are compared on, by axes


def match(new: nn.Module, old: nn.Module, parts: Polyphase) -> None:
    """Set the parameters of `new`, by least squares, so that it answers like `old`. Both are in float64 on the CPU.

    parts: the phases of `old`. Where `new` is linear with one dense convolution in it, its response to an impulse
    is linear in that convolution's weight, with the same matrix for every pair of channels: one small least-squares
    problem gives the optimum, which is the exact equal where there is one. Any other layer is fitted
    by L-BFGS on white noise, to a local optimum, in the parameters that its output is linear in: what
    predicts kernels or offsets stays as built, since noise has nothing to teach it.
    """
    out, channels, axes = *channels_of(parts), len(parts.stride)
    conv = _only_convolution(new, out, channels, axes)
    if conv is not None:
        _solve(new, conv, parts)
        return
    x = _noise(channels, axes, seed=0)
    if fitted := _linear_parameters(new, x):
        with torch.no_grad():
            expected = old(x)
        _descend(new, x, expected, fitted)


def channels_of(parts: Polyphase) -> tuple[int, int]:
    """(out_channels, in_channels)."""
    out, per_group = next(iter(parts.phases.values())).kernel.shape[:2]
    return out, per_group * parts.groups


@torch.no_grad()
def relative_error(new: nn.Module, old: nn.Module, channels: int, axes: int) -> float:
    """|new(x) - old(x)| / |old(x)| on white noise (seed 1), borders included, in evaluation mode and float64."""
    x = _noise(channels, axes, seed=1)
    expected = frozen(old)(x)
    return ((frozen(new)(x) - expected).norm() / expected.norm()).item()


def _noise(channels: int, axes: int, seed: int) -> Tensor:
    """(N, channels, *size), with rows of output enough to settle every weight."""
    return noise(max(2, -(-channels // 36)), channels, *[SIZES[axes]] * axes, seed=seed)


def _only_convolution(new: nn.Module, out: int, channels: int, axes: int) -> Transposed | Convolution | None:
    convs = [m for m in new.modules() if isinstance(m, Transposed | Convolution)]
    if len(convs) != 1 or sum(p.dim() == 2 + axes for p in new.parameters()) != 1:
        return None
    dense = convs[0].groups == 1 and convs[0].in_channels == channels
    if not dense or convs[0].out_channels % out or not is_linear(new, channels, axes):
        return None
    return convs[0]


@torch.no_grad()
def _solve(new: nn.Module, conv: Transposed | Convolution, parts: Polyphase) -> None:
    """Least squares over the taps of one pair of channels, then the same for all pairs."""
    axes = len(parts.stride)
    (kernel,) = (p for p in new.parameters() if p.dim() == 2 + axes)
    out, channels = channels_of(parts)
    each = conv.out_channels // out  # a pixel shuffle has as many parts as phases
    count = kernel[0, 0].numel() * each

    def set_taps(taps: Tensor) -> None:
        """taps (out, in, count) -> the parameter."""
        weight = taps.unflatten(2, (each, *kernel.shape[2:])).transpose(1, 2).flatten(0, 1)
        kernel.copy_(weight.transpose(0, 1) if isinstance(conv, Transposed) else weight)

    landings = {r: torch.tensor(parts.landings(r)) for r in parts.phases}
    furthest = max(
        int((place.abs().amax(0) // torch.tensor(parts.stride)).max()) for place in landings.values() if len(place)
    )
    middle = (8 if axes < 3 else 4) + furthest  # far enough from the border for both layers
    impulse = kernel.new_zeros(1, channels, *[2 * middle + 1] * axes)
    still = new(impulse)[0]
    impulse[:, 0].view(-1)[impulse[0, 0].numel() // 2] = 1  # the middle of an odd number of pixels
    columns = []
    for some in torch.arange(count).split(out):  # one tap in each output channel, many in one pass
        taps = kernel.new_zeros(out, channels, count)
        taps[torch.arange(len(some)), 0, some] = 1
        set_taps(taps)
        columns.append((new(impulse)[0] - still)[: len(some)])
    answers = torch.cat(columns).flatten(1).T  # (output pixels, count)

    # Of each group (groups, out per group, in per group): between groups there is nothing, whose solution is 0.
    groups, per = parts.groups, (out // parts.groups, channels // parts.groups)
    wanted = torch.zeros(groups, *per, *still.shape[1:], dtype=torch.float64)
    for r, part in parts.phases.items():
        taps_of = part.kernel.double().cpu().flatten(2).unflatten(0, (groups, -1)).movedim(-1, 0)
        for place, tap in zip(landings[r].tolist(), taps_of, strict=True):
            wanted[:, :, :, *(s * middle + at for s, at in zip(parts.stride, place, strict=True))] = tap
    target = wanted.flatten(3).flatten(0, 2).T  # (output pixels, groups * out * in)
    solution = torch.linalg.lstsq(answers, target, driver="gelsd").solution  # of many, the smallest
    of_groups = solution.T.reshape(groups, *per, count).movedim(-1, 0)
    set_taps(torch.stack([torch.block_diag(*each) for each in of_groups], -1))
    bias = torch.stack(
        [kernel.new_zeros(out) if p.bias is None else p.bias.double().cpu() for p in parts.phases.values()]
    )
    for parameter in new.parameters():
        if parameter.dim() == 1:
            share = len(parameter) // out
            parameter.copy_(bias.T.flatten() if share == len(bias) else bias.mean(0).repeat_interleave(share))


@torch.no_grad()
def _linear_parameters(new: nn.Module, x: Tensor) -> list[nn.Parameter]:
    """Those on which new(x) depends linearly (the others held): f(p + a) + f(p + b) = f(p) + f(p + a + b)."""
    found, at, generator = [], new(x), torch.Generator().manual_seed(2)
    for parameter in new.parameters():
        kept = parameter.clone()
        one, other = torch.randn(2, *kept.shape, dtype=kept.dtype, generator=generator)
        answers = []
        for step in (one, other, one + other):
            parameter.copy_(kept + step)
            answers.append(new(x))
        parameter.copy_(kept)
        if torch.allclose(answers[0] + answers[1], at + answers[2]):
            found.append(parameter)
    return found


def _descend(new: nn.Module, x: Tensor, expected: Tensor, fitted: list[nn.Parameter]) -> None:
    optimizer = torch.optim.LBFGS(
        fitted, max_iter=STEPS, history_size=20, tolerance_change=1e-12, line_search_fn="strong_wolfe"
    )

    def loss() -> Tensor:
        new.zero_grad()
        value = F.mse_loss(new(x), expected) / expected.square().mean()
        value.backward()
        return value

    with torch.enable_grad():
        optimizer.step(loss)
    new.zero_grad()
