"""Is there a grid in these images: of what period, how strong, in which channel? The answer in words and numbers."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from upsample.instrument.fixed_pattern import LEVEL
from upsample.instrument.outputs import GridInOutputs, OutputResult
from upsample.instrument.words import number, verdict
from upsample.pages.image_files import find

PERIODS = tuple(range(2, 17))
MOST_IMAGES = 256
UNIT = "grey levels"


@dataclass
class Inspection:
    """What a set of image files has of a grid; `str` of it is the page.

    first  (C, H, W) float32, grey levels of 0 to 255: the first image, to show the pattern in
    """

    result: OutputResult
    notes: list[str]
    first: Tensor

    def __str__(self) -> str:
        result = self.result
        images = f"{result.images} image{'s' if result.images != 1 else ''}"
        found, left = result.pattern, sorted(result.unmeasured)
        where = ""
        if found is not None and found.tested and left:  # what comes first must not say more than was looked for
            longest = max(q for q in found.harmonics.periods if q not in result.unmeasured)
            where = f"; looked for up to period {longest}, longer ones need larger images"
        lines = [f"{images}, {', '.join(result.channels)}: {verdict(result, UNIT)}{where}"]
        if found is not None and found.tested:
            lines += ["", f"{'period':>8}" + "".join(f"{name:>9}" for name in result.channels) + f"{'probability':>13}"]
            for at, q in enumerate(found.harmonics.periods):
                if q in result.unmeasured:
                    continue
                rms = "".join(f"{number(value):>9}" for value in found.by_period[:, at].tolist())
                least = found.p[:, at].min().item()
                lines.append(f"{q:>8}{rms}{least:>13.3f}{'   a grid' if least <= LEVEL else ''}")
            lines += [
                "",
                f"Root mean square of what all images have at the period and at no shorter one, in {UNIT} of 255, and",
                "the probability of as clear a pattern without any, over all periods and channels together.",
                f"Rounding to whole {UNIT} alone errs by 0.29.",
            ]
        if result.flat:
            lines.append(f"Flat, so that there is nothing to see in them: {result.flat} of the images.")
        if found is not None and found.tested:
            if left:
                lines.append(
                    f"Not looked for: period {', '.join(map(str, left))}; period {left[0]} "
                    f"{result.unmeasured[left[0]]}, and longer ones need larger images."
                )
            lines.append(
                "Assumed: what the images show has no place of its own on the grid. Only patterns alike in all images "
                "are seen, not stairs along edges."
            )
        if found is not None and found.shown:
            lines.append(
                "Of a network, python -m upsample audit names the layers that can print it; upsample.repair mends them."
            )
        lines += [f"{note[0].upper()}{note[1:]}." for note in self.notes]
        return "\n".join(lines)


def inspect(paths: Sequence[Path], periods: Sequence[int] = PERIODS) -> Inspection:
    """Look for a grid of any of the periods in image files and folders of them.

    Raises ValueError, in one sentence, for files that are no images and for periods that cannot be.
    """
    images = find(paths, MOST_IMAGES)
    metric = GridInOutputs(periods, channels=images.channels)
    for image in images:
        metric.update(image[None])
    return Inspection(metric.result(), images.notes, next(iter(images)))
