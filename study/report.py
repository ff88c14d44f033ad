"""What a run leaves for a person: report.png, and report.html, which holds it, the scores, the curves and the command.

A picture or a page that fails costs a warning, never a run.
"""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from models.tasks.score_rows import COSTS, row, unit
from plumbing.atomic import write_text
from study import reading
from study.headline import fixed, headline
from study.pages import TEMPLATES, encoded, policy, words
from study.score_table import cell, scores

STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; margin: 1.5em auto; max-width: 1240px; padding: 0 1em;
  color-scheme: light dark; background: Canvas; color: CanvasText; overflow-wrap: break-word }
h1 { font-size: 1.5em; line-height: 1.25 }
.verdict { font-size: 1.15em; font-weight: 600 }
.warning { border-left: 4px solid #d55e00; padding-left: .7em }
table { border-collapse: collapse; font-variant-numeric: tabular-nums }
th, td { padding: .3em .8em .3em 0; text-align: left; border-bottom: 1px solid #8884; vertical-align: top }
td.number { text-align: right; font-weight: 600; white-space: nowrap }
td.beside { white-space: nowrap }
.wide, pre { overflow-x: auto }
#scores td:last-child { min-width: 17em }
@media (max-width: 640px) { /* a row of the table becomes two lines */
  #scores thead { display: none }
  #scores, #scores tbody, #scores tr { display: block }
  #scores tr { border-bottom: 1px solid #8884; padding: .4em 0 }
  #scores td { display: inline-block; border: 0; padding: 0 .8em 0 0 }
  #scores td:last-child { display: block; min-width: 0; font-size: .9em }
}
pre { background: #8882; padding: .8em; border-radius: 6px; font-size: .9em }
pre.command { white-space: pre-wrap; overflow-wrap: anywhere }
dt { font-weight: 600 }
dd { margin: 0 0 .4em 1.2em }
:focus-visible { outline: 3px solid #0072b2; outline-offset: 2px }
.picture button:focus-visible { outline-offset: -3px } /* outside, what scrolls would cut it off */
figure { margin: 0 0 1em }
.curves { display: flex; flex-wrap: wrap; gap: 1em }
.curves figure { flex: 1 1 320px; max-width: 520px }
svg text { font-size: 12px; fill: CanvasText }
.axis { stroke: #888; fill: none }
.curve { fill: none; stroke: #3a8fd6; stroke-width: 2 }
circle { fill: #3a8fd6 }
.picture { overflow: auto }
.picture button { border: 0; padding: 0; background: none; cursor: zoom-in }
.picture img { max-width: 100%; display: block }
.picture.whole img { max-width: none }
.picture.whole button { cursor: zoom-out }
@media (prefers-color-scheme: dark) { .picture img { filter: brightness(.8) } .picture.whole img { filter: none } }
"""
SCRIPT = """
for (const button of document.querySelectorAll(".picture button"))
  button.onclick = () => button.parentElement.classList.toggle("whole");
"""
WIDTH, HEIGHT, LEFT, TOP = 390, 155, 60, 15  # of a curve, in the drawing's units


def attempt(what: str, make: Callable[[], None], metrics: dict[str, Any]) -> None:
    """Do what a run's scores do not depend on; whatever it raises becomes one of the metrics' `warnings`."""
    try:
        make()
    except Exception as error:
        why = f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
        metrics["warnings"] = [*metrics.get("warnings", ()), f"{what} could not be written ({why})"]


def write(folder: Path, config: dict[str, Any], metrics: dict[str, Any], draw: Callable[[Path, str], None]) -> None:
    """Draw report.png and write report.html into a run's folder; what fails becomes one of the metrics' `warnings`.

    config  of the run, or of what was evaluated: its sections model, data and upsample
    draw    takes a path and a title, and writes the picture and those that stand beside it
    """
    attempt("the pictures", lambda: draw(folder / "report.png", headline(config, metrics)), metrics)
    page(folder, config, metrics)


def page(folder: Path, config: dict[str, Any], metrics: dict[str, Any]) -> None:
    """Write report.html of the pictures that there are; what fails becomes one of the metrics' `warnings`."""
    attempt("report.html", lambda: write_text(folder / "report.html", html(folder, config, metrics)), metrics)


def html(folder: Path, config: dict[str, Any], metrics: dict[str, Any]) -> str:
    """The page, with the pictures that lie in the folder inside."""
    scored = metrics.get("split", "test")
    pictures = sorted(folder.glob("*.png"), key=lambda path: (path.name != "report.png", path.name))
    pictures += sorted(folder.glob("samples/*.png"))[-1:]
    command, configuration = folder / "command.txt", folder / "config.yaml"
    lines, rows = headline(config, metrics).splitlines(), [*score_rows(metrics, scored), *cost_rows(metrics)]
    said = [metrics[f"{scored}/{key}"] for key in ("source", "content") if f"{scored}/{key}" in metrics]
    said = [re.sub("^comes from", "the fixed pattern comes from", each) for each in said]
    if "repaired/pattern" in metrics:
        said.append(f"repaired, {fixed(metrics['repaired/pattern'])}")
    if "repaired/content" in metrics:
        said.append(f"repaired, {metrics['repaired/content']}")
    return TEMPLATES.get_template("report.html.j2").render(
        policy=policy(STYLE, SCRIPT),
        style=STYLE,
        script=SCRIPT,
        lines=lines,
        said=said,
        words=words(" ".join([*lines, *said, *(f"{row['name']} {row['beside']}" for row in rows)])),
        warnings=metrics.get("warnings", ()),
        rows=rows,
        curves=curves(folder),
        pictures=[(path.relative_to(folder).as_posix(), encoded(path.read_bytes())) for path in pictures],
        command=command.read_text(encoding="utf-8") if command.exists() else "",
        configuration=configuration.read_text(encoding="utf-8") if configuration.exists() else "",
        measures=json.dumps(metrics, indent=1, default=str),
    )


def score_rows(metrics: dict[str, Any], scored: str) -> list[dict[str, str]]:
    """Name, value with its unit, what stands beside it, and the meaning of each score."""
    return [
        {"name": key, "value": f"{value} {unit(key, metrics)}", "beside": beside, "meaning": meaning(key)}
        for key, value, beside in scores(metrics, scored)
    ]


def cost_rows(metrics: dict[str, Any]) -> list[dict[str, str]]:
    """The same of what the run cost; what multiply-adds are of stands beside them."""
    size = f"of {metrics['macs_input']}" if "macs_input" in metrics else ""
    return [
        {
            "name": key,
            "value": f"{cell(metrics[key])} {unit(key, metrics)}",
            "beside": size if key == "macs" else "",
            "meaning": meaning(key),
        }
        for key in COSTS
        if key in metrics
    ]


def meaning(key: str) -> str:
    """What a score is."""
    found = row(key)
    of = "of the last weights, not of the best in validation: " if "/final/" in key else ""
    return of + found.meaning if found else ""


def curves(folder: Path) -> list[dict[str, Any]]:
    """Each score of validation by step, as the points of a line 390 wide and 155 high; nothing of a single step."""
    history = reading.history(folder)
    steps = history.pop("step", None)
    if steps is None or len(steps) < 2:
        return []
    found = []
    for name, values in history.items():
        pairs = [(float(s), float(v)) for s, v in zip(steps, values, strict=True) if v == v]
        if len(pairs) < 2:
            continue
        low, high = min(v for _, v in pairs), max(v for _, v in pairs)
        span, last = (high - low) or 1.0, (pairs[-1][0] - pairs[0][0]) or 1.0
        dots = [
            (round(LEFT + WIDTH * (s - pairs[0][0]) / last, 1), round(TOP + HEIGHT * (high - v) / span, 1))
            for s, v in pairs
        ]
        found.append(
            {
                "name": name,
                "low": cell(low),
                "high": cell(high),
                "first": f"{pairs[0][0]:.0f}",
                "last": f"{pairs[-1][0]:.0f}",
                "points": " ".join(f"{x},{y}" for x, y in dots),
                "dots": dots if len(dots) <= 60 else [],
            }
        )
    return found
