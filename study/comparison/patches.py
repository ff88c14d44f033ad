"""What each group's grid adds to its output, magnified, on one scale for all: one look tells which prints."""

from dataclasses import dataclass
from math import ceil
from typing import Any

import numpy as np
from matplotlib.figure import SubFigure
from numpy.typing import NDArray

from models.tasks.score_rows import percent, prints

ACROSS = 4  # groups in a row, two pictures each
PRINTS, EVEN, GREY = "#b34700", "#0072b2", "0.35"  # which colour-blind readers tell apart
# Of what a patch shows, by task.
UNITS = {"segmentation": "logits", "super_resolution": "grey levels of 255", "gan": "grey levels of 255"}


@dataclass(frozen=True)
class Patch:
    """A group's output magnified, (H, W) float32, and what its grid adds there, likewise; its title and its verdict."""

    title: str
    verdict: str
    prints: bool | None
    output: NDArray[Any]
    grid: NDArray[Any]


def verdict(metrics: dict[str, Any], unit: str) -> str:
    """Whether a run's grid prints, and how much, in a few words."""
    shown = prints(metrics)
    if shown is None:
        return "pattern not measured"
    if not shown:
        return "no pattern shown"
    rms, share = metrics.get("test/grid/fixed"), metrics.get("test/grid/fixed/share")
    size = f" {rms:.2g} {unit}" if rms is not None else ""
    return f"prints{size}" + (f", {percent(share)} of SD" if share is not None else "")


def height(count: int) -> float:
    """Inches that so many groups take."""
    return 0.9 + 3.0 * ceil(count / ACROSS) if count else 0


def draw(part: SubFigure, patches: list[Patch], unit: str) -> None:
    """Of each group its output and, right of it, what the grid adds; all outputs on one scale, all grids on one."""
    part.suptitle(f"an output magnified, and what the grid adds to it: all on one scale, in {unit}", fontsize="medium")
    everything = np.concatenate([each.output.ravel() for each in patches])
    low, high = np.quantile(everything, (0.005, 0.995))
    limit = max(float(np.abs(each.grid).max()) for each in patches) or 1.0
    rows = ceil(len(patches) / ACROSS)
    axes = part.subplots(rows, 2 * ACROSS, squeeze=False)
    for axis in axes.flat:
        axis.set_axis_off()
    for place, each in enumerate(patches):
        left, right = axes[place // ACROSS, 2 * (place % ACROSS) : 2 * (place % ACROSS) + 2]
        left.imshow(each.output, cmap="gray", vmin=low, vmax=max(high, low + 1e-12), interpolation="nearest")
        shown = right.imshow(each.grid, cmap="RdBu_r", vmin=-limit, vmax=limit, interpolation="nearest")
        left.set_title(f"{each.title}\n", fontsize="small", loc="left")
        colour = GREY if each.prints is None else PRINTS if each.prints else EVEN
        left.text(0, 1.03, each.verdict, fontsize="small", color=colour, weight="bold", transform=left.transAxes)
    part.colorbar(shown, ax=list(axes.flat), location="right", shrink=0.8, pad=0.01, label=unit)
