"""The comparison as one picture: what each grid prints, score against checkerboard, learning curves, spectra, and the
same place by each."""

import io
import textwrap
import warnings
from collections.abc import Callable
from math import ceil
from typing import Any, TypeVar

import numpy as np
from matplotlib import colormaps, rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from numpy.typing import NDArray

from models.tasks.score_rows import prints
from study import reading
from study.comparison import patches, scores
from study.comparison.board import Board
from study.comparison.runs import Group, Repeat, Run

DRAWN = 20  # groups, the best; there are no more colours to tell apart
COLUMNS = 6  # pictures in a row of the strip
TITLE = 105  # characters of a line of the title
ACROSS = {"test/grid/fixed/share": "fixed pattern, share of the output's standard deviation (left is even)"}
APART = 20  # dB between one group's spectrum and the next
Found = TypeVar("Found", reading.Numbers, reading.Arrays)
Strip = list[tuple[str, NDArray[Any]]]


class Drawn:
    """What is drawn of a board: its first groups, each with a colour, and what lies in their runs' folders."""

    def __init__(self, board: Board, notes: list[str]) -> None:
        self.board, self.groups, self.notes = board, board.groups[:DRAWN], notes
        palette = colormaps["tab10" if len(self.groups) <= 10 else "tab20"]
        self.colours = [palette(i) for i in range(len(self.groups))]
        self.histories = [self._files(reading.history, each) for each in self.groups]
        self.examples = [self._files(reading.example, each) for each in self.groups]

    def _files(self, read: Callable[..., Found], group: Group) -> dict[Any, Found]:
        """What is read of the folders of a group's finished runs, by their seeds, where there is anything."""
        found = {}
        for seed, run in group.runs.items():
            try:
                if run.metrics and (it := read(run.folder)):
                    found[seed] = it
            except ValueError as error:
                self.notes.append(str(error))
        return found


def picture(board: Board, notes: list[str] | None = None) -> bytes:
    """The comparison as a PNG.

    notes  gets a sentence for each file of a run that is not drawn because it is not what it should be
    """
    drawn = Drawn(board, [] if notes is None else notes)
    # Legible at half its size; a name is never mathematics.
    with rc_context({"text.parse_math": False, "font.size": 12}), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph")  # of any alphabet; what the font lacks appears as a box
        figure = draw(drawn)
        file = io.BytesIO()
        figure.savefig(file, format="png")
    return file.getvalue()


def draw(drawn: Drawn) -> Figure:
    """All parts, one above the other."""
    strip, magnified = same_place(drawn), printed(drawn)
    rows = ceil(len(strip) / COLUMNS)
    heights = {
        "patches": patches.height(len(magnified)),
        "scores": 4.6,
        "spectra": 4.4 + 0.35 * max(0, len(drawn.groups) - 6),
        "strip": 0.4 + 2.3 * rows if rows else 0,
    }
    heights = {name: inches for name, inches in heights.items() if inches}
    figure = Figure(figsize=(13, sum(heights.values())), layout="constrained", dpi=110)
    figure.suptitle(title(drawn))
    found = figure.subfigures(len(heights), 1, squeeze=False, height_ratios=list(heights.values()))[:, 0]
    parts = dict(zip(heights, found, strict=True))
    if magnified:
        patches.draw(parts["patches"], magnified, unit(drawn.board))
    above = parts["scores"].subplots(1, 2)
    draw_scores(above[0], drawn)
    draw_curves(above[1], drawn)
    draw_spectra(parts["spectra"].subplots(), drawn)
    if rows:
        draw_strip(parts["strip"], strip, rows)
    return figure


