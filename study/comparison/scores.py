"""Scores as a comparison reads and writes them; models/tasks/score_rows.py says what each is."""

from collections.abc import Iterable
from fnmatch import fnmatchcase
from math import floor, isfinite, log10
from typing import Any

from models.tasks.score_rows import COMPARED, COSTS, HIGHER, LOWER, MAIN, row

__all__ = ["COSTS", "HIGHER", "LOWER", "MAIN"]

# What the main score is drawn against: the pattern as a share of the output's deviation; of old runs the peak.
CHECKERBOARD = (
    "test/grid/fixed/share",
    "test/checkerboard_field/spectral_peak_db",
    "test/checkerboard/spectral_peak_db",
)


def direction(key: str) -> int:
    """HIGHER or LOWER, whichever is better; 0 for a score that is not in the table."""
    found = row(key)
    return found.better if found else 0


def is_score(key: str, value: Any) -> bool:
    """Whether a key of metrics.json is a score of the test or a cost. A null is a score that does not exist there."""
    if key in COSTS:
        return True
    if "/grid/" in key and name(key) not in COMPARED:
        return False
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
