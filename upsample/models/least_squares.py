"""Weights for an upsampling layer that make it answer as nearly as it can like a given transposed convolution."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from upsample.algebra.response import is_linear

STEPS = 200  # of L-BFGS, where there is no closed form


def match(new: nn.Module, old: nn.ConvTranspose2d) -> None:
    """Set the parameters of `new`, by least squares, so that it answers like `old`. Both are in float64 on the CPU.

    Where `new` is linear with one dense convolution in it, its response to an impulse is linear in that
    convolution's weight, with the same matrix for every pair of channels: one small least-squares
    problem gives the optimum, which is the exact equal where there is one. Any other layer is fitted
    by L-BFGS on white noise, to a local optimum, in the parameters that its output is linear in: what
    predicts kernels or offsets stays as built, since noise has nothing to teach it.
    """
    conv = _only_convolution(new, old)
    if conv is not None:
        _solve(new, conv, old)
    elif fitted := _linear_parameters(new, _noise(old, seed=0)):
        _descend(new, old, fitted)


@torch.no_grad()
def relative_error(new: nn.Module, old: nn.ConvTranspose2d) -> float:
    """|new(x) - old(x)| / |old(x)| on white noise (seed 1), borders included. Both are in float64."""
    x = _noise(old, seed=1)
    expected = old(x)
    return ((new(x) - expected).norm() / expected.norm()).item()


def _noise(old: nn.ConvTranspose2d, seed: int) -> Tensor:
    """(N, in_channels, 12, 12), with rows of output enough to settle every weight."""
    images = max(2, -(-old.in_channels // 36))
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(images, old.in_channels, 12, 12, dtype=torch.float64, generator=generator)


def _only_convolution(new: nn.Module, old: nn.ConvTranspose2d) -> nn.Conv2d | nn.ConvTranspose2d | None:
    convs = [m for m in new.modules() if isinstance(m, nn.Conv2d | nn.ConvTranspose2d)]
    if len(convs) != 1 or sum(p.dim() == 4 for p in new.parameters()) != 1 or not is_linear(new, old.in_channels, 2):
        return None
    dense = convs[0].groups == 1 and convs[0].in_channels == old.in_channels
    return convs[0] if dense and convs[0].out_channels % old.out_channels == 0 else None


@torch.no_grad()
def _solve(new: nn.Module, conv: nn.Conv2d | nn.ConvTranspose2d, old: nn.ConvTranspose2d) -> None:
    """Least squares over the taps of one pair of channels, then the same for all pairs."""
    (kernel,) = (p for p in new.parameters() if p.dim() == 4)
    out, parts = old.out_channels, conv.out_channels // old.out_channels  # a pixel shuffle has s**2 parts
    count = parts * conv.kernel_size[0] * conv.kernel_size[1]

    def set_taps(taps: Tensor) -> None:
        """taps (out, in, count) -> the parameter."""
        weight = taps.unflatten(2, (parts, *conv.kernel_size)).transpose(1, 2).flatten(0, 1)
        kernel.copy_(weight.transpose(0, 1) if isinstance(conv, nn.ConvTranspose2d) else weight)

    s, (kh, kw), (dh, dw) = old.stride[0], old.kernel_size, old.dilation
    middle = 8 + max(dh * (kh - 1), dw * (kw - 1)) // s  # far enough from the border for both layers
    impulse = kernel.new_zeros(1, old.in_channels, 2 * middle + 1, 2 * middle + 1)
    still = new(impulse)[0]
    impulse[0, 0, middle, middle] = 1
    columns = []
    for some in torch.arange(count).split(out):  # one tap in each output channel, many in one pass
        taps = kernel.new_zeros(out, old.in_channels, count)
        taps[torch.arange(len(some)), 0, some] = 1
        set_taps(taps)
        columns.append((new(impulse)[0] - still)[: len(some)])
    answers = torch.cat(columns).flatten(1).T  # (output pixels, count)

    rows = s * middle + dh * torch.arange(kh) - int(old.padding[0])
    across = s * middle + dw * torch.arange(kw) - int(old.padding[1])
    wanted = torch.zeros(len(answers), kh * kw, dtype=torch.float64)  # column k: where tap k of `old` lands
    wanted[(rows[:, None] * still.shape[2] + across).flatten(), torch.arange(kh * kw)] = 1
    solution = torch.linalg.lstsq(answers, wanted, driver="gelsd").solution  # of many, the smallest

    grouped = old.weight.flatten(2).unflatten(0, (old.groups, -1))  # (groups, in/groups, out/groups, taps)
    dense = torch.stack([torch.block_diag(*tap) for tap in grouped.permute(3, 0, 1, 2)], -1)  # (in, out, taps)
    set_taps(torch.einsum("ck,iok->oic", solution, dense))
    for parameter in new.parameters():
        if parameter.dim() == 1:
            bias = kernel.new_zeros(out) if old.bias is None else old.bias
            parameter.copy_(bias.repeat_interleave(len(parameter) // out))


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


def _descend(new: nn.Module, old: nn.ConvTranspose2d, fitted: list[nn.Parameter]) -> None:
    x = _noise(old, seed=0)
    with torch.no_grad():
        expected = old(x)
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
