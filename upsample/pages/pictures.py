"""Pictures of upsampling operators: where the taps land, what overlaps, and what that does to a step and a wave."""

import os
from collections.abc import Sequence
from pathlib import Path

import torch
import torch.nn.functional as F
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from upsample.pages.explain import STEP_AT, Explanation

# Okabe & Ito's colours, which colour-blind readers tell apart.
BLUE, ORANGE, VERMILLION, GREY = "#0072B2", "#E69F00", "#D55E00", "#7F7F7F"
FLOOR_DB = -50
ROW_INCHES = 5.2


def draw(explanations: Sequence[Explanation], path: Path) -> None:
    """Write one PNG, a row of four panels for each operator, to `path` (its folder is made if need be)."""
    figure = Figure(figsize=(17, ROW_INCHES * len(explanations)), dpi=120, layout="constrained")
    rows = figure.subfigures(len(explanations), 1, squeeze=False)[:, 0]
    for row, explanation in zip(rows, explanations, strict=True):
        title = "   ".join(filter(None, [explanation.name, explanation.setting, f"scale {explanation.scale}"]))
        row.suptitle(f"{title}\n", x=0.012, ha="left", fontsize=15, fontweight="bold")  # and room for:
        row.text(0.012, 1 - 0.35 / ROW_INCHES, _summary(explanation), va="top", fontsize=12)
        lands, counts, step, gain = row.subplots(1, 4, width_ratios=(1, 1, 1.25, 1.25))
        _draw_footprint(lands, explanation)
        _draw_counts(counts, explanation)
        _draw_step(step, explanation)
        _draw_gain(gain, explanation)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    figure.savefig(part, format="png")
    os.replace(part, path)


def _summary(explanation: Explanation) -> str:
    equal = "" if explanation.equal is None else f", {explanation.equal.imbalance:.2f} with equal weights"
    return (
        f"{explanation.macs_per_pixel:,.0f} multiply-adds per output pixel "
        f"({explanation.channels} channels)   |   checkerboard on a constant: {explanation.fresh.imbalance:.2f} "
        f"with fresh weights{equal}   |   spectral images / base band: {explanation.fresh.imaging:.2f}"
    )


def _draw_footprint(axes: Axes, explanation: Explanation) -> None:
    """Output pixels moved by one input pixel, on both grids."""
    scale, lands = explanation.scale, explanation.footprint
    across = len(lands) // scale // 2 + 1  # input pixels shown on each side of the lit one
    _grid(axes, F.pad(lands / lands.max(), [scale] * 4), scale, "Blues", vmax=1.4)
    lit = scale * across
    axes.add_patch(Rectangle((lit, lit), scale, scale, fill=False, edgecolor=VERMILLION, linewidth=2.5, zorder=4))
    taps = [] if explanation.taps is None else explanation.taps.flatten(0, 1).tolist()
    numbered = 0 < len(taps) <= 64  # more would not be legible
    if numbered:
        for number, (row, column) in enumerate(taps, 1):
            axes.text(lit + column + 0.5, lit + row + 0.5, str(number), ha="center", va="center", fontsize=8)
    axes.set_title("Where one input pixel lands", fontsize=11)
    how = "numbered by tap" if numbered else "darker where stronger"
    axes.set_xlabel(
        f"blue: output pixels it reaches, {how}\nthick frame: the input pixel\nbold grid: input, fine grid: output",
        fontsize=9,
    )


def _draw_counts(axes: Axes, explanation: Explanation) -> None:
    """How many input pixels reach each output pixel."""
    scale, counts = explanation.scale, explanation.counts
    most = max(int(counts.max()), 1)
    _grid(axes, counts / most, scale, "Greens", vmax=2)
    size = 9 if len(counts) <= 9 else 7
    for row, line in enumerate(counts.tolist()):
        for column, count in enumerate(line):
            if count == 0:
                hole = Rectangle(
                    (column, row), 1, 1, facecolor="white", edgecolor=VERMILLION, hatch="////", linewidth=0
                )
                axes.add_patch(hole)
            axes.text(column + 0.5, row + 0.5, str(count), ha="center", va="center", fontsize=size, zorder=5)
    axes.set_title("Input pixels that reach each output pixel", fontsize=11)
    if explanation.hole_fraction:
        verdict = f"hatched: {explanation.hole_fraction:.0%} holes, where only the bias arrives"
    elif counts.min() == counts.max():
        verdict = "even: every output pixel gets as many"
    else:
        verdict = "uneven: some output pixels get more than others"
    axes.set_xlabel(verdict, fontsize=9)


