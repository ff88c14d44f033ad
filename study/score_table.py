"""A run's scores on the terminal: what a person asked for, in four groups, 80 columns. The rest is in metrics.json."""

import math
import os
import textwrap
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from models.tasks.score_rows import CLASSICAL, COSTS, prints, unit

WIDTH = 80
INDENT = 10
LISTED = 12  # scores of one kind, such as the classes' IoU, of which each is told; of more the extremes are
EXTREMES = 3


def cell(value: Any) -> str:
    """A value as it is written: four digits, of small ones six decimals, and commas in whole numbers."""
    if value is None:
        return "absent"
    if isinstance(value, float):
        return f"{value:.6f}".rstrip("0") if 1e-6 <= abs(value) < 1e-3 else f"{value:.4g}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def of(metrics: dict[str, Any], start: str) -> dict[str, Any]:
    """The scores whose keys begin with `start` and a slash, by the rest of the key; the patterns' numbers and classical
    measures are told by their sentences."""
    found = {}
    for key, value in metrics.items():
        parts = key.split("/")
        kept = not ("grid" in parts or parts[-1] == "null" or any(part in CLASSICAL for part in parts))
        if key.startswith(f"{start}/") and kept and not isinstance(value, str):
            found[key.removeprefix(f"{start}/")] = value
    return found


def scores(metrics: dict[str, Any], scored: str) -> Iterator[tuple[str, str, str]]:
    """Key, value and what stands beside it of each score of the split, and of validation."""
    beside = {word: of(metrics, word) for word in ("baseline", "real", "repaired")}
    words = {"baseline": metrics.get("baseline"), "real": "real images", "repaired": "repaired"}
    for split in dict.fromkeys(("val", scored)):
        for name, value in of(metrics, split).items():
            others = [f"{words[w]} {cell(beside[w][name])}" for w in beside if split == scored and name in beside[w]]
            yield f"{split}/{name}", cell(value), ", ".join(others)


def listed(found: dict[str, Any], metrics: dict[str, Any]) -> Iterator[str]:
    """Some of a run's scores in sentences: what stands alone in one, and one for each kind that has several."""
    kinds: dict[str, dict[str, Any]] = {"": {}}
    for name, value in found.items():
        kind, _, member = name.partition("/")
        kinds.setdefault(kind if member else "", {})[member or name] = value
    for kind, members in kinds.items():
        told = {k: together(f"{k} {cell(value)} {unit(k, metrics)}".rstrip()) for k, value in members.items()}
        there = sorted((name for name in members if members[name] is not None), key=lambda name: members[name])
        kind = {"final": "last weights"}.get(kind, kind)
        if kind and len(there) > LISTED:
            low, high = (", ".join(told[name] for name in some) for some in (there[:EXTREMES], there[-EXTREMES:]))
            count = f"{len(there)} of {len(members)}" if len(there) < len(members) else f"{len(members)}"
            yield f"{kind} of {count} classes: lowest {low}; highest {high}; each in metrics.json"
        elif members:
            yield (f"{kind}: " if kind else "") + ", ".join(told.values())


def together(words: str) -> str:
    """Words between which no line ends, until they are printed."""
    return words.replace(" ", "\xa0")


def groups(metrics: dict[str, Any], scored: str) -> Iterator[tuple[str, list[str]]]:
    """A title and sentences: the scores, what they are beside, what the grid prints, what the run cost."""
    validated = listed(of(metrics, "val") if scored != "val" else {}, metrics)
    yield "Score", [*listed(of(metrics, scored), metrics), *(f"{line} in validation" for line in validated)]
    beside = [f"{metrics['baseline']}: {line}" for line in listed(of(metrics, "baseline"), metrics)]
    yield "Baseline", [*beside, *(f"real images: {line}" for line in listed(of(metrics, "real"), metrics))]
    pattern = [
        metrics[key] for key in (f"{scored}/{name}" for name in ("pattern", "source", "content")) if key in metrics
    ]
    repaired = [metrics[key] for key in ("repaired/pattern", "repaired/content") if key in metrics]
    after = [*repaired, *listed(of(metrics, "repaired"), metrics)] if repaired else []
    yield "Pattern", [*pattern, *(f"repaired: {line}" for line in after)]
    cost = ", ".join(map(together, costs(metrics)))
    yield "Cost", [cost] if cost else []


def costs(metrics: dict[str, Any]) -> Iterator[str]:
    """What a run cost, a few words each."""
    words = {
        "parameters": "parameters",
        "macs": "multiply-adds",
        "seconds_per_step": "s a step",
        "peak_memory_mb": "MB",
    }
    for key in COSTS:
        if metrics.get(key) is not None and not math.isnan(metrics[key]):  # a step of a run of few is not timed
            size = f" of {metrics['macs_input']}" if key == "macs" and "macs_input" in metrics else ""
            yield f"{cell(metrics[key])} {words[key]}{size}"
    if "seconds" in metrics:
        yield f"{metrics['seconds']:.0f} s in all"
    if "steps_not_applied" in metrics:
        yield f"{metrics['steps_not_applied']} steps not applied"


def said(title: str, sentences: Iterable[str]) -> Iterator[str]:
    """Sentences right of a title, in lines that are not wrapped again; without any, that nothing was measured."""
    for i, sentence in enumerate([*sentences] or ["not measured"]):
        begin = f"{title:<{INDENT}}" if i == 0 else " " * INDENT
        lines = textwrap.wrap(sentence.replace(" %", together(" %")), WIDTH - INDENT, break_on_hyphens=False)
        yield from (f"{begin if j == 0 else ' ' * INDENT}{line}".replace("\xa0", " ") for j, line in enumerate(lines))


def near(path: str | Path) -> str:
    """A path as it is typed from here, where it lies below; otherwise, and of what is no path, as it is."""
    here = f"{os.getcwd()}{os.sep}"
    return str(path).removeprefix(here)


def print_table(metrics: dict[str, Any], folder: Path) -> None:
    """Print a run's scores, their baseline, what the grid prints, and what the run cost."""
    scored = metrics.get("split", "test")  # evaluate.py says which
    print(f"\n{folder.name}")
    for title, sentences in groups(metrics, scored):
        print(*said(title, sentences), sep="\n")
    checkpoint = near(metrics.get("checkpoint", folder / "best.ckpt"))
    if "repaired" in metrics:
        print(f"The repaired network, which every command takes: {near(metrics['repaired'])}")
    elif "repaired/pattern" in metrics:
        print(f"To write the repaired network:\n  python evaluate.py checkpoint={checkpoint} repair=true")
    elif prints(metrics, scored):
        print(f"Where the pattern comes from, and the repair:\n  python evaluate.py checkpoint={checkpoint}")
    for i, sentence in enumerate(metrics.get("skipped", ())):
        print(f"Skipped {i + 1} of {len(metrics['skipped'])}: {sentence}")
    for sentence in metrics.get("warnings", ()):
        print(f"Warning: {sentence}")
    print(f"Pictures: {near(folder / 'report.html')}\nEvery measure: {near(folder / 'metrics.json')}")
