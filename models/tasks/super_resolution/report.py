"""The picture a super-resolution run leaves behind."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import torch.nn.functional as F
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from torch import Tensor

from data.reduced.bicubic import to_uint8
from models.tasks.drawing import save
from models.tasks.pattern_picture import (
    Patch,
    bare,
    channel_of,
    draw_fixed,
    draw_lines,
    draw_patches,
    draw_plane,
    laid_out,
)
from models.tasks.super_resolution.scores import luma, psnr
from upsample.instrument.shifts import ShiftResult

WINDOW = 96  # pixels a side of what is shown enlarged


class Example(NamedTuple):
    """One test image: its uint8 input (C, H, W), and (C, scale*H, scale*W) its uint8 truth and two enlargements in
    [0, 255]; where in it bicubic errs most, and by how much."""

    low: Tensor
    truth: Tensor
    output: Tensor
    bicubic: Tensor
    top: int
    left: int
    error: float


def telling_example(low: Tensor, truth: Tensor, output: Tensor, bicubic: Tensor) -> Example:
    """Of a batch, the image that holds the window where bicubic errs most: it shows most."""
    height, width = (min(WINDOW, length) for length in truth.shape[-2:])
    step = max(1, WINDOW // 4)
    errors = F.avg_pool2d((luma(bicubic.cpu()) - luma(truth.cpu())).square(), (height, width), stride=step)
    best = int(errors.argmax())
    n, row, column = best // errors[0].numel(), best % errors[0].numel() // errors.shape[-1], best % errors.shape[-1]
    where, error = (step * row, step * column), errors.max().item()
    return Example(low[n].cpu(), truth[n].cpu(), output[n].cpu(), bicubic[n].cpu(), *where, error)


@rc_context({"font.size": 13})  # legible at half its size
def super_resolution_report(
    path: Path, title: str, example: Example, patches: Sequence[Patch], result: ShiftResult | None
) -> None:
    """Bicubic, ours and truth enlarged, and where they lie; magnified patches; the pattern and spectra of what we add
    to bicubic, of the whole image's luma, as a PNG at `path`.

    patches: of the network and, where there is one, of its even counterpart, of luma
    """
    rows, columns = slice(example.top, example.top + WINDOW), slice(example.left, example.left + WINDOW)
    truth = example.truth[:, rows, columns]
    tall = min(2.5, max(0.6, truth.shape[1] / truth.shape[2]))
    figure, grid = laid_out(title, [3.7 * tall + 0.4, *([4.7] if patches else []), 4.7])
    bottom = grid.nrows - 1
    axes = [figure.add_subplot(grid[0, i]) for i in range(4)]

    def show(axis: Axes, image: Tensor, name: str) -> None:
        axis.imshow(image.expand(3, -1, -1).permute(1, 2, 0).numpy(), interpolation="nearest")
        bare(axis, name)

    for axis, name, image in zip(axes, ("bicubic", "ours"), (example.bicubic, example.output), strict=False):
        seen = to_uint8(image[:, rows, columns])
        show(axis, seen, f"{name}: {psnr(luma(seen[None]), luma(truth[None])).item():.2f} dB PSNR-Y here")
    show(axes[2], truth, "truth")
    show(axes[3], example.truth, "framed: bicubic errs most")
    corner = (example.left - 0.5, example.top - 0.5)
    axes[3].add_patch(Rectangle(corner, *truth.shape[:0:-1], fill=False, edgecolor="red", linewidth=2))

    if patches:
        magnified = [figure.add_subplot(grid[1, i]) for i in range(2 * len(patches))]
        draw_patches(figure, magnified, patches, "luma, grey levels of 255")
    added = (luma(example.output[None]) - luma(example.bicubic[None]))[0, 0].float()
    pattern = result.pattern if result is not None else None
    channel = channel_of(result, otherwise=0)
    first = figure.add_subplot(grid[bottom, 0])
    if pattern is not None and result is not None:
        draw_fixed(figure, first, pattern, channel, f"{result.channels[channel]}, grey levels of 255")
    else:
        window = added[rows, columns]
        limit = window.abs().quantile(0.99).clamp_min(1).item()  # not the maximum: a border pixel would set it
        drawn = first.imshow(window.numpy(), cmap="RdBu_r", vmin=-limit, vmax=limit, interpolation="nearest")
        bare(first, "ours minus bicubic, luma")
        figure.colorbar(drawn, ax=first, location="bottom", shrink=0.8, label="grey levels of 255")
    draw_lines(figure.add_subplot(grid[bottom, 1:3]), added[None], pattern, "ours minus bicubic, luma")
    draw_plane(figure, figure.add_subplot(grid[bottom, 3]), added, pattern, channel)
    save(figure, path)
