"""What the grid prints, as a person sees it: a patch magnified, without it too, the pattern itself, its spectrum."""

from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass
from functools import partial
from math import gcd

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.gridspec import GridSpec
from numpy.typing import NDArray
from torch import Tensor, nn

from models.tasks.common_size import middle
from models.tasks.drawing import line_spectrum, spectrum_db, wrapped
from upsample.instrument.fixed_pattern import FixedPattern
from upsample.instrument.outputs import OutputResult
from upsample.instrument.shifts import AT_A_TIME, GridByShifting, ShiftResult
from upsample.models.repair import repair

SIDE = 48  # pixels a side of a magnified patch, or four periods
SHIFTS = 64  # places of the grid that a patch is averaged over, at most
TELLING = 0.02  # of a pattern's power: a harmonic that has less is not marked in the picture of the spectrum
MARK = "#00c8ff"


@dataclass(frozen=True)
class Patch:
    """A place of an output, (S, S) float32 in its units, and what the grid adds to it: `grid`, likewise."""

    title: str
    output: Tensor
    grid: Tensor


def printed(result: ShiftResult | OutputResult | None, side: int) -> Tensor | None:
    """(C, side, side) float32: the fixed pattern where one is shown, else zeros; None where none was measured."""
    if result is None or result.pattern is None:
        return None
    return result.pattern.drawn(side).float() * result.pattern.shown


def for_comparison(output: Tensor, pattern: Tensor | None) -> dict[str, NDArray[np.float32]]:
    """What comparisons of runs draw: `patch`, the middle of an output (H, W), and `grid`, the fixed pattern there, both
    (S, S). Nothing without a pattern, (S, S).

    What the grid does to edges is left out: it is there in even networks, too, and would outshine the pattern.
    """
    if pattern is None or min(output.shape) < len(pattern):
        return {}
    return {"patch": middle(output, (len(pattern), len(pattern))).float().numpy(), "grid": pattern.numpy()}


def repaired(network: nn.Module) -> nn.Module | None:
    """A copy of a network whose layers' phases answer flat areas alike; None where there is nothing to repair."""
    copy = deepcopy(network)
    return copy if repair(copy).changed else None


def margin(period: int) -> int:
    """Pixels of a window's border that are not shown, since its border reaches them."""
    return 4 * max(period, 4)


