"""A picture of a fixed pattern: an image with and without it, the pattern itself, how strong it is at each period."""

import os
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure, FigureBase
from torch import Tensor

from upsample.instrument.fixed_pattern import LEVEL, FixedPattern

BLUE, VERMILLION, GREY = "#0072B2", "#D55E00", "#BBBBBB"  # Okabe & Ito's, which colour-blind readers tell apart
LEAST, MOST = 12, 64  # pixels a side of what is shown of a pattern
SHOWN = 4  # channels at most, the strongest
PATCH = 48  # pixels a side of what is shown of an image, in whole periods; for longer periods one of them


def without(image: Tensor, found: FixedPattern) -> tuple[Tensor, Tensor]:
    """The middle of an image (C, H, W) in whole periods, (C, S, S), and the same with the pattern taken out of it."""
    period = found.period
    side = min(max(1, PATCH // period), *(length // period for length in image.shape[-2:])) * period
    top, left = ((length - side) // 2 // period * period for length in image.shape[-2:])
    patch = image[:, top : top + side, left : left + side]
    return patch, patch - found.drawn(side, found.periods).to(patch)


def draw_pattern(found: FixedPattern, channels: list[str], unit: str, title: str, image: Tensor, path: Path) -> None:
    """Write a PNG to `path`: the mean pattern of each channel where one is shown, and its rms by period.

    image  (C, H, W) float, one of those measured, in grey levels of 0 to 255: where a pattern is shown, its middle is
           magnified with and without it
    """
    figure = Figure(figsize=(13, 7.6) if found.shown else (5, 3.9), dpi=120, layout="constrained")
    figure.suptitle(title, x=0.01, ha="left", fontsize=12)
    if found.shown:
        upper, lower = figure.subfigures(2, 1, squeeze=False)[:, 0]
        first, second, bars = upper.subplots(1, 3, width_ratios=[1, 1, 1.6])
        for axis, patch, name in zip(
            (first, second), without(image, found), ("the first image", "without the pattern"), strict=True
        ):
            draw_patch(axis, patch, name)
        draw_channels(lower, found, channels, unit)
    else:
        bars = figure.subplots()
    draw_periods(bars, found, unit)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    figure.savefig(part, format="png")
    os.replace(part, path)


def draw_patch(axis: Axes, patch: Tensor, name: str) -> None:
    """A patch (C, S, S) of an image in grey levels, each pixel magnified."""
    shown = (patch / 255).clamp(0, 1).permute(1, 2, 0).numpy()
    axis.imshow(shown if len(patch) == 3 else shown[..., 0], cmap="gray", vmin=0, vmax=1, interpolation="nearest")
    axis.set(xticks=[], yticks=[])
    axis.set_title(name, fontsize=10)
    axis.set_xlabel(f"its middle, {patch.shape[1]} x {patch.shape[2]} pixels", fontsize=9)


def draw_channels(figure: FigureBase, found: FixedPattern, channels: list[str], unit: str) -> None:
    """The pattern of each of the strongest channels, each pixel magnified, all on one scale."""
    strongest = sorted(range(len(channels)), key=lambda c: -found.rms[c].item())[:SHOWN]
    axes = figure.subplots(1, len(strongest), squeeze=False)[0]
    side = min(MOST, -(-LEAST // found.period) * found.period)
    pattern = found.drawn(side, found.periods)
    reach = pattern[strongest].abs().max().item()
    for channel, axis in zip(strongest, axes, strict=True):
        drawn = axis.imshow(pattern[channel].numpy(), cmap="RdBu_r", vmin=-reach, vmax=reach, interpolation="nearest")
        for line in range(0, side + 1, found.period):
            axis.axhline(line - 0.5, color="black", linewidth=0.6)
            axis.axvline(line - 0.5, color="black", linewidth=0.6)
        axis.set(xticks=[], yticks=[])
        axis.set_title(f"the pattern, {channels[channel]}", fontsize=10)
        axis.set_xlabel(f"{side} x {side} pixels, lines every {found.period}", fontsize=9)
    figure.colorbar(drawn, ax=axes, shrink=0.85, label=unit)


def draw_periods(axis: Axes, found: FixedPattern, unit: str) -> None:
    """How strong the pattern is at each period that was measured."""
    periods = sorted(q for q, p in zip(found.harmonics.periods, found.p.T, strict=True) if not p.isnan().any())
    at = [found.harmonics.periods.index(q) for q in periods]
    rms = found.by_period[:, at].square().mean(0).sqrt().tolist()
    shown = (found.p[:, at] <= LEVEL).any(0).tolist()
    axis.bar(range(len(periods)), rms, color=[VERMILLION if yes else GREY for yes in shown])
    axis.set_xticks(range(len(periods)), list(map(str, periods)))
    axis.set(xlabel="what repeats with this period alone, in pixels", ylabel=f"root mean square, {unit}")
    axis.set_title("red: a grid is shown; grey: no more than chance", fontsize=10)
    axis.spines[["top", "right"]].set_visible(False)
