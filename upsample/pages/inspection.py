"""Is there a grid in these images: of what period, how strong, in which channel? The answer in words and numbers."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from upsample.instrument.fixed_pattern import LEVEL
from upsample.instrument.outputs import GridInOutputs, OutputResult
from upsample.instrument.words import number, verdict
from upsample.pages.image_files import find

PERIODS = tuple(range(2, 17))
MOST_IMAGES = 256
UNIT = "grey levels"


@dataclass
class Inspection:
    """What a set of image files has of a grid; `str` of it is the page."""

    result: OutputResult
    notes: list[str]

    def __str__(self) -> str:
        result = self.result
        lines = [f"{result.images} images, {', '.join(result.channels)}: {verdict(result, UNIT)}"]
        found = result.pattern
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
            ]
        if result.flat:
            lines.append(f"{result.flat} images are flat: there is nothing to see in them.")
        if found is not None and found.tested:
            for reason, periods in _by_reason(result.unmeasured).items():
                lines.append(f"Not looked for: period {', '.join(map(str, periods))}: {reason}.")
            lines.append(
                "Assumed: what the images show has no place of its own on the grid. Only patterns alike in all images "
                "are seen, not stairs along edges."
            )
        lines += [f"{note[0].upper()}{note[1:]}." for note in self.notes]
        return "\n".join(lines)


def _by_reason(unmeasured: dict[int, str]) -> dict[str, list[int]]:
    reasons: dict[str, list[int]] = {}
    for period, reason in sorted(unmeasured.items()):
        reasons.setdefault(reason, []).append(period)
    return reasons


def inspect(paths: Sequence[Path], periods: Sequence[int] = PERIODS) -> Inspection:
    """Look for a grid of any of the periods in image files and folders of them.

    Raises ValueError, in one sentence, for files that are no images and for periods that cannot be.
    """
    images = find(paths, MOST_IMAGES)
    metric = GridInOutputs(periods, channels=images.channels)
    for image in images:
        metric.update(image[None])
    return Inspection(metric.result(), images.notes)
