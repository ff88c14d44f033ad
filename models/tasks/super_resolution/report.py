"""The picture a super-resolution run leaves behind."""

from pathlib import Path
from typing import NamedTuple

import torch.nn.functional as F
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from torch import Tensor

from models.tasks.drawing import draw_spectrum, save
from models.tasks.super_resolution.bicubic import to_uint8
from models.tasks.super_resolution.scores import luma, psnr

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


def super_resolution_report(path: Path, title: str, example: Example, period: int) -> None:
    """Bicubic, ours and truth enlarged, where they lie, what we add to bicubic and its spectrum, as a PNG at `path`.

    The spectrum is of the whole image's luma.
    """
    rows, columns = slice(example.top, example.top + WINDOW), slice(example.left, example.left + WINDOW)
    figure = Figure(figsize=(12, 9), layout="constrained")
    figure.suptitle(title)
    axes = figure.subplots(2, 3)

    def show(axis: Axes, image: Tensor) -> None:
        axis.imshow(image.expand(3, -1, -1).permute(1, 2, 0).numpy(), interpolation="nearest")

    truth = example.truth[:, rows, columns]
    for axis, name, image in zip(axes[0], ("bicubic", "ours"), (example.bicubic, example.output), strict=False):
        seen = to_uint8(image[:, rows, columns])
        show(axis, seen)
        axis.set_title(f"{name}: {psnr(luma(seen[None]), luma(truth[None])).item():.2f} dB PSNR-Y here")
    show(axes[0, 2], truth)
    axes[0, 2].set_title("truth")

    show(axes[1, 0], example.truth)
    frame = Rectangle(
        (example.left - 0.5, example.top - 0.5), *truth.shape[:0:-1], fill=False, edgecolor="red", linewidth=1.5
    )
    axes[1, 0].add_patch(frame)
    axes[1, 0].set_title("the image; framed: where bicubic errs most")

    added = (luma(example.output[None]) - luma(example.bicubic[None]))[0, 0].float()
    window = added[rows, columns]
    limit = window.abs().quantile(0.99).clamp_min(1).item()  # not the maximum: a border pixel would set it
    difference = axes[1, 1].imshow(window.numpy(), cmap="RdBu_r", vmin=-limit, vmax=limit, interpolation="nearest")
    axes[1, 1].set_title("ours minus bicubic, luma")
    figure.colorbar(difference, ax=axes[1, 1], location="bottom", shrink=0.8, label="grey levels of 255")
    for axis in (*axes[0], axes[1, 0], axes[1, 1]):
        axis.set_xticks([])
        axis.set_yticks([])
    draw_spectrum(figure, axes[1, 2], added, period)
    save(figure, path)
