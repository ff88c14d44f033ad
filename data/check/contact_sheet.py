"""Images of a data set side by side, masks laid over them, as a PNG."""

import warnings
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from numpy.typing import NDArray

from data.files.palette import mixed, overlaid
from data.loading.crop import label_counts
from data.loading.loaded import LabelledImages, Loaded, ValuedImages, Values
from plumbing.atomic import whole
from plumbing.messages import printable

COLUMNS, ROWS = 4, 3
OPACITY = 0.55  # of a mask
SIDE = 800  # pixels of an image that are drawn at most, the rest is left out


@rc_context({"text.parse_math": False})  # a name is no mathematics
def contact_sheet(path: Path, module: Loaded) -> None:
    """Twelve training images at most, spread over all of them; of labelled ones each is shown plain and with its
    classes coloured, a background clear and ignored pixels black, or with its values in colours."""
    count = min(COLUMNS * ROWS, len(module.train))
    samples = [module.train[i * len(module.train) // count] for i in range(count)]
    info = module.info
    beside: Any = (
        info.palette if isinstance(info, LabelledImages) else info.values if isinstance(info, ValuedImages) else None
    )
    columns, rows = min(COLUMNS, count), -(-count // COLUMNS)
    figure = Figure(figsize=(3.4 * columns, 0.6 + rows * 2.9 * (1 if beside is None else 1.7)))
    figure.set_layout_engine("constrained")
    figure.suptitle(f"{info.name}: {count} of {len(module.train)} training images")
    for axis, sample in zip(
        figure.subplots(rows, columns, squeeze=False).flat, [*samples, *[None] * COLUMNS], strict=False
    ):
        axis.axis("off")
        if sample is not None:
            shown = sample | {"image": info.picture(sample["image"])}
            axis.imshow(tile(shown, beside))
            axis.set_title(shortened(printable(sample["name"])), fontsize=9)
    if isinstance(info, LabelledImages):
        present = sorted({int(k) for sample in samples for k in np.flatnonzero(label_counts(sample["mask"].numpy()))})
        colours: dict[str, Any] = {
            info.classes[k]: tuple(c / 255 for c in info.palette[k]) for k in present if k < len(info.classes)
        }
        if info.ignore_index in present:
            colours["(ignored)"] = (0.0, 0.0, 0.0)
        patches = [Patch(color=colour) for colour in colours.values()]
        across = int(figure.get_figwidth() / (0.8 + 0.09 * max(map(len, colours))))  # inches: a patch, and a letter
        numbers = [str(i) for i in range(len(patches))]
        legend = figure.legend(patches, numbers, loc="outside lower center", ncols=min(8, max(1, across)))
        for text, name in zip(legend.get_texts(), colours, strict=True):
            text.set_text(name)  # as a label one that begins with _ would be left out
    with whole(path) as partial, warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing")  # a script that the font lacks is drawn as boxes
        figure.savefig(partial, format="png", dpi=90)


def shortened(name: str) -> str:
    """A name that fits above its image: its end."""
    return name if len(name) <= 32 else f"…{name[-31:]}"


def tile(sample: dict[str, Any], palette: list[tuple[int, int, int]] | Values | None) -> NDArray[np.uint8]:
    """(H, W, 3) uint8: the image, and below it the same with its mask laid over, or its values, where there are any."""
    step = -(-max(sample["image"].shape[1:]) // SIDE)
    image = sample["image"][:, ::step, ::step].permute(1, 2, 0).numpy()
    image = np.broadcast_to(image, (*image.shape[:2], 3))
    if palette is None:
        return image
    if isinstance(palette, Values):
        return np.concatenate([image, palette.picture(sample["target"][::step, ::step])])
    mask = sample["mask"][..., ::step, ::step].numpy()
    if mask.ndim == 3:
        colours, there = mixed(mask == 1, palette)
        laid = np.where(there[..., None], (1 - OPACITY) * image + OPACITY * colours, image).astype(np.uint8)
        return np.concatenate([image, laid])
    return np.concatenate([image, overlaid(image, mask, palette, OPACITY)])
