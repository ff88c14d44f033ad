"""What each group's grid adds whatever the image, magnified, on one scale for all: one look tells which prints."""

from dataclasses import dataclass
from math import ceil
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import SubFigure
from numpy.typing import NDArray

from models.tasks.score_rows import percent, prints

ACROSS = 3  # groups in a row, two pictures each
PRINTS, EVEN, GREY = "#b34700", "#0072b2", "0.35"  # which colour-blind readers tell apart
# Of what a patch shows, by task.
UNITS = {"segmentation": "logits", "super_resolution": "grey levels of 255", "gan": "grey levels of 255"}


@dataclass(frozen=True)
class Patch:
    """A group's output magnified, (H, W) float32, and the fixed pattern there, likewise; its title and its verdict."""

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
    rms, high, share = (metrics.get(f"test/grid/fixed{part}") for part in ("", "/high", "/share"))
    if not rms:  # too weak for its size to be told
        return f"prints, at most {high:.2g} {unit}" if high else "prints"
    return f"prints {rms:.2g} {unit}" + (f", {percent(share)} of SD" if share else "")


def height(count: int) -> float:
    """Inches that so many groups take."""
    return 0.6 + 2.6 * ceil(count / ACROSS) if count else 0


def scales(patches: list[Patch]) -> tuple[Normalize, Normalize]:
    """What all outputs, and all grids, are drawn by."""
    low, high = np.quantile(np.concatenate([each.output.ravel() for each in patches]), (0.005, 0.995))
    limit = max(float(np.abs(each.grid).max()) for each in patches) or 1.0
    return Normalize(low, max(high, low + 1e-12)), Normalize(-limit, limit)


def pair(patch: Patch, outputs: Normalize, grids: Normalize) -> NDArray[Any]:
    """An output and, right of it, what the grid adds, as one picture (H, 2 * W + gap, 4) in [0, 1]."""
    left, right = colormaps["gray"](outputs(patch.output)), colormaps["RdBu_r"](grids(patch.grid))
    gap = np.zeros((len(left), max(1, left.shape[1] // 12), 4))  # clear
    return np.concatenate([left, gap, right], 1)


def draw(part: SubFigure, patches: list[Patch], unit: str) -> None:
    """Of each group its output and, right of it, what the grid adds; all outputs on one scale, all grids on one."""
    part.suptitle("outputs magnified, and what the grid adds whatever the image, all on one scale", fontsize="medium")
    outputs, grids = scales(patches)
    axes = part.subplots(ceil(len(patches) / ACROSS), ACROSS, squeeze=False)
    for axis in axes.flat:
        axis.set_axis_off()
    for axis, each in zip(axes.flat, patches, strict=False):
        axis.imshow(pair(each, outputs, grids), interpolation="nearest")
        axis.set_title(f"{each.title}\n", fontsize="small")
        colour = GREY if each.prints is None else PRINTS if each.prints else EVEN
        place = {"xy": (0.5, 1.02), "xycoords": "axes fraction", "ha": "center", "va": "bottom"}
        axis.annotate(each.verdict, **place, fontsize="small", color=colour, weight="bold", annotation_clip=False)
    if any(each.grid.any() for each in patches):  # of what prints nothing the scale would mean nothing
        part.colorbar(ScalarMappable(grids, "RdBu_r"), ax=axes, location="right", shrink=0.8, pad=0.01, label=unit)
