"""Which classes a segmentation takes for which, as a picture."""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from torch import Tensor

from models.tasks.drawing import save, short, wrapped

WRITTEN = 20  # classes at most whose shares are written out
LETTERS = 30  # of a class's name


def confusion_picture(path: Path, title: str, confusion: Tensor, classes: list[str]) -> None:
    """Draw (K, K) counts of truth by prediction as shares of each true class, a PNG at `path`.

    A class that the truth does not have has an empty row.
    """
    counts = confusion.cpu().double().numpy()
    total = counts.sum(1, keepdims=True)
    shares = np.divide(counts, total, out=np.full_like(counts, np.nan), where=total > 0)
    names = [short(name, LETTERS) for name in classes]
    longest = max(map(len, names))
    upright = len(names) > 4 or longest > 12
    side, more = min(3.5 + 0.55 * len(names), 20), 0.07 * max(0, longest - 8)  # inches; what long names take
    figure = Figure(figsize=(side + 1.2 + more, side + more * upright), layout="constrained")
    figure.suptitle(wrapped(title, side + 1.2 + more, 9), fontsize=9)
    axis = figure.subplots()
    drawn = axis.imshow(100 * shares, cmap="Blues", vmin=0, vmax=100)
    size = 9 if len(classes) <= WRITTEN else 6
    axis.set_xticks(range(len(names)), names, rotation=90 if upright else 0, fontsize=size)
    pixels = [f"{name}\n{100 * count / counts.sum():.1f} %" for name, count in zip(names, total[:, 0], strict=True)]
    axis.set_yticks(range(len(names)), pixels if len(names) <= WRITTEN else names, fontsize=size)
    axis.set_xlabel("predicted")
    axis.set_ylabel("truth" + (", share of all pixels" if len(classes) <= WRITTEN else ""))
    if len(classes) <= WRITTEN:
        for (row, column), share in np.ndenumerate(shares):
            if not np.isnan(share):
                colour = "white" if share > 0.5 else "black"
                axis.text(column, row, f"{100 * share:.1f}", ha="center", va="center", fontsize=8, color=colour)
    figure.colorbar(drawn, ax=axis, shrink=0.8, label="% of the true class")
    save(figure, path)