def title(drawn: Drawn) -> str:
    """What is compared, of which networks, over which seeds; which groups are drawn; which is best and which print."""
    board, seeds = drawn.board, list(map(str, drawn.board.seeds))
    count = f"{len(board.groups)} configurations"
    if len(board.groups) > DRAWN:
        count = f"the best {DRAWN} of {count}"
    networks = sorted({str(each.settings["model.name"]) for each in board.groups if "model.name" in each.settings})
    of = f" of {', '.join(networks)}" if networks else ""
    over = f"seeds {', '.join(seeds)}" if len(seeds) <= 10 else f"{len(seeds)} seeds"
    lines = [f"{board.title}: {count}{of}, {over}", *board.headlines()]
    return "\n".join(line for long in lines for line in textwrap.wrap(long, TITLE))


def short(label: str) -> str:
    """A label that leaves room for the drawing."""
    return label if len(label) <= 40 else f"{label[:39]}…"


def draw_scores(axis: Axes, drawn: Drawn) -> None:
    """The main score against the checkerboard, or the groups side by side where none was measured."""
    board = drawn.board
    points = []
    for place, (each, colour) in enumerate(zip(drawn.groups, drawn.colours, strict=True)):
        score = board.entry(each, board.main)
        across = board.entry(each, board.checkerboard) if board.checkerboard else None
        if score and (across or not board.checkerboard):
            points.append((each, colour, score, across, across.mean if across else float(place)))
    middle = sum(x for *_, x in points) / max(1, len(points))
    for each, colour, score, across, x in points:
        spread = across.deviation if across else None
        axis.errorbar(x, score.mean, score.deviation, spread, fmt="o", color=colour, capsize=3, elinewidth=1)
        side = 1 if x <= middle else -1
        axis.annotate(
            short(each.label),
            (x, score.mean),
            xytext=(7 * side, 5),
            textcoords="offset points",
            ha="left" if side > 0 else "right",
            color="0.2",
        )
    axis.margins(x=0.15, y=0.15)
    axis.set_title("score and checkerboard: mean and standard deviation over seeds")
    axis.set_ylabel(scores.name(board.main))
    if not board.checkerboard:
        axis.set_xticks([])
        return
    axis.set_xlabel(ACROSS.get(board.checkerboard, f"{scores.name(board.checkerboard)} (left is even)"))
    floors = [(colour, across.floor) for _, colour, _, across, _ in points if across and across.floor is not None]
    draw_floors(axis, floors)


def draw_floors(axis: Axes, floors: list[tuple[Any, float]]) -> None:
    """What the checkerboards are beside: shaded where it is the same for all, else a line in each group's colour."""
    if not floors:
        return
    values = [floor for _, floor in floors]
    left, right = axis.get_xlim()
    axis.set_xlim(min(left, *(v - 1 for v in values)), max(right, *(v + 1 for v in values)))
    if len({f"{floor:.2g}" for floor in values}) == 1:
        axis.axvspan(axis.get_xlim()[0], values[0], color="0.92", zorder=0)
    else:
        for colour, floor in floors:
            axis.axvline(floor, color=colour, linestyle=":", linewidth=1, zorder=0)
    at = axis.get_xaxis_transform()
    axis.text(max(values), 0.01, "noise ", ha="right", va="bottom", color="0.4", transform=at)


def draw_curves(axis: Axes, drawn: Drawn) -> None:
    """The validation score over training: the mean over seeds, and the range they span."""
    wanted = f"val/{scores.name(drawn.board.main)}"
    found = [history for each in drawn.histories for history in each.values()]
    columns = [key for history in found for key in history if key != "step"]
    shown = wanted if wanted in columns else next(iter(columns), wanted)
    lines = []
    for each, colour, histories in zip(drawn.groups, drawn.colours, drawn.histories, strict=True):
        able = [history for history in histories.values() if shown in history]
        if not able:
            continue
        length = min(len(history["step"]) for history in able)
        values = np.array([history[shown][:length] for history in able])
        step = able[0]["step"][:length]
        (line,) = axis.plot(step, values.mean(0), color=colour, marker=".")
        lines.append((line, short(each.label)))
        axis.fill_between(step, values.min(0), values.max(0), color=colour, alpha=0.15, linewidth=0)
    axis.set_title("validation while training: mean and range over seeds")
    axis.set_xlabel("step")
    axis.set_ylabel(shown)
    if lines:  # named one by one: matplotlib leaves out names that begin with an underscore
        handles, labels = zip(*lines, strict=True)
        axis.legend(handles, labels, loc="lower right", fontsize="small", ncols=ceil(len(lines) / 8))


