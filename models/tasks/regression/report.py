"""The pictures that a run of regression leaves behind."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib import rc_context
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from torch import Tensor

from data.loading.loaded import COLOURS, Values
from models.tasks.drawing import save, wrapped
from models.tasks.pattern_picture import Patch, bare, draw_fixed, draw_lines, draw_patches, draw_plane, laid_out
from upsample.instrument.fixed_pattern import FixedPattern


@rc_context({"font.size": 13, "text.parse_math": False})  # legible at half its size; a name is no mathematics
def regression_report(
    path: Path,
    title: str,
    example: dict[str, Tensor],
    values: Values,
    patches: Sequence[Patch],
    pattern: FixedPattern | None,
) -> None:
    """Input, truth, output, error; magnified patches of the output; its pattern and spectra, as a PNG at `path`.

    example: image (3, H, W) or grey (1, H, W) uint8, truth (NaN where there is none) and output (H, W) in the data's
    units. patches: of the network and, where there is one, of its even counterpart.
    """
    image, truth, output = (example[name] for name in ("image", "truth", "output"))
    unit = values.unit or "value"
    tall = min(2.5, max(0.4, image.shape[1] / image.shape[2]))  # of any aspect
    figure, grid = laid_out(title, [3.7 * tall + 0.8, *([4.7] if patches else []), 4.7])
    bottom = grid.nrows - 1

    overall = [figure.add_subplot(grid[0, i]) for i in range(4)]
    overall[0].imshow(image.expand(3, -1, -1).permute(1, 2, 0).numpy())
    bare(overall[0], "input")
    none = " (black: none)" if truth.isnan().any() else ""
    for axis, shown, name in ((overall[1], truth, f"truth{none}"), (overall[2], output, "output")):
        axis.set_facecolor("black")
        drawn = axis.imshow(shown.numpy(), cmap=COLOURS, vmin=values.low, vmax=values.high, interpolation="nearest")
        bare(axis, name)
        figure.colorbar(drawn, ax=axis, location="bottom", shrink=0.8, label=unit)
    error = output - truth
    rmse = error.square().nanmean().sqrt().item()
    limit = max(2 * rmse, 1e-12) if np.isfinite(rmse) else 1.0
    overall[3].set_facecolor("black")
    drawn = overall[3].imshow(error.numpy(), cmap="RdBu_r", vmin=-limit, vmax=limit, interpolation="nearest")
    bare(overall[3], f"error: RMSE {rmse:.4g} {values.unit}".rstrip())
    figure.colorbar(drawn, ax=overall[3], location="bottom", shrink=0.8, label=unit)

    if patches:
        magnified = [figure.add_subplot(grid[1, i]) for i in range(2 * len(patches))]
        draw_patches(figure, magnified, patches, unit)
    first = figure.add_subplot(grid[bottom, 0])
    if pattern is not None:
        draw_fixed(figure, first, pattern, 0, unit)
    else:
        first.imshow(output.numpy(), cmap="gray", interpolation="nearest")
        bare(first, "the output")
    draw_lines(figure.add_subplot(grid[bottom, 1:3]), output[None], pattern, "the output")
    draw_plane(figure, figure.add_subplot(grid[bottom, 3]), output, pattern, 0)
    save(figure, path)


@rc_context({"text.parse_math": False})
def pairs_picture(path: Path, title: str, counts: Tensor, values: Values) -> None:
    """Draw how many pixels (BINS, BINS) of truth have which output, a PNG at `path`; on the line they are equal."""
    figure = Figure(figsize=(6.4, 5.6), layout="constrained")
    figure.suptitle(wrapped(title, 6.4, 9), fontsize=9)
    axis = figure.subplots()
    unit, ends = values.unit or "value", (values.low, values.high)
    seen = np.where(counts.cpu().numpy().T > 0, counts.cpu().numpy().T, np.nan)
    most = float(np.nanmax(seen)) if np.isfinite(seen).any() else 1.0
    drawn = axis.imshow(seen, origin="lower", extent=(*ends, *ends), norm=LogNorm(1, max(most, 2)), cmap="Blues")
    axis.plot(ends, ends, color="black", linewidth=0.8)
    axis.set_xlabel(f"truth, {unit}")
    axis.set_ylabel(f"output, {unit}")
    figure.colorbar(drawn, ax=axis, shrink=0.8, label="test pixels; those beyond an end are at it", format="%g")
    save(figure, path)
