"""What one operator does, as numbers and as the curves and maps that upsample.pages.pictures draws."""

from copy import deepcopy
from dataclasses import dataclass
from math import lcm
from typing import Any

import torch
from torch import Tensor

from upsample.algebra.footprint import counts_of, footprint, footprint_of, overlap_map
from upsample.algebra.imbalance import imbalance_of, phase_imbalance
from upsample.algebra.overlap import even_settings, overlap
from upsample.algebra.polyphase import Polyphase, Transposed, polyphase
from upsample.algebra.response import frozen, measured_polyphase, transposed_inside
from upsample.algebra.spectrum import gain_of, imaging_of, power_gain
from upsample.contract import available
from upsample.pages.alone import Alone
from upsample.pages.listing import macs_per_pixel

STEP_AT = 16  # input column where the step rises, of twice as many


@dataclass(frozen=True)
class Response:
    """How the operator answers with one setting of its weights."""

    step: Tensor  # (2*16*s,): one output row across a step from 0 to 1; the plateau's mean is 1
    gain: Tensor  # (s*31,): |H|^2 at frequencies 0, 1/(31 s), .. cycles per output pixel across, 1 at zero
    imbalance: float
    imaging: float


@dataclass(frozen=True)
class Explanation:
    """One operator, built with `channels` in and out and fresh weights (seed 0), as measured."""

    name: str
    setting: str  # of the transposed convolution if it is one, and the other options that were asked for
    scale: int
    channels: int
    parameters: int
    macs_per_pixel: float
    footprint: Tensor  # see upsample.algebra.response.footprint
    taps: Tensor | None  # (k, k, 2): output row and column of each tap, of the lit pixel's block; transposed only
    counts: Tensor  # see upsample.algebra.response.overlap_map; the output of 3 x 3 input pixels or more
    fresh: Response  # as initialised
    equal: Response | None  # every convolution weight 1, which leaves only the geometry; linear operators only
    advice: str  # what to do about holes or uneven overlap, or nothing

    @property
    def hole_fraction(self) -> float:
        """Share of the output pixels that no input pixel reaches."""
        return (self.counts == 0).double().mean().item()

    def __str__(self) -> str:
        counts = " / ".join(" ".join(map(str, row)) for row in self.counts[: self.scale, : self.scale].tolist())
        lines = [
            (f"{self.name} at scale {self.scale}", self.setting or "default options"),
            ("parameters", f"{self.parameters:,} with {self.channels} channels in and out"),
            ("multiply-adds", f"{self.macs_per_pixel:,.0f} per output pixel"),
            ("input pixels that reach each output pixel", counts),
            ("holes", f"{self.hole_fraction:.0%} of the output pixels"),
            ("checkerboard on a constant, fresh weights", f"{self.fresh.imbalance:.3f}"),
            ("energy of spectral images / base band", f"{self.fresh.imaging:.3f}"),
        ]
        if self.equal is not None:
            lines.insert(-1, ("checkerboard on a constant, equal weights", f"{self.equal.imbalance:.3f}"))
        if self.advice:
            lines.append(("what would be even", self.advice))
        return "\n".join(f"{key:43}{value}" for key, value in lines)


def explain(name: str, scale: int = 2, **options: Any) -> Explanation:
    """Build the operator called `name` and measure it. allow_holes=True and balanced=False are implied: what a kernel
    does by itself, holes and all, is the story.

    Raises ValueError for what `upsample.build` refuses.
    """
    asked = dict(options)
    for key, implied in (("allow_holes", True), ("balanced", False)):
        if name in available() and key in available()[name].options:
            options.setdefault(key, implied)
    channels = lcm(4, scale**2)  # what grouped operators divide
    channels *= max(1, 16 // channels)  # enough random kernels to see what they do on average
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        module = Alone(name, channels, channels, scale, **options)
    conv = transposed_inside(module)
    parts = measured_polyphase(module, channels) if conv is None else polyphase(conv)
    equal = None
    if parts is not None and (flat := _equal_weights(module)) is not None:
        geometry = transposed_inside(flat)
        equal = _respond(flat, measured_polyphase(flat, channels) if geometry is None else polyphase(geometry))
    blocks = max(3, 8 // scale)
    return Explanation(
        name=name,
        setting=_setting(conv, asked),
        scale=scale,
        channels=channels,
        parameters=sum(p.numel() for p in module.parameters()),
        macs_per_pixel=macs_per_pixel(module, channels),
        footprint=footprint(module, channels) if parts is None else footprint_of(parts),
        taps=None if conv is None else _taps(conv),
        counts=overlap_map(module, channels, blocks) if parts is None else counts_of(parts).repeat(blocks, blocks),
        fresh=_respond(module, parts),
        equal=equal,
        advice="" if conv is None else _advice(conv),
    )


@torch.no_grad()
def _respond(module: Alone, parts: Polyphase | None) -> Response:
    """The answers of a module, from its phases where they are known."""
    channels, scale = module.in_channels, module.scale
    step = torch.zeros(1, channels, 2 * STEP_AT, 2 * STEP_AT, dtype=torch.float64)
    answer = frozen(module) if parts is None else parts
    still = answer(step)
    step[:, 0, :, STEP_AT:] = 1
    rows = (answer(step) - still)[0, :, scale * STEP_AT]  # the middle row: (out_channels, 2*16*s)
    plateau = rows[:, scale * (STEP_AT + 6) : scale * (STEP_AT + 12)].mean(1)
    best = int(plateau.abs().argmax())  # the channel that answers most, which says most about the edge
    gain = power_gain(module, channels) if parts is None else gain_of(parts)
    return Response(
        step=rows[best] / plateau[best],
        gain=gain[0] / gain[0, 0],
        imbalance=phase_imbalance(module, channels) if parts is None else imbalance_of(parts),
        imaging=imaging_of(gain),
    )


@torch.no_grad()
def _equal_weights(module: Alone) -> Alone | None:
    """A copy with every convolution weight 1 and no bias; None where nothing would change."""
    module = deepcopy(module)
    kernels = [p for p in module.parameters() if p.dim() == 4]
    for parameter in module.parameters():
        if parameter.dim() in (1, 4):
            parameter.fill_(float(parameter.dim() == 4))
    return module if kernels else None


def _setting(conv: Transposed | None, options: dict[str, Any]) -> str:
    parts = []
    if conv is not None:
        options = {key: value for key, value in options.items() if key not in ("kernel_size", "dilation")}
        parts = [f"kernel {conv.kernel_size[0]}, stride {conv.stride[0]}, dilation {conv.dilation[0]}"]
        parts += [f"padding {conv.padding[0]}"]
        parts += [f"output_padding {conv.output_padding[0]}"] if conv.output_padding[0] else []
    return ", ".join([*parts, *(f"{key}={value}" for key, value in options.items())])


def _taps(conv: Transposed) -> Tensor:
    axes = [
        torch.arange(conv.kernel_size[a]) * conv.dilation[a] - int(conv.padding[a])  # input pixel 0
        for a in (0, 1)
    ]
    return torch.stack(torch.meshgrid(*axes, indexing="ij"), -1)


def _advice(conv: Transposed) -> str:
    kernel_size, stride, dilation = conv.kernel_size[0], conv.stride[0], conv.dilation[0]
    if overlap(kernel_size, stride, dilation).even:
        return ""
    near = even_settings(kernel_size, stride, dilation)
    return ", or ".join(f"kernel_size={k} dilation={d}" for k, d in near)
