"""How strong a checkerboard a layer prints on constant inputs, from its phases alone."""

from math import inf

import torch
from torch import Tensor, nn

from upsample.algebra.polyphase import Polyphase
from upsample.algebra.response import constant_response, phases_of

ROUNDING = 1e-6  # of the weights' sizes: what float32 sums differ by, which is no imbalance
DEAD = 1e-6  # of the strongest channel: a channel weaker than that prints nothing that is seen


class Imbalance(float):
    """A layer's phase imbalance, a number, with what a number over all channels hides beside it.

    worst    that of the output channel where it is largest
    channel  which one that is
    bias     what biases that differ from phase to phase print, in the same unit; 0 where all phases share one
    """

    worst: float
    channel: int
    bias: float

    def __new__(cls, whole: float, worst: float, channel: int, bias: float) -> "Imbalance":
        self = super().__new__(cls, whole)
        self.worst, self.channel, self.bias = worst, channel, bias
        return self

    def __getnewargs__(self) -> tuple[float, float, int, float]:  # type: ignore[override]  # copies and pickles
        return float(self), self.worst, self.channel, self.bias

    def __repr__(self) -> str:
        return f"Imbalance({float(self):.4g}, worst={self.worst:.4g}, channel={self.channel}, bias={self.bias:.4g})"

    @property
    def largest(self) -> float:
        """The largest of the three: a layer prints nothing where this is 0."""
        return max(float(self), self.worst, self.bias)


def phase_imbalance(layer: nn.Module, in_channels: int | None = None) -> Imbalance:
    """How strong a checkerboard the layer prints on constant inputs: 0 is none.

        D = sqrt(mean_r |G_r - mean G|^2) / |mean G|

    with G_r (out_channels, in_channels) the answer of output phase r to a constant 1 in each input
    channel, that is the sum of the taps that reach the phase. `worst` is D of one output channel alone
    (a row of G), `bias` the same deviation of the phases' biases, over the same |mean G|.
    Sugawara, Shiota & Kiya (ICIP 2018) name D = 0 as the condition to avoid checkerboards; random
    independent weights give sqrt(phases - 1). Infinite where the phases average to nothing, NaN where
    weights are.

    layer: one of 1, 2 or 3 axes. Where `polyphase` knows the weights, D is read from them. Any other
    module with forward(x (N, in_channels, *size)) is measured as a black box, in evaluation mode:
    `in_channels` defaults to what its first convolution takes, or 1. Raises ValueError where the
    module cannot be fed or its weights are on the meta device.
    """
    parts = phases_of(layer, in_channels)
    if parts is not None:
        return imbalance_of(parts)
    answers = constant_response(layer, in_channels)
    return _imbalance(answers[..., :-1], answers[..., -1], answers[..., :-1].abs())


def imbalance_of(parts: Polyphase) -> Imbalance:
    """`phase_imbalance` of a layer whose phases are known. Raises ValueError for weights on the meta device."""
    phases = list(parts.phases.values())
    if phases[0].kernel.is_meta:
        raise ValueError("the weights are on the meta device: there are no values to read")
    kernels = [part.kernel.cpu().double().flatten(2) for part in phases]
    sums, sizes = torch.stack([k.sum(2) for k in kernels]), torch.stack([k.abs().sum(2) for k in kernels])
    none = sums.new_zeros(sums.shape[1])
    biases = torch.stack([none if part.bias is None else part.bias.cpu().double() for part in phases])
    return _imbalance(sums, biases, sizes)


def _imbalance(answers: Tensor, biases: Tensor, sizes: Tensor) -> Imbalance:
    """answers (phases, out, in), biases (phases, out), sizes (phases, out, in): absolute values summed alike."""
    if not (answers.isfinite().all() and biases.isfinite().all()):
        return Imbalance(torch.nan, torch.nan, 0, torch.nan)

    def deviation(of: Tensor, size: Tensor) -> Tensor:
        """Per output channel, root mean square over the phases, 0 where it is rounding."""
        found = (of - of.mean(0)).square().sum(2).mean(0).sqrt()
        return torch.where(found > ROUNDING * size.square().sum(2).amax(0).sqrt(), found, 0)

    def ratio(of: float, level: float) -> float:
        return of / level if level else (inf if of else 0.0)

    level = answers.mean(0).norm(dim=1)
    printed = deviation(answers, sizes)
    printed_by_bias = deviation(biases[..., None], biases[..., None])
    strength = answers.square().sum(2).mean(0).sqrt()
    each = [
        ratio(*pair) if alive else 0.0
        for *pair, alive in zip(
            printed.tolist(), level.tolist(), (strength > DEAD * strength.max()).tolist(), strict=True
        )
    ]
    channel = max(range(len(each)), key=each.__getitem__)
    whole = ratio(printed.norm().item(), level.norm().item())
    return Imbalance(whole, each[channel], channel, ratio(printed_by_bias.norm().item(), level.norm().item()))