def draw_spectra(axis: Axes, drawn: Drawn) -> None:
    """Each group's mean spectrum, one above the other, with lines at the multiples of 1/period."""
    ticks: list[float] = []
    for each, colour, examples in reversed(list(zip(drawn.groups, drawn.colours, drawn.examples, strict=True))):
        found = [example["spectrum"] for example in examples.values() if "spectrum" in example]
        found = [spectrum for spectrum in found if spectrum.shape == found[0].shape and spectrum.ndim == 1]
        if not found:
            continue
        spectrum = np.mean(found, axis=0)
        frequency = np.arange(1, len(spectrum) + 1) / (2 * len(spectrum))
        base = APART * len(ticks)
        axis.plot(frequency, spectrum - np.median(spectrum) + base, color=colour, linewidth=1.2)
        axis.text(0.502, base, short(each.label), color="0.2", va="center")
        ticks.append(base)
    period = period_of(drawn.board.best.finished)
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


def period_of(runs: list[Run]) -> int:
    """The period at which the checkerboard was measured, which is the decoder's; 0 where no run tells."""
    return next((run.metrics["period"] for run in runs if run.metrics and "period" in run.metrics), 0)


def unit(board: Board) -> str:
    """Of what is drawn of the outputs."""
    task = next(iter(board.best.runs.values())).kind[0]
    of_data = next(
        (run.metrics["unit"] for run in board.best.finished if run.metrics and run.metrics.get("unit")), None
    )
    return patches.UNITS.get(task) or str(of_data or "units of the output")


def printed(drawn: Drawn) -> list[patches.Patch]:
    """Of each group whose run left them: a patch of its output, what the grid adds, and its score and verdict, all of
    one seed."""
    board, found = drawn.board, []
    seed = shown_seed(board)
    for each, examples in zip(drawn.groups, drawn.examples, strict=True):
        output, grid = (examples.get(seed, {}).get(key) for key in ("patch", "grid"))
        if output is None or grid is None or output.ndim != 2 or grid.ndim != 2:
            continue
        metrics = each.runs[seed].metrics or {}
        score = f"{scores.name(board.main)} {scores.written(metrics[board.main])}" if metrics.get(board.main) else ""
        name = f"{short(each.label)}, seed {seed}" + (f": {score}" if score else "")
        found.append(patches.Patch(name, patches.verdict(metrics, unit(board)), prints(metrics), output, grid))
    return found


def shown_seed(board: Board) -> Repeat:
    """The seed that most groups have finished, of which single outputs are shown."""
    return max(board.seeds, key=lambda seed: sum(seed in each.values(board.main) for each in board.groups))


def same_place(drawn: Drawn) -> Strip:
    """What to see, then each group's output of the same place, all of one seed."""
    board = drawn.board
    result: Strip = []
    seed = shown_seed(board)
    for each, examples in zip(drawn.groups, drawn.examples, strict=True):
        example = {key: value for key, value in examples.get(seed, {}).items() if value.ndim == 3}
        if "output" not in example:
            continue
        result = result or [(short(key), value) for key, value in list(example.items())[:COLUMNS] if key != "output"]
        result.append((f"{short(each.label)}, seed {seed}", example["output"]))
    return result


def draw_strip(part: SubFigure, strip: Strip, rows: int) -> None:
    """Pictures side by side, in rows."""
    part.suptitle("the same place of the test set", fontsize="medium")
    axes = np.atleast_1d(part.subplots(rows, COLUMNS)).flatten()
    for axis in axes:
        axis.set_axis_off()
    for axis, (name, image) in zip(axes, strip, strict=False):
        axis.imshow(image, interpolation="nearest")
        axis.set_title(name, fontsize="small")
