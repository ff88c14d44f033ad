"""A run's scores on the terminal: what a person asked for, in 80 columns. The rest is in metrics.json."""

import textwrap
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from models.tasks.score_rows import CLASSICAL, COSTS, prints, row

WIDTH = 80


def cell(value: Any) -> str:
    """A value as it is written: four digits, and commas in whole numbers."""
    if value is None:
        return "absent"
    return f"{value:,}" if isinstance(value, int) else f"{value:.4g}" if isinstance(value, float) else str(value)


def scores(metrics: dict[str, Any], scored: str) -> Iterator[tuple[str, str, str]]:
    """Name, value and what stands beside it of each score of the split; the patterns' numbers and classical measures
    are told by their sentences."""
    for key, value in metrics.items():
        parts = key.split("/")
        if not key.startswith((f"{scored}/", "val/")) or isinstance(value, str):
            continue
        if "grid" in parts or parts[-1] == "null" or any(part in CLASSICAL for part in parts):
            continue
        baseline = metrics.get(key.replace(scored, "baseline", 1)) if key.startswith(scored) else None
        real = metrics.get(key.replace(scored, "real", 1)) if key.startswith(scored) else None
        repaired = metrics.get(key.replace(scored, "repaired", 1)) if key.startswith(scored) else None
        beside = [f"{metrics['baseline']} {cell(baseline)}"] if baseline is not None else []
        beside += [f"real images {cell(real)}"] if real is not None and not beside else []
        beside += [f"repaired {cell(repaired)}"] if repaired is not None else []
        yield key, cell(value), ", ".join(beside)


def said(title: str, sentences: Iterable[str]) -> Iterator[str]:
    """Sentences below a title, in lines that are not wrapped again."""
    for i, sentence in enumerate(sentences):
        begin = f"{title:<9}" if i == 0 else " " * 9
        yield textwrap.fill(sentence, WIDTH, initial_indent=begin, subsequent_indent=" " * 9)


def print_table(metrics: dict[str, Any], folder: Path) -> None:
    """Print a run's scores beside their baseline, what the grid prints, and what the run cost."""
    scored = metrics.get("split", "test")  # evaluate.py says which
    table = Table(box=None, padding=(0, 2, 0, 0), show_header=False)
    for justify in ("left", "right", "left"):
        table.add_column(justify=justify, no_wrap=True)  # type: ignore[arg-type]  # rich types the words
    for line in scores(metrics, scored):
        table.add_row(*line)
    console = Console(width=max(WIDTH, Console().width), markup=False, highlight=False)
    console.print(f"\n{folder.name}", style="bold")
    console.print(table)
    for key, title in ((f"{scored}/pattern", "Pattern"), (f"{scored}/source", ""), (f"{scored}/content", "")):
        if key in metrics:
            print(*said(title, [metrics[key]]), sep="\n")
    for key, title in (("repaired/pattern", "Repaired"), ("repaired/content", "")):
        if key in metrics:
            print(*said(title, [metrics[key]]), sep="\n")
    checkpoint = metrics.get("checkpoint", folder / "best.ckpt")
    if "repaired" in metrics:
        print(metrics["repaired"])
    elif "repaired/pattern" in metrics:
        print(f"python evaluate.py checkpoint={checkpoint} repair=true writes it")
    elif prints(metrics, scored):
        print(f"python evaluate.py checkpoint={checkpoint} tells which layer the pattern comes from, and repairs it")
    units = {key: found.unit for key in COSTS if (found := row(key))}
    costs = [f"{key} {cell(metrics[key])} {units[key]}".strip() for key in COSTS if key in metrics]
    costs += [f"seconds {metrics['seconds']:.0f}"] if "seconds" in metrics else []
    print(*said("Cost", [", ".join(costs)]), sep="\n")
    for i, sentence in enumerate(metrics.get("skipped", ())):
        print(f"Skipped {i + 1} of {len(metrics['skipped'])}: {sentence}")
    for sentence in metrics.get("warnings", ()):
        print(f"Warning: {sentence}")
    print(f"{folder / 'report.html'}, with the pictures\n{folder / 'metrics.json'}, with every measure")
