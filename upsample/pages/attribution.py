"""The picture of where a checkerboard is born: the decoder's layers with what each makes, beside the pattern."""

import os
import textwrap
from pathlib import Path

from matplotlib.figure import Figure

from upsample.models.attribute import Attribution
from upsample.pages.pictures import BLUE, GREY, VERMILLION

SHOWN = 32  # output pixels of the pattern along each side


def draw_attribution(found: Attribution, path: Path, unit: str = "") -> None:
    """Write one PNG to `path` (its folder is made if need be): layers coarse to fine from top to bottom.

    unit: of the network's output, such as logits or grey levels
    """
    count = max(1, len(found.layers))
    figure = Figure(figsize=(13, 2.9 + 0.6 * count), dpi=120, layout="constrained")
    bars, picture = figure.subplots(1, 2, width_ratios=(2.2, 1))
    rows = range(count)
    bars.barh(
        [r - 0.2 for r in rows][: len(found.layers)], [p.alone for p in found.layers], 0.36, color=VERMILLION,
        label="what it makes alone (the others' phases equal)",
    )  # fmt: skip
    bars.barh(
        [r + 0.2 for r in rows][: len(found.layers)], [p.without for p in found.layers], 0.36, color=BLUE,
        label="what is left without it (its own phases equal)",
    )  # fmt: skip
    bars.axvline(found.whole, color=GREY, linewidth=2, label="the network as it is")
    bars.axvline(found.repaired, color=GREY, linewidth=2, linestyle=":", label="all phases equal")
    # Names are anyone's: a dollar sign is no formula.
    here = {part.name: "  (it comes from here)" for part in found.sources}
    names = [f"{p.name}{here.get(p.name, '')}".replace("$", r"\$") for p in found.layers]
    bars.set_yticks([*rows][: len(names)], names)
    bars.invert_yaxis()
    bars.set_xlim(left=0)
    bars.set_xlabel(f"fixed pattern, root mean square{f' ({unit})' if unit else ''}")
    bars.set_title("Where the checkerboard comes from, layers from coarse to fine", fontsize=11)
    figure.legend(fontsize=9, loc="outside lower left", ncols=4)  # below, where it hides no bar
    worst = int(found.pattern.rms.argmax())
    drawn = found.pattern.drawn(SHOWN)[worst]
    limit = drawn.abs().max().item() or 1.0
    shown = picture.imshow(drawn.numpy(), cmap="RdBu_r", vmin=-limit, vmax=limit, interpolation="nearest")
    picture.set(xticks=[], yticks=[])
    channel = f", channel {found.channels[worst]}" if len(found.channels) > 1 else ""
    verdict = "" if found.pattern.shown else "\n(none shown: what is drawn is noise)"
    title = "\n".join(textwrap.wrap(f"The pattern, {SHOWN} x {SHOWN} pixels{channel}", 38))
    picture.set_title(f"{title}{verdict}".replace("$", r"\$"), fontsize=11)
    figure.colorbar(shown, ax=picture, shrink=0.8, label=unit or None)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    figure.savefig(part, format="png")
    os.replace(part, path)
