"""The picture a run leaves behind."""

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from numpy.typing import NDArray
from torch import Tensor

from plumbing.atomic import whole


def save(figure: Figure, path: Path) -> None:
    """Write a figure as PNG, whole or not at all."""
    with whole(path) as partial:
        figure.savefig(partial, format="png", dpi=110)


def spectrum_db(image: Tensor) -> Tensor:
    """Power spectrum of (H, W) under a Hann window in dB below its maximum, zero frequency in the middle."""
    centred = image - image.mean()
    window = torch.outer(*(torch.hann_window(n) for n in image.shape))
    power = torch.fft.fftshift(torch.fft.fft2(centred * window)).abs().square()
    return 10 * (power / power.max().clamp_min(1e-30)).clamp_min(1e-12).log10()


def line_spectrum(maps: Tensor) -> NDArray[np.float32]:
    """Share of the power of (N, H, W) at each frequency along rows and columns, in dB: (n / 2,) float32.

    Frequencies 1/n, 2/n ... 1/2 cycles a pixel, n the shorter side, made even. The mean over maps of unit variance,
    their lines and both directions, each line under a Hann window. What repeats with a period p, in whichever
    direction, stands out at multiples of 1/p.
    """
    side = min(maps.shape[-2:]) // 2 * 2
    maps = maps[..., :side, :side].cpu().double()
    maps = (maps - maps.mean((-2, -1), keepdim=True)) / maps.std((-2, -1), keepdim=True).clamp_min(1e-12)
    lines = torch.cat([maps, maps.mT])
    lines = (lines - lines.mean(-1, keepdim=True)) * torch.hann_window(side, dtype=torch.float64)
    power = torch.fft.rfft(lines).abs().square().mean((0, 1))[1:]
    return (10 * (power / power.sum()).clamp_min(1e-12).log10()).float().numpy()


def mixed_window(mask: Tensor, classes: int, side: int) -> tuple[slice, slice]:
    """Rows and columns of the window of labels (H, W), `side` pixels or all, whose classes are most evenly mixed."""
    height, width = (min(side, length) for length in mask.shape)
    step = max(1, side // 4)
    members = torch.stack([mask == k for k in range(classes)]).float()
    mixed = torch.special.entr(F.avg_pool2d(members, (height, width), stride=step)).sum(0)
    top, left = (step * place for place in divmod(int(mixed.argmax()), mixed.shape[1]))
    return slice(top, top + height), slice(left, left + width)


def draw_spectrum(figure: Figure, axis: Axes, image: Tensor, period: int) -> None:
    """Draw the power spectrum of (H, W) with circles at the multiples of 1/period, where a checkerboard would show."""
    spectrum = axis.imshow(
        spectrum_db(image).numpy(),
        cmap="magma",
        vmin=-90,
        vmax=0,
        extent=(-0.5, 0.5, 0.5, -0.5),
        aspect="equal",
        interpolation="nearest",
    )
    axis.set_title(f"its spectrum; circles: multiples of 1/{period}")
    axis.set_xlabel("cycles per pixel")
    harmonics = [m / period for m in range(-(period // 2), (period + 1) // 2)]
    points = [(x, y) for x in harmonics for y in harmonics if (x, y) != (0, 0)]
    across, down = zip(*points, strict=True)
    axis.scatter(across, down, s=270 / period, facecolors="none", edgecolors="white", linewidths=0.6)
    figure.colorbar(spectrum, ax=axis, location="bottom", shrink=0.8, label="dB")


def segmentation_report(
    path: Path,
    title: str,
    example: dict[str, Tensor],
    classes: list[str],
    palette: list[tuple[int, int, int]],
    ignore_index: int,
    period: int,
) -> None:
    """Input, truth, prediction, error, a logit map and its spectrum, as a PNG at `path`.

    example: image (3, H, W) uint8, mask and prediction (H, W) int64, logits (K, H, W) float32 of one pass of the
    network. The logits shown are of the class with the largest area in this image.
    """
    image, mask, prediction, logits = (example[name] for name in ("image", "mask", "prediction", "logits"))
    kept = mask != ignore_index
    shown = int(torch.bincount(prediction.flatten(), minlength=len(classes)).argmax())
    colours = ListedColormap(np.array(palette) / 255)
    figure = Figure(figsize=(12, 9.4), layout="constrained")
    figure.suptitle(title)
    axes = figure.subplots(2, 3)

    axes[0, 0].imshow(image.permute(1, 2, 0).numpy())
    axes[0, 0].set_title("input")
    for axis, labels, name in ((axes[0, 1], mask.where(kept, 0), "truth"), (axes[0, 2], prediction, "prediction")):
        axis.imshow(labels.numpy(), cmap=colours, vmin=-0.5, vmax=len(classes) - 0.5, interpolation="nearest")
        axis.set_title(name)
    present = sorted(set(mask[kept].tolist()) | set(prediction.flatten().tolist()))
    figure.legend(
        handles=[Patch(color=colours(k), label=classes[k]) for k in present],
        loc="outside lower left",
        ncols=min(len(present), 8),
    )

    wrong = (prediction != mask) & kept
    overlay = image.permute(1, 2, 0).float().mean(-1, keepdim=True).expand(-1, -1, 3) / 255 * 0.6 + 0.2
    overlay = torch.where(wrong[..., None], torch.tensor([0.9, 0.1, 0.1]), overlay)
    axes[1, 0].imshow(overlay.numpy())
    axes[1, 0].set_title(f"error: {wrong.sum() / kept.sum().clamp_min(1):.1%} of the pixels")

    logit = axes[1, 1].imshow(logits[shown].numpy(), cmap="viridis", interpolation="nearest")
    axes[1, 1].set_title(f"logit of {classes[shown]}")
    figure.colorbar(logit, ax=axes[1, 1], location="bottom", shrink=0.8)
    for axis in (*axes[0], axes[1, 0], axes[1, 1]):
        axis.set_xticks([])
        axis.set_yticks([])

    draw_spectrum(figure, axes[1, 2], logits[shown], period)
    save(figure, path)
