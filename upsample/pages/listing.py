"""The table of all operators: what each costs, how evenly it upsamples, and what to know about it."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from math import lcm, prod
from shutil import get_terminal_size
from textwrap import wrap
from typing import Any

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from upsample.algebra.phases import phase_imbalance
from upsample.algebra.response import Alone, overlap_map
from upsample.contract import Operator, available


@dataclass(frozen=True)
class Row:
    """One operator as measured with its default options, freshly initialised (seed 0)."""

    name: str
    parameters: int
    macs_per_pixel: float  # multiply-adds per output pixel, all channels together
    overlap: tuple[int, int]  # fewest and most input pixels that any output pixel depends on
    imbalance: float  # phase_imbalance at initialisation
    advice: str


def rows(scale: int) -> tuple[int, list[Row]]:
    """Measure every registered operator at `scale`; returns (channels, rows), channels in and out being the same."""
    channels = lcm(4, scale**2)  # what grouped operators divide
    channels *= max(1, 64 // channels)
    return channels, [_measure(name, operator, channels, scale) for name, operator in available().items()]


def _measure(name: str, operator: Operator, channels: int, scale: int) -> Row:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        module = Alone(name, channels, channels, scale)
    counts = overlap_map(module, channels, blocks=3)
    return Row(
        name,
        sum(p.numel() for p in module.parameters()),
        macs_per_pixel(module, channels),
        (int(counts.min()), int(counts.max())),
        phase_imbalance(module, channels),
        advice(operator.build, type(module.operator)),
    )


def advice(*declared: Any) -> str:
    """The first "Pitfall" that these docstrings name, else the first sentence of the first of them."""
    texts = [" ".join((d.__doc__ or "").split()) for d in declared]
    pitfalls = (re.search(r"Pitfalls?: (.+)", text) for text in texts)
    text = next((found.group(1) for found in pitfalls if found), texts[0])
    short = re.split(r"\.(?= |$)|;", text)[0]
    return short if "_" in short.split(" ")[0] else short[:1].upper() + short[1:]  # a parameter's name stays as it is


def macs_per_pixel(module: nn.Module, in_channels: int, size: int = 32) -> float:
    """Multiply-adds per output pixel, counted while the module runs on a size x size input.

    torch.utils.flop_counter counts convolutions and matrix products (2 FLOPs each multiply-add), which is
    right for those; what it leaves at zero is added here: 4 per value for bilinear interpolation and sampling,
    16 for bicubic, the window for average pooling, 1 for an elementwise product.
    """

    def each(macs: int) -> Callable[..., int]:
        return lambda *args, out_shape, **kwargs: 2 * macs * prod(out_shape)

    def pooled(x: Any, window: list[int], *args: Any, out_shape: list[int], **kwargs: Any) -> int:
        return 2 * prod(window) * prod(out_shape)

    aten = torch.ops.aten
    counter = FlopCounterMode(
        display=False,
        custom_mapping={
            aten.upsample_bilinear2d: each(4),
            aten.grid_sampler_2d: each(4),
            aten.upsample_bicubic2d: each(16),
            aten.mul: each(1),
            aten.addcmul: each(1),
            aten.avg_pool2d: pooled,
        },
    )
    x = torch.zeros(1, in_channels, size, size)
    with counter, torch.no_grad():
        y = module.eval()(x)
    return counter.get_total_flops() / 2 / y[0, 0].numel()


def table(scale: int) -> str:
    """The rows as plain text, the advice wrapped to the terminal's width."""
    channels, measured = rows(scale)
    head = ("name", "parameters", "MACs/pixel", "overlap", "imbalance")
    cells = [
        (
            row.name,
            f"{row.parameters:,}",
            f"{row.macs_per_pixel:,.0f}",
            "-".join(map(str, sorted(set(row.overlap)))),
            f"{row.imbalance:.2f}",
        )
        for row in measured
    ]
    widths = [max(len(line[i]) for line in [head, *cells]) for i in range(len(head))]
    left = sum(widths) + 2 * len(widths)
    room = max(30, get_terminal_size((120, 24)).columns - left)

    def line(values: tuple[str, ...], advice: str) -> list[str]:
        start = "  ".join(
            [values[0].ljust(widths[0]), *(v.rjust(w) for v, w in zip(values[1:], widths[1:], strict=True))]
        )
        first, *more = wrap(advice, room) or [""]
        return [f"{start}  {first}", *(" " * left + m for m in more)]

    lines = line(head, "to know")
    for values, row in zip(cells, measured, strict=True):
        lines += line(values, row.advice)
    return "\n".join(
        [
            *lines,
            "",
            f"{channels} channels in and out, scale {scale}, default options, fresh weights (seed 0).",
            "MACs/pixel: multiply-adds per output pixel. overlap: input pixels that an output pixel depends on,",
            "fewest-most over the output phases. imbalance: the checkerboard printed on a constant input, 0 is none.",
        ]
    )
