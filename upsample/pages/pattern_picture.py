"""A picture of a fixed pattern: the pattern itself, magnified, and how strong it is at each period."""

import os
from pathlib import Path

from matplotlib.figure import Figure

from upsample.instrument.fixed_pattern import LEVEL, FixedPattern

BLUE, VERMILLION, GREY = "#0072B2", "#D55E00", "#BBBBBB"  # Okabe & Ito's, which colour-blind readers tell apart
LEAST, MOST = 12, 64  # pixels a side of what is shown of a pattern
SHOWN = 4  # channels at most, the strongest


def draw_pattern(found: FixedPattern, channels: list[str], unit: str, title: str, path: Path) -> None:
    """Write a PNG to `path`: the mean pattern of each channel where one is shown, and its rms by period."""
    period = found.period if found.shown else max(found.harmonics.periods)
    side = min(MOST, -(-LEAST // period) * period)
    strongest = sorted(range(len(channels)), key=lambda c: -found.rms[c].item())[:SHOWN]
    panels = len(strongest) if found.shown else 0
    figure = Figure(figsize=(3.4 * panels + 5, 3.9), dpi=120, layout="constrained")
    axes = figure.subplots(1, panels + 1, squeeze=False, width_ratios=[1] * panels + [1.5])[0]
    figure.suptitle(title, x=0.01, ha="left", fontsize=12)
    if panels:
        pattern = found.drawn(side, found.periods)
        reach = pattern[strongest].abs().max().item()
        for channel, axis in zip(strongest, axes, strict=False):
            image = axis.imshow(
                pattern[channel].numpy(), cmap="RdBu_r", vmin=-reach, vmax=reach, interpolation="nearest"
            )
            for line in range(0, side + 1, period):
                axis.axhline(line - 0.5, color="black", linewidth=0.6)
                axis.axvline(line - 0.5, color="black", linewidth=0.6)
            axis.set(xticks=[], yticks=[])
            axis.set_title(f"the pattern, {channels[channel]}", fontsize=10)
            axis.set_xlabel(f"{side} x {side} pixels, lines every {period}", fontsize=9)
        figure.colorbar(image, ax=axes[panels - 1], shrink=0.85, label=unit)
    bars = axes[-1]
    periods = sorted(q for q, p in zip(found.harmonics.periods, found.p.T, strict=True) if not p.isnan().any())
    at = [found.harmonics.periods.index(q) for q in periods]
    rms = found.by_period[:, at].square().mean(0).sqrt().tolist()
    shown = (found.p[:, at] <= LEVEL).any(0).tolist()
    bars.bar(range(len(periods)), rms, color=[VERMILLION if yes else GREY for yes in shown])
    bars.set_xticks(range(len(periods)), list(map(str, periods)))
    bars.set(xlabel="what repeats with this period alone, in pixels", ylabel=f"root mean square, {unit}")
    bars.set_title("red: a grid is shown; grey: no more than chance", fontsize=10)
    bars.spines[["top", "right"]].set_visible(False)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    figure.savefig(part, format="png")
    os.replace(part, path)