def window(period: int) -> int:
    """Pixels a side of what the network sees for a patch, in whole periods."""
    least = max(SIDE, 4 * period) + 2 * margin(period) + 2 * period - 1
    return -(-least // period) * period


def room(period: int) -> int:
    """Pixels a side of the image that `patch` takes: the window moves over the grid."""
    return window(period) + 2 * period - 1


@torch.no_grad()
def patch(title: str, network: Callable[[Tensor], Tensor], image: Tensor, period: int, channel: int) -> Patch:
    """What a network, in evaluation mode, makes of the middle of an image (C, H, W), of `room(period)` pixels a side
    or more, in one channel, and what that differs by from its mean over the places of the grid.

    Raises ValueError for a smaller image.
    """
    if min(image.shape[-2:]) < room(period):
        raise ValueError(f"a patch takes an image of {room(period)} pixels a side, not {tuple(image.shape[-2:])}")
    shifts = min(SHIFTS, period**2)
    grid = GridByShifting(period, shifts=shifts, margin=margin(period), window=window(period))
    with torch.autocast(image.device.type, enabled=False):  # what bfloat16 rounds repeats with the grid
        parts = [grid.compared(network, image, some)[:, channel] for some in grid.places(0).split(AT_A_TIME)]
    outputs = torch.cat(parts).cpu()
    return Patch(title, outputs[0], outputs[0] - outputs.mean(0))


def with_repaired(
    network: nn.Module, made: Callable[[nn.Module, Tensor], Tensor], image: Tensor, period: int, channel: int
) -> list[Patch]:
    """Return the patch of a network and, where repair takes something out of it, that of its repaired copy.

    The copy has the nearest weights whose phases answer flat areas alike. Where these add more of the grid to this
    place than there was, as to a network of super-resolution whose phases draw its detail, they are no cure to show.

    made  takes a network and what `patch` gives it, and returns what is shown
    """
    found = patch("the output", partial(made, network), image, period, channel)
    even = repaired(network)
    if even is None:
        return [found]
    without = patch("repaired", partial(made, even), image, period, channel)
    return [found, without] if without.grid.square().mean() < found.grid.square().mean() else [found]


def laid_out(title: str, rows: Sequence[float]) -> tuple[Figure, GridSpec]:
    """A figure 15 inches wide with four columns and rows of these heights in inches."""
    title = wrapped(title, 15, 16)
    figure = Figure(figsize=(15, sum(rows) + 0.3 + 0.3 * (1 + title.count("\n"))))
    figure.set_layout_engine("constrained", h_pad=0.1, w_pad=0.08, hspace=0.08, wspace=0.03)
    figure.suptitle(title, fontsize=16)
    return figure, figure.add_gridspec(len(rows), 4, height_ratios=rows)


def draw_patches(figure: Figure, axes: Sequence[Axes], patches: Sequence[Patch], unit: str) -> None:
    """Each patch and, right of it, what the grid adds, on two axes each; all outputs on one scale, all grids on one."""
    outputs = torch.stack([each.output for each in patches]).flatten()
    low, high = outputs.quantile(torch.tensor([0.005, 0.995])).tolist()
    limit = max(each.grid.abs().max().item() for each in patches) or 1.0
    scales = Normalize(low, max(high, low + 1e-12)), Normalize(-limit, limit)
    for i, each in enumerate(patches):
        for axis, values, name, colours, scale in (
            (axes[2 * i], each.output, each.title, "gray", scales[0]),
            (axes[2 * i + 1], each.grid, f"{each.title}: what its grid adds", "RdBu_r", scales[1]),
        ):
            drawn = axis.imshow(values.numpy(), cmap=colours, norm=scale, interpolation="nearest")
            bare(axis, name)
            figure.colorbar(drawn, ax=axis, location="bottom", shrink=0.8, label=unit)


def draw_fixed(figure: Figure, axis: Axes, pattern: FixedPattern, channel: int, unit: str) -> None:
    """The fixed pattern of one channel, a period of the decoder a side, each pixel magnified."""
    side = max(pattern.harmonics.periods)
    drawn = pattern.drawn(side)[channel]
    limit = drawn.abs().max().item() or 1.0
    shown = axis.imshow(drawn.numpy(), cmap="RdBu_r", vmin=-limit, vmax=limit, interpolation="nearest")
    bare(axis, f"the pattern, {side} x {side} pixels" if pattern.shown else "mean over the grid:\nonly noise")
    figure.colorbar(shown, ax=axis, location="bottom", shrink=0.8, label=unit)


def draw_lines(axis: Axes, maps: Tensor, pattern: FixedPattern | None, name: str) -> None:
    """The spectrum of the lines of (N, H, W); dotted, the exclusive harmonics of each period at which a pattern is
    shown."""
    power = line_spectrum(maps)
    axis.plot([(i + 1) / (2 * len(power)) for i in range(len(power))], power, color="black", linewidth=1.2)
    periods = pattern.periods if pattern is not None else []
    for i, q in enumerate(periods):
        for m in (m for m in range(1, q // 2 + 1) if gcd(m, q) == 1):
            axis.axvline(m / q, color=f"C{i}", linestyle=":", linewidth=2)
            at = axis.get_xaxis_transform()  # above the frame, where it hides no peak
            axis.text(m / q, 1, str(q), color=f"C{i}", transform=at, ha="center", va="bottom", fontsize=11)
    axis.set_xlim(0, 0.505)
    axis.set_xlabel("cycles per pixel" + ("\ndotted: of the period above it alone" if periods else ""))
    axis.set_ylabel("dB of the power")
    axis.set_title(f"spectrum of {name}" + ("" if periods else "; no fixed pattern shown"), pad=18 if periods else None)
    axis.grid(alpha=0.3)


def draw_plane(figure: Figure, axis: Axes, image: Tensor, pattern: FixedPattern | None, channel: int) -> None:
    """The power spectrum of (H, W); circles at the harmonics that make up a pattern that is shown."""
    drawn = axis.imshow(
        spectrum_db(image).numpy(),
        cmap="magma",
        vmin=-90,
        vmax=0,
        extent=(-0.5, 0.5, 0.5, -0.5),
        interpolation="nearest",
    )
    axis.set_title("the same in two directions")
    axis.set_xlabel("cycles per pixel")
    if pattern is not None and pattern.shown:
        power = pattern.coefficient[channel].abs().square() * pattern.harmonics.multiple
        down, across = pattern.harmonics.frequency[power > TELLING * power.sum()].T
        both = torch.cat([down, -down]), torch.cat([across, -across])
        y, x = (torch.remainder(each + 0.5, 1) - 0.5 for each in both)
        axis.scatter(x, y, s=70, facecolors="none", edgecolors=MARK, linewidths=1.6, clip_on=False)
    figure.colorbar(drawn, ax=axis, location="bottom", shrink=0.8, label="dB")


def bare(axis: Axes, title: str) -> None:
    """An axis of a picture: a title and no numbers."""
    axis.set(xticks=[], yticks=[])
    axis.set_title(title)


def channel_of(result: ShiftResult | OutputResult | None, otherwise: int) -> int:
    """The channel whose pattern is largest for its deviation, where one is shown."""
    if result is None or result.pattern is None or result.deviation is None or not result.pattern.shown:
        return otherwise
    worst = result.pattern.worst(result.deviation)
    return otherwise if worst is None else worst[0]
