"""Where in a network the checkerboard of its output comes from: its layers' phases are equalised one by one."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from upsample.columns import columns
from upsample.models.evaluating import evaluating
from upsample.models.period import period_of, scale_of
from upsample.models.phased import Phased, followed_on, phased
from upsample.models.repair import level_biases, project
from upsample.models.tracing import trace

if TYPE_CHECKING:  # the instrument imports torchmetrics, which takes seconds
    from upsample.instrument.fixed_pattern import FixedPattern
    from upsample.instrument.outputs import OutputResult
    from upsample.instrument.shifts import ShiftResult

SHIFTS = 4  # of each image, in each of the measurements
IMAGES = 16  # at most, in each
SILENT = 0.1  # of the whole pattern: a layer that makes less by itself is not where it comes from


@dataclass(frozen=True)
class Part:
    """What one layer has to do with the fixed pattern. Root mean squares over all channels, in the output's units."""

    names: tuple[str, ...]
    what: str
    imbalance: float  # the largest, of its weights
    without: float  # the pattern that is left when this layer's phases are equalised
    alone: float  # the pattern that is left when all the others' are
    period: int  # of the latter, the exclusive period that holds most of it

    @property
    def name(self) -> str:
        """The first of its names."""
        return self.names[0] or "(the model)"


@dataclass(frozen=True)
class Attribution:
    """Where a fixed pattern comes from. str() is a table."""

    whole: float  # the fixed pattern of the network as it is, rms over all channels
    repaired: float  # with all of the layers' phases equalised
    deviation: float  # of the output, over all channels
    layers: tuple[Part, ...]  # in the network's order
    kept: tuple[tuple[str, str], ...]  # (name, reason) of layers that could not be equalised
    pattern: "FixedPattern"  # of the network as it is
    channels: tuple[str, ...]

    @property
    def sources(self) -> tuple[Part, ...]:
        """The layers that make a tenth of the pattern or more by themselves, the strongest first."""
        if not self.pattern.shown:
            return ()
        # What is left with all phases equal is made by none of them.
        least = (SILENT * self.whole) ** 2 + self.repaired**2
        return tuple(sorted((p for p in self.layers if p.alone**2 >= least), key=lambda p: -p.alone))

    def __str__(self) -> str:
        def amount(rms: float) -> str:
            share = f"{rms / self.deviation:.2%}" if self.deviation else "-"
            return f"{rms:.2g} ({share})"

        head = ("layer", "imbalance", "makes alone", "left without it", "period")
        rows = [(p.name, f"{p.imbalance:.2f}", amount(p.alone), amount(p.without), str(p.period)) for p in self.layers]
        lines = columns([head, *rows])
        shown = "" if self.pattern.shown else ", which is none shown"
        lines += [
            "",
            f"fixed pattern: {amount(self.whole)} of the output's deviation{shown}; "
            f"{amount(self.repaired)} with all of these layers' phases equal.",
        ]
        if self.sources:
            lines.append(f"It comes from {', '.join(p.name for p in self.sources)}.")
        elif self.pattern.shown:
            lines.append("It comes from none of these layers by itself.")
        lines += [f"not equalised: {name}: {why}" for name, why in self.kept]
        return "\n".join(lines)


def attribute(
    network: nn.Module,
    images: Tensor | Sequence[Tensor],
    period: int | None = None,
    measure: "Callable[[nn.Module], ShiftResult | OutputResult] | None" = None,
) -> Attribution:
    """Measure the fixed pattern with each layer's phases equalised, and with those of all but that layer.

    network  maps images (N, C, H, W) to outputs of the same size, or of several times it; it is left as it was
    images   as it takes them, a batch or a sequence of batches; at most 16 of them are measured, in 4 windows each
    period   of its grid, in output pixels; None: as its forward shows
    measure  what measures network instead, such as lambda network: a `GridInOutputs` result of what a generator
             makes; images then serve to follow its forward only
    Layers are equalised as `upsample.repair` does it without images; where each phase has one tap only the bias is.
    Raises ValueError where nothing could be measured, with the reason.
    """
    with evaluating(network):
        found, kept = phased(network, followed := trace(network, followed_on(images), operators=True))
        if measure is None:
            measure = _by_shifting(images, period or period_of(followed), scale_of(followed))
        batches = [images] if isinstance(images, Tensor) else [*images]
        usable, refused = _usable(network, found, batches)
        before = _pattern(measure(network))
        parts = []
        for layer in usable:
            with equal(network, [layer], batches):
                without = _pattern(measure(network))[0]
            with equal(network, [other for other in usable if other is not layer], batches):
                alone, by_period = _pattern(measure(network))[:2]
            period_held = before[2].harmonics.periods[int(by_period.argmax())]
            parts.append(Part(layer.names, layer.what, layer.imbalance().largest, without, alone, period_held))
        with equal(network, usable, batches):
            repaired = _pattern(measure(network))[0]
    whole, _, pattern, deviation, channels = before
    return Attribution(whole, repaired, deviation, tuple(parts), (*kept, *refused), pattern, tuple(channels))


def _by_shifting(images: Tensor | Sequence[Tensor], period: int, scale: int) -> "Callable[[nn.Module], ShiftResult]":
    """The measure by shifting, on a few of the images."""
    from upsample.instrument.shifts import GridByShifting

    def measure(network: nn.Module) -> "ShiftResult":
        grid = GridByShifting(period, scale=scale, shifts=min(SHIFTS, (period // scale) ** 2), images=IMAGES)
        for batch in [images] if isinstance(images, Tensor) else images:
            grid.update(network, batch)
        return grid.result()

    return measure


def _pattern(result: "ShiftResult | OutputResult") -> tuple[float, Tensor, "FixedPattern", float, list[str]]:
    """(rms over all channels and periods, the power by period, the pattern, the deviation, channels) of a result."""
    if result.pattern is None or result.deviation is None:
        unmeasured = getattr(result, "unmeasured", {})
        reasons = dict.fromkeys(unmeasured.values()) if unmeasured else [getattr(result, "reason", "")]
        raise ValueError(f"the fixed pattern was not measured: {'; '.join(reasons)}")
    power = result.pattern.by_period.square().mean(0)
    deviation = result.deviation.square().mean().sqrt().item()
    return power.sum().sqrt().item(), power, result.pattern, deviation, result.channels


def _usable(
    network: nn.Module, layers: Sequence[Phased], batches: Sequence[Tensor]
) -> tuple[list[Phased], list[tuple[str, str]]]:
    """The layers that can be equalised, and (name, reason) of the others."""
    usable, refused = [], []
    for layer in layers:
        try:
            with equal(network, [layer], batches):
                usable.append(layer)
        except ValueError as error:
            refused.append((layer.name, str(error)))
    return usable, refused


@contextmanager
def equal(network: nn.Module, layers: Sequence[Phased], batches: Sequence[Tensor]) -> Iterator[None]:
    """While inside, the layers' phases answer alike. Raises ValueError for a layer that cannot be made so."""
    kept = [(p, p.detach().clone()) for layer in layers for p in layer.module.parameters()]
    try:
        whole = [layer for layer in layers if layer.dealt is None or layer.taps() > 1]
        for why in project(whole).values():
            raise ValueError(why)
        biased = [layer for layer in layers if layer not in whole]
        if any(layer.module.bias is None for layer in biased):
            raise ValueError("each of its phases has one tap and no bias: there is nothing to equalise")
        if biased:
            level_biases(network, biased, batches[:1])
        yield
    finally:
        with torch.no_grad():
            for parameter, value in kept:
                parameter.copy_(value)
