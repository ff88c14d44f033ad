"""The comparison as one picture: score against checkerboard, learning curves, spectra, and the same place by each."""

import csv
import io
from math import ceil
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from numpy.typing import NDArray

from study.comparison import scores
from study.comparison.board import Board, Entry
from study.comparison.runs import Group, Run

COLUMNS = 6  # pictures in a row of the strip
Colours = dict[str, tuple[float, float, float, float]]  # by the groups' labels
APART = 20  # dB between one group's spectrum and the next


def picture(board: Board) -> bytes:
    """The comparison as a PNG."""
    palette = colormaps["tab10" if len(board.groups) <= 10 else "tab20"]
    colours = {each.label: palette(i) for i, each in enumerate(board.groups)}
    strip = _strip(board)
    rows = ceil(len(strip) / COLUMNS)
    heights = [4.6, 4.4 + 0.35 * max(0, len(board.groups) - 6), *([0.4 + 2.3 * rows] if rows else [])]
    figure = Figure(figsize=(13, sum(heights)), layout="constrained", dpi=110)
    figure.suptitle(f"{board.title}: {len(board.groups)} configurations, seeds {', '.join(map(str, board.seeds))}")
    parts = figure.subfigures(len(heights), 1, squeeze=False, height_ratios=heights)[:, 0]
    above = parts[0].subplots(1, 2)
    _scatter(above[0], board, colours)
    _curves(above[1], board, colours)
    _spectra(parts[1].subplots(), board, colours)
    if rows:
        _draw_strip(parts[2], strip, rows)
    file = io.BytesIO()
    figure.savefig(file, format="png")
    return file.getvalue()


def _scatter(axis: Axes, board: Board, colours: Colours) -> None:
    """The main score against the checkerboard, or its groups side by side where none was measured."""
    points: list[tuple[Group, Entry, float, float | None]] = []
    for place, each in enumerate(board.groups):
        score = board.entry(each, board.main)
        across = board.entry(each, board.checkerboard) if board.checkerboard else None
        if score and (across or not board.checkerboard):
            points.append((each, score, *((across.mean, across.deviation) if across else (float(place), None))))
    middle = sum(x for _, _, x, _ in points) / len(points)
    for each, score, x, spread in points:
        colour = colours[each.label]
        axis.errorbar(x, score.mean, score.deviation, spread, fmt="o", color=colour, capsize=3, elinewidth=1)
        side = 1 if x <= middle else -1
        axis.annotate(
            each.label,
            (x, score.mean),
            xytext=(7 * side, 5),
            textcoords="offset points",
            ha="left" if side > 0 else "right",
            color="0.2",
        )
    axis.margins(x=0.15, y=0.15)
    axis.set_title("score and checkerboard: mean and standard deviation over seeds")
    axis.set_ylabel(scores.name(board.main))
    if board.checkerboard:
        axis.set_xlabel(f"{scores.name(board.checkerboard)} (left is even)")
        if board.noise is not None:
            left, right = axis.get_xlim()
            axis.set_xlim(min(left, board.noise - 1), max(right, board.noise + 1))
            axis.axvspan(axis.get_xlim()[0], board.noise, color="0.92", zorder=0)
            axis.text(
                board.noise, 0.01, "noise ", ha="right", va="bottom", color="0.4", transform=axis.get_xaxis_transform()
            )
    else:
        axis.set_xticks([])


def _curves(axis: Axes, board: Board, colours: Colours) -> None:
    """The validation score over training: the mean over seeds, and the range they span."""
    wanted = f"val/{scores.name(board.main)}"
    shown = wanted
    for each in board.groups:
        histories = [h for h in map(_history, each.finished) if h]
        if not histories:
            continue
        shown = wanted if wanted in histories[0] else next(key for key in histories[0] if key != "step")
        length = min(len(h["step"]) for h in histories)
        values = np.array([h[shown][:length] for h in histories])
        step = histories[0]["step"][:length]
        axis.plot(step, values.mean(0), color=colours[each.label], marker=".", label=each.label)
        axis.fill_between(step, values.min(0), values.max(0), color=colours[each.label], alpha=0.15, linewidth=0)
    axis.set_title("validation while training: mean and range over seeds")
    axis.set_xlabel("step")
    axis.set_ylabel(shown)
    if axis.lines:
        axis.legend(loc="lower right", fontsize="small", ncols=ceil(len(axis.lines) / 8))


