"""The small picture of an entry."""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray


def write_preview(path: Path, pictures: dict[str, NDArray[np.generic]]) -> None:
    """Pictures (H, W, 3) uint8 side by side under their names, as a PNG at `path`."""
    figure = Figure(figsize=(2.6 * len(pictures), 2.9), layout="constrained")
    for axis, (name, picture) in zip(
        figure.subplots(1, len(pictures), squeeze=False)[0], pictures.items(), strict=True
    ):
        axis.imshow(picture, interpolation="nearest")
        axis.set_title(name)
        axis.set_axis_off()
    figure.savefig(path, format="png", dpi=100)