def _grid(axes: Axes, values: torch.Tensor, scale: int, colours: str, vmax: float) -> None:
    size = len(values)
    axes.imshow(values.numpy(), cmap=colours, vmin=0, vmax=vmax, extent=(0, size, size, 0), interpolation="nearest")
    for at in range(size + 1):
        bold = at % scale == 0
        for line in (axes.axhline, axes.axvline):
            line(at, color="black" if bold else GREY, linewidth=1.1 if bold else 0.4, zorder=3)
    axes.set(xticks=[], yticks=[], xlim=(0, size), ylim=(size, 0))


def _draw_step(axes: Axes, explanation: Explanation) -> None:
    """One output row across an edge."""
    scale = explanation.scale
    shown = slice(scale * (STEP_AT - 4), scale * (STEP_AT + 6))
    at = (torch.arange(len(explanation.fresh.step)) + 0.5) / scale - STEP_AT
    axes.step([-4, 0, 0, 6], [0, 0, 1, 1], color=GREY, linewidth=4, alpha=0.4, label="input: an edge")
    axes.plot(
        at[shown], explanation.fresh.step[shown], "o-", color=BLUE, markersize=4, label="fresh weights (one channel)"
    )
    if explanation.equal is not None:
        axes.plot(
            at[shown], explanation.equal.step[shown], "s--", color=ORANGE, markersize=4, label="all weights equal"
        )
    axes.set_title("Step response: a flat plateau stays flat, or ripples", fontsize=11)
    axes.set(xlabel="input pixels from the edge (one output row)", ylabel="output, plateau scaled to mean 1")
    axes.set_xlim(-4, 6)
    axes.set_ylim(top=1.35 * axes.get_ylim()[1])  # room for the legend
    axes.grid(alpha=0.3)
    axes.legend(loc="upper left", fontsize=9)


def _draw_gain(axes: Axes, explanation: Explanation) -> None:
    """Power gain along one axis; beyond the base band lie the images of what lies within."""
    scale, gain = explanation.scale, explanation.fresh.gain
    frequency = torch.arange(len(gain) // 2 + 1) / len(gain)
    base = 0.5 / scale
    axes.axvspan(base, 0.5, color=VERMILLION, alpha=0.09, linewidth=0)
    axes.axvline(base, color=GREY, linewidth=1)
    for m in range(1, scale // 2 + 1):
        label = "where a checkerboard lies" if m == 1 else None
        axes.axvline(m / scale, color=VERMILLION, linestyle=":", linewidth=2, label=label)
    lines = [(explanation.fresh, "o-", BLUE, "fresh weights (all channels)")]
    if explanation.equal is not None:
        lines.append((explanation.equal, "s--", ORANGE, "all weights equal"))
    for response, style, colour, label in lines:
        decibels = 10 * response.gain[: len(frequency)].clamp(min=1e-30).log10()
        axes.plot(frequency, decibels.clamp(min=FLOOR_DB), style, color=colour, markersize=3, label=label)
    axes.set_title("Frequency response", fontsize=11)
    axes.set(xlabel="cycles per output pixel", ylabel="power gain (dB, 0 = on constants)")
    axes.set(xlim=(0, 0.505), ylim=(FLOOR_DB - 2, 14))
    axes.text(0.005, 13, "the image", ha="left", va="top", fontsize=9)
    axes.text((base + 0.5) / 2, 13, "its spectral images", ha="center", va="top", fontsize=9)
    axes.grid(alpha=0.3)
    axes.legend(loc="lower left", fontsize=9)
