"""Make the atlas: `python -m benchmarks atlas [NAME ...]`, which writes docs/atlas.md where no names are given.

A NAME is a part of an architecture's or a library's. The exit code is 1 where the audit and the flat field agree on
fewer than 95 % of the architectures that both could judge.
"""

import argparse
import sys
from importlib import import_module
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from rich.console import Console

from benchmarks.atlas.architectures import LIBRARIES, Architecture, architectures
from benchmarks.atlas.explained import EXPLAINED
from benchmarks.atlas.look import Finding, look_apart
from models.training.trainer import machine
from plumbing.atomic import write_text

PAGE = Path(__file__).parents[2] / "docs" / "atlas.md"
LEAST = 0.95
MOST = 10.0  # told of a share; above, colours hardly differ
TEXT = """# Atlas: what published decoders print before they are trained

{total} architectures, built without weights at their initialisation, each looked at twice:

- **The audit** (`python -m upsample audit`) reads the weights of every upsampling layer and says which are uneven:
  whose phases answer a constant unequally. Nothing is run.
- **The flat field** (`python -m upsample audit ... --run`) feeds three constant colours to the whole network and
  measures what comes out with the period of its grid, as a share of what the answers differ by from colour to colour.

They agree where the audit finds an uneven layer and the flat field a pattern, or neither does. **They agree on {agree}
of {judged} architectures ({share:.1%}).** {uneven} of these have an uneven layer. A transposed convolution or a pixel
shuffle prints at its usual initialisation, and training may or may not take that away; enlarging by interpolation
prints nothing. {unknown} more could not be judged by both, and their rows say why; they are no agreement.

How to read the flat field: 100 % is a pattern as strong as the difference between colours. Networks that normalise by
the image's own statistics (instance and group normalisation) answer all constants nearly alike, so their share is
large. What is fed has 12 periods a side (six in 3-D), and up to 48 where borders reach its middle or the two disagree;
where borders still reach it then, and make more than the pattern, nothing is said.

Larger networks are built with fewer blocks and channels; what enlarges is as published. Made by
`python -m benchmarks atlas` with
{versions}
on {machine}.
The libraries come with `uv pip install segmentation-models-pytorch monai spandrel diffusers`; one that is missing has
no rows.
"""


def row(of: Architecture, found: Finding) -> str:
    """A line of the table."""
    if found.failed:
        return f"| {of.name} | - | - | - | not judged: {_cell(found.failed)} |"
    static = f"{found.uneven} of {found.layers} uneven" if found.layers else "nothing enlarges"
    if found.first:
        static += f": {found.first}"
    if found.printed is None:
        flat = "not measured"
    else:
        share = f"{100 * found.share:.3g} %" if found.share < MOST else f"over {100 * MOST:g} %"
        flat = f"{share}, period {found.period}" if found.printed else "none shown"
    note = EXPLAINED.get(f"{of.library}: {of.name}", "") if found.agree is False else ""
    if found.printed is None:
        note = "not judged: borders reach the middle of what is fed"
    elif found.agree is None:
        note = f"not judged by the audit: {_cell(found.unknown)}"
    agree = {True: "yes", False: "**no**", None: "-"}[found.agree]
    return f"| {of.name} | {_cell(static)} | {flat} | {agree} | {note} |"


def _cell(text: str) -> str:
    return text.replace("|", "/").replace("<", "&lt;")


def page(findings: dict[Architecture, Finding]) -> str:
    """The page."""
    judged = [found for found in findings.values() if found.agree is not None]
    agree = sum(bool(found.agree) for found in judged)
    versions = ", ".join(f"{name} {version(name)}" for name in ("torch", *dict.fromkeys(of.library for of in findings)))
    lines = [
        TEXT.format(
            total=len(findings),
            agree=agree,
            judged=len(judged),
            share=agree / len(judged),
            uneven=sum(bool(found.uneven) for found in judged),
            unknown=len(findings) - len(judged),
            versions=versions,
            machine=machine(),
        )
    ]
    for library in dict.fromkeys(of.library for of in findings):
        lines += [f"## {library}\n", "| architecture | audit: layers that enlarge | flat field | agree | note |"]
        lines += ["|---|---|---|---|---|", *(row(of, f) for of, f in findings.items() if of.library == library), ""]
    return "\n".join(lines).rstrip() + "\n"


def main(words: list[str]) -> int:
    """Look at what is asked for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks atlas", description=(__doc__ or "").partition(":")[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help="only architectures whose name or library holds it")
    given = parser.parse_args(words)
    rows = [
        of
        for of in architectures()
        if not given.names or any(name.lower() in f"{of.library} {of.name}".lower() for name in given.names)
    ]
    if not rows:
        parser.error(f"there is no {' or '.join(given.names)} among {', '.join(filter(find_spec, LIBRARIES))}")
    for package in filter(find_spec, LIBRARIES):
        import_module(package)  # once, before processes are forked
    console, findings = Console(width=200 if not sys.stdout.isatty() else None, markup=False), {}
    for of in rows:
        findings[of] = look_apart(of)
        console.print(f"{of.library} {row(of, findings[of])}")
    judged = [found for found in findings.values() if found.agree is not None]
    agree = sum(bool(found.agree) for found in judged)
    console.print(
        f"the audit and the flat field agree on {agree} of {len(judged)}; {len(rows) - len(judged)} not judged"
    )
    if not given.names:
        write_text(PAGE, page(findings))
        console.print(str(PAGE))
    return int(agree < LEAST * len(judged))
