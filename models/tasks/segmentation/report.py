"""The picture that a run of segmentation leaves behind."""

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from torch import Tensor

from models.tasks.drawing import draw_spectrum, save


def mixed_window(mask: Tensor, classes: int, side: int) -> tuple[slice, slice]:
    """Rows and columns of the window of labels (H, W), `side` pixels or all, whose classes are most evenly mixed."""
    height, width = (min(side, length) for length in mask.shape)
    step = max(1, side // 4)
    members = torch.stack([mask == k for k in range(classes)]).float()
    mixed = torch.special.entr(F.avg_pool2d(members, (height, width), stride=step)).sum(0)
    top, left = (step * place for place in divmod(int(mixed.argmax()), mixed.shape[1]))
    return slice(top, top + height), slice(left, left + width)


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

    example: image (3, H, W) or grey (1, H, W) uint8, mask and prediction (H, W) int64, logits (K, H, W) float32 of one
    pass of the network. The logits shown are of the class with the largest area in this image.
    """
    image, mask, prediction, logits = (example[name] for name in ("image", "mask", "prediction", "logits"))
    kept = mask != ignore_index
    shown = int(torch.bincount(prediction.flatten(), minlength=len(classes)).argmax())
    colours = ListedColormap(np.array(palette) / 255)
    figure = Figure(figsize=(12, 9.4), layout="constrained")
    figure.suptitle(title)
    axes = figure.subplots(2, 3)

    axes[0, 0].imshow(image.expand(3, -1, -1).permute(1, 2, 0).numpy())
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
