"""The picture that a run of segmentation leaves behind."""

from collections.abc import Sequence
from pathlib import Path

import torch
import torch.nn.functional as F
from matplotlib import patches as shapes
from matplotlib import rc_context
from torch import Tensor

from models.tasks.drawing import save, short
from models.tasks.pattern_picture import Patch, bare, draw_fixed, draw_lines, draw_patches, draw_plane, laid_out
from models.tasks.segmentation.labels.exclusive import Exclusive
from models.tasks.segmentation.labels.overlapping import Overlapping
from upsample.instrument.fixed_pattern import FixedPattern

LETTERS = 48  # of a class's name, in the legend; half as many elsewhere


def mixed_window(members: Tensor, side: int) -> tuple[slice, slice]:
    """Rows and columns of the window, `side` pixels or all, in which classes (K, H, W) bool are most evenly mixed."""
    height, width = (min(side, length) for length in members.shape[1:])
    step = max(1, side // 4)
    mixed = torch.special.entr(F.avg_pool2d(members.float(), (height, width), stride=step)).sum(0)
    top, left = (step * place for place in divmod(int(mixed.argmax()), mixed.shape[1]))
    return slice(top, top + height), slice(left, left + width)


@rc_context({"font.size": 13})  # legible at half its size
def segmentation_report(
    path: Path,
    title: str,
    example: dict[str, Tensor],
    labels: Exclusive | Overlapping,
    patches: Sequence[Patch],
    pattern: FixedPattern | None,
    channel: int,
) -> None:
    """Input, truth, prediction, error; magnified patches of a logit; its pattern and spectra, as a PNG at `path`.

    example: image (3, H, W) or grey (1, H, W) uint8, mask and prediction as `labels` has truths and what it decides,
    logits (K, H, W) float32 of one pass of the network. patches: of the network and, where there is one, of its even
    counterpart. channel: whose logit is shown.
    """
    image, mask, prediction, logits = (example[name] for name in ("image", "mask", "prediction", "logits"))
    kept = labels.known(mask)
    tall = min(2.5, max(0.4, image.shape[1] / image.shape[2]))  # of any aspect
    figure, grid = laid_out(title, [3.7 * tall + 0.4, *([4.7] if patches else []), 4.7])
    bottom = grid.nrows - 1

    overall = [figure.add_subplot(grid[0, i]) for i in range(4)]
    overall[0].imshow(image.expand(3, -1, -1).permute(1, 2, 0).numpy())
    bare(overall[0], "input")
    for axis, shown, name in ((overall[1], mask, "truth"), (overall[2], prediction, "prediction")):
        axis.imshow(labels.paint(shown).numpy(), interpolation="nearest")
        bare(axis, name)
    there = (labels.members(mask) | labels.members(prediction)).any((1, 2))[: len(labels.names)]
    present = there.nonzero()[:, 0].tolist()
    colour = [shapes.Patch(color="#{:02x}{:02x}{:02x}".format(*labels.palette[k])) for k in present]
    names = [short(labels.names[k], LETTERS) for k in present]
    across = min(8, max(1, 130 // (max(map(len, names), default=0) + 7)))
    legend = figure.legend(colour, [str(k) for k in present], loc="outside lower left", ncols=across)
    for text, each in zip(legend.get_texts(), names, strict=True):
        text.set_text(each)  # as a label one that begins with _ would be left out

    wrong = labels.wrong(prediction, mask)
    overlay = image.permute(1, 2, 0).float().mean(-1, keepdim=True).expand(-1, -1, 3) / 255 * 0.6 + 0.2
    overlay = torch.where(wrong[..., None], torch.tensor([0.9, 0.1, 0.1]), overlay)
    overall[3].imshow(overlay.numpy())
    bare(overall[3], f"error: {100 * wrong.sum() / kept.sum().clamp_min(1):.1f} % of the pixels")

    name = f"logit of {short(labels.names[channel], LETTERS // 2)}"
    if patches:
        magnified = [figure.add_subplot(grid[1, i]) for i in range(2 * len(patches))]
        draw_patches(figure, magnified, patches, name)
    first = figure.add_subplot(grid[bottom, 0])
    if pattern is not None:
        draw_fixed(figure, first, pattern, channel, name)
    else:
        logit = first.imshow(logits[channel].numpy(), cmap="gray", interpolation="nearest")
        bare(first, name)
        figure.colorbar(logit, ax=first, location="bottom", shrink=0.8)
    draw_lines(figure.add_subplot(grid[bottom, 1:3]), logits[channel][None], pattern, f"the {name}")
    draw_plane(figure, figure.add_subplot(grid[bottom, 3]), logits[channel], pattern, channel)
    save(figure, path)
