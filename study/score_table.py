"""A run's scores on the terminal."""

from pathlib import Path
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table


def print_table(metrics: dict[str, Any], folder: Path) -> None:
    """Print a run's scores, its checkerboards beside what noise would show, and its costs."""

    def cell(value: Any) -> str:
        if value is None:
            return "absent"
        return f"{value:,}" if isinstance(value, int) else f"{value:.4g}" if isinstance(value, float) else str(value)

    scored = f"{metrics.get('split', 'test')}/"  # evaluate.py says which split
    table = Table(title=folder.name, title_style="bold", box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.add_column("measure", no_wrap=True)
    table.add_column("value", justify="right")
    table.add_column("beside it")
    for key, value in metrics.items():
        if key.endswith("/null") or key.startswith("baseline/"):
            continue  # shown beside the value they belong to
        if key in ("skipped", "warnings"):
            continue  # sentences, which follow the table
        beside = ""
        if f"{key}/null" in metrics:
            floor = metrics[f"{key}/null"]
            beside = f"{'PRINTS' if value > floor else 'even'} (noise {floor:.2g})"
        elif key.startswith(scored) and (baseline := key.replace(scored, "baseline/", 1)) in metrics:
            beside = f"{metrics['baseline']} {metrics[baseline]:.4g}"
        table.add_row(key, cell(value), beside)
    Console().print(table)
    print("noise: what 95 % of images of plain 1/f noise stay under; above it, the decoder prints a checkerboard")
    for i, sentence in enumerate(metrics.get("skipped", ())):
        print(f"Skipped {i + 1} of {len(metrics['skipped'])}: {sentence}")
    for sentence in metrics.get("warnings", ()):
        print(f"Warning: {sentence}")
    print(f"{folder / 'report.png'}\n{folder / 'metrics.json'}")