def _spectra(axis: Axes, board: Board, colours: Colours) -> None:
    """Each group's mean spectrum, one above the other, with lines at the multiples of 1/period."""
    ticks: list[float] = []
    for each in reversed(board.groups):
        found = [e["spectrum"] for e in map(_example, each.finished) if "spectrum" in e]
        found = [s for s in found if len(s) == len(found[0])]
        if not found:
            continue
        spectrum = np.mean(found, axis=0)
        frequency = np.arange(1, len(spectrum) + 1) / (2 * len(spectrum))
        base = APART * len(ticks)
        axis.plot(frequency, spectrum - np.median(spectrum) + base, color=colours[each.label], linewidth=1.2)
        axis.text(0.502, base, each.label, color="0.2", va="center")
        ticks.append(base)
    period = _period(board)
    for m in range(1, period // 2 + 1):
        axis.axvline(m / period, color="0.8", linewidth=0.8, zorder=0)
    axis.set_xlim(0, 0.5)
    if ticks:
        axis.set_ylim(ticks[0] - APART, ticks[-1] + 2 * APART)
        axis.set_yticks(ticks, ["0"] * len(ticks))
    harmonics = f"; lines: multiples of 1/{period}" if period else ""
    axis.set_title(f"spectra of the output, mean over seeds{harmonics}, where a checkerboard stands up")
    axis.set_xlabel("cycles per pixel")
    axis.set_ylabel(f"dB above its median; curves {APART} dB apart")


def _period(board: Board) -> int:
    """The period at which the checkerboard was measured, which is the decoder's."""
    return next(
        (int(run.metrics["period"]) for run in board.best.finished if run.metrics and "period" in run.metrics), 0
    )


def _strip(board: Board) -> list[tuple[str, NDArray[Any]]]:
    """What to see, then each group's output of the same place, all of one seed."""
    seed = max(board.seeds, key=lambda seed: sum(seed in each.values(board.main) for each in board.groups))
    result: list[tuple[str, NDArray[Any]]] = []
    for each in board.groups:
        example = _example(each.runs[seed]) if seed in each.runs else {}
        if "output" not in example:
            continue
        if not result:
            result = [(key, value) for key, value in example.items() if key not in ("output", "spectrum")]
        result.append((f"{each.label}, seed {seed}", example["output"]))
    return result


def _draw_strip(part: SubFigure, strip: list[tuple[str, NDArray[Any]]], rows: int) -> None:
    part.suptitle("the same place of the test set", fontsize="medium")
    axes = np.atleast_1d(part.subplots(rows, COLUMNS)).flatten()
    for axis in axes:
        axis.set_axis_off()
    for axis, (title, image) in zip(axes, strip, strict=False):
        axis.imshow(image, interpolation="nearest")
        axis.set_title(title, fontsize="small")


def _history(run: Run) -> dict[str, list[float]]:
    """history.csv by column, empty where there is none."""
    path = run.folder / "history.csv"
    if not path.exists():
        return {}
    with path.open(newline="", encoding="utf-8") as file:
        lines = list(csv.DictReader(file))
    return {key: [float(line[key]) for line in lines] for key in lines[0]} if lines else {}


def _example(run: Run) -> dict[str, NDArray[Any]]:
    """example.npz, empty where there is none."""
    path = run.folder / "example.npz"
    if not path.exists():
        return {}
    with np.load(path, allow_pickle=False) as arrays:
        return dict(arrays)
