"""The picture of finds against false alarms: the test on outputs alone, and the classical peak beside it."""

from pathlib import Path

import torch
from matplotlib.figure import Figure

from benchmarks.instrument.trials import Answer, Trial, answers
from plumbing.atomic import whole

COLOURS = {0.003: "#56B4E9", 0.005: "#0072B2", 0.01: "#D55E00"}  # by share of the standard deviation
CONTENTS = ("1/f noise", "photographs", "rectangles, sharp")
PERIOD = 8


def curve(without: list[float], planted: list[float]) -> tuple[list[float], list[float]]:
    """False alarms and finds at every threshold; what is higher is surer."""
    levels = sorted({*without, *planted}, reverse=True)
    clean, found = torch.tensor(without), torch.tensor(planted)
    return (
        [0.0, *((clean >= level).float().mean().item() for level in levels)],
        [0.0, *((found >= level).float().mean().item() for level in levels)],
    )


def draw_roc(photos: Path, trials: int, path: Path) -> None:
    """Write the PNG."""
    figure = Figure(figsize=(13, 4.6), dpi=110, layout="constrained")
    figure.suptitle(
        f"Scattered patterns of period {PERIOD} in 16 images of 256 px: found, against false alarms", x=0.01, ha="left"
    )
    for axis, content in zip(figure.subplots(1, len(CONTENTS), sharey=True), CONTENTS, strict=True):
        without = answers([Trial(content, seed, photos, classical=True) for seed in range(trials)])
        for share, colour in COLOURS.items():
            found = answers(
                [Trial(content, 3000 + seed, photos, share, PERIOD, classical=True) for seed in range(trials)]
            )
            for values, style, name in ((surely, "-", "outputs alone"), (peak, ":", "spectral peak")):
                axis.plot(
                    *curve([values(a) for a in without], [values(a) for a in found]),
                    style,
                    color=colour,
                    linewidth=2,
                    drawstyle="steps-post",
                    label=f"{100 * share:g} % of SD, {name}",
                )
        axis.axvline(0.05, color="#999999", linewidth=1)
        axis.set(xlim=(-0.01, 1), ylim=(-0.02, 1.02), xlabel="false alarms", title=content)
        axis.spines[["top", "right"]].set_visible(False)
    figure.axes[0].set_ylabel("patterns found")
    figure.axes[0].legend(loc="lower right", fontsize=8, frameon=False)
    with whole(path, ".png") as partial:
        figure.savefig(partial)


def surely(found: Answer) -> float:
    """The test's own order."""
    return -found.probability


def peak(found: Answer) -> float:
    """The classical measure's."""
    return found.peak
