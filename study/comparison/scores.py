"""Which way is better, for every score a run can have, and how its values are written."""

from collections.abc import Iterable
from fnmatch import fnmatchcase
from math import floor, isfinite, log10
from typing import Any

HIGHER, LOWER = 1, -1
# Names as they stand between the slashes of metrics.json's keys.
BETTER = {
    "miou": HIGHER,
    "pixel_accuracy": HIGHER,
    "boundary_iou": HIGHER,
    "iou": HIGHER,
    "psnr_y": HIGHER,
    "ssim_y": HIGHER,
    "fid": LOWER,
    "frechet_*": LOWER,
    "kid": LOWER,
    "kid_*": LOWER,
    "spectrum_gap": LOWER,
    "phase_variance": LOWER,
    "spectral_peak_db": LOWER,
    "parameters": LOWER,
    "macs": LOWER,
    "seconds_per_step": LOWER,
    "peak_memory_mb": LOWER,
}
# What runs are ranked by: the first of these that they have. A Fréchet distance names its features.
MAIN = ("test/miou", "test/psnr_y", "test/fid", "test/frechet_*", "test/spectrum_gap")
# What it is drawn against: the checkerboard at the decoder's whole period, on fields where images are too small.
CHECKERBOARD = ("test/checkerboard_field/spectral_peak_db", "test/checkerboard/spectral_peak_db")
COSTS = ("parameters", "macs", "seconds_per_step", "peak_memory_mb")


def direction(key: str) -> int:
    """HIGHER or LOWER, whichever is better; 0 for a score that is not in the table."""
    return next((way for part in key.split("/") for name, way in BETTER.items() if fnmatchcase(part, name)), 0)


def is_score(key: str, value: Any) -> bool:
    """Whether a key of metrics.json is a score of the test or a cost. A null is a score that does not exist there."""
    if key in COSTS:
        return True
    return key.startswith("test/") and not key.endswith("/null") and (value is None or isinstance(value, int | float))


def first(patterns: Iterable[str], keys: Iterable[str]) -> str | None:
    """The first key that fits the first pattern that any key fits, or None."""
    keys = list(keys)
    return next((key for pattern in patterns for key in keys if fnmatchcase(key, pattern)), None)


def name(key: str) -> str:
    """A key as it is shown: `miou`, `checkerboard/spectral_peak_db`."""
    return key.removeprefix("test/")


def written(mean: float, deviation: float | None = None) -> str:
    """`0.796 ± 0.012`, the deviation with two digits and the mean with as many decimals; large numbers as 4.1 G."""
    size, unit = next(((s, u) for s, u in ((1e9, " G"), (1e6, " M"), (1e4, " k")) if abs(mean) >= s), (1.0, ""))
    size = 1e3 if unit == " k" else size
    mean /= size
    if not deviation or not isfinite(deviation):
        return f"{mean:.4g}{unit}" + (" ± 0" if deviation == 0 else "")
    deviation /= size
    decimals = max(0, 1 - floor(log10(deviation)))
    if decimals > 6:
        return f"{mean:.4g} ± {deviation:.1e}{unit}"
    return f"{mean:.{decimals}f} ± {deviation:.{decimals}f}{unit}"
