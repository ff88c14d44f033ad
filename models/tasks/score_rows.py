"""Every score that a run can have, a row each: which way is better, its unit, what it means. Imports no torch.

The console, cards, comparisons and pages read this table; a score that stands in no row is shown as it is, and no
difference of it is called better or worse.
"""

from fnmatch import fnmatchcase
from typing import NamedTuple

HIGHER, LOWER = 1, -1
UNIT = "of the data"  # of scores in the unit of a run's own data, which its metrics name as `unit`
# A fixed pattern is shown where as clear a one would come without any with at most this probability: as in
# upsample.instrument.fixed_pattern, which takes torch to import.
LEVEL = 0.03


class Score(NamedTuple):
    """A row: the pattern that parts of a key fit between slashes, the better direction, a unit, and a meaning."""

    name: str
    better: int
    unit: str
    meaning: str


SCORES = (
    Score(
        "fixed",
        LOWER,
        "of the output",
        "root mean square of the fixed pattern that the grid adds whatever the image, by shifting the input (on "
        "outputs alone for generators); `/low` and `/high` its 95 % interval, `/share` of the output's standard "
        "deviation, `/worst` the largest share in a channel, `/p2` ... by exclusive period, `/period` of the whole, "
        "`/probability` of as clear a pattern without any, `/limit` what it lies below",
    ),
    Score(
        "content", LOWER, "of the output", "root mean square of what the grid does to this content beside the pattern"
    ),
    Score("pattern_moves", LOWER, "share", "share of the pixels whose class the fixed pattern decides"),
    Score("shift_moves", LOWER, "share", "share of the pixels whose class changes when the image shifts"),
    Score(
        "miou",
        HIGHER,
        "",
        "mean over classes of the intersection over union (IoU), from one confusion matrix of all pixels",
    ),
    Score("pixel_accuracy", HIGHER, "", "share of the labelled pixels that are of the predicted class"),
    Score(
        "boundary_iou",
        HIGHER,
        "",
        "IoU within 2 % of the diagonal of a class's boundary (Cheng et al., 2021), mean over classes",
    ),
    Score(
        "dice",
        HIGHER,
        "",
        "the Dice coefficient 2 TP / (2 TP + FP + FN) over all pixels: of two classes that of the second, the "
        "foreground; of classes that may overlap their mean, and each",
    ),
    Score("iou", HIGHER, "", "intersection over union of one class, over all pixels"),
    Score("precision", HIGHER, "", "share of the pixels taken for the foreground that are of it"),
    Score("recall", HIGHER, "", "share of the foreground's pixels that are found"),
    Score("rmse", LOWER, UNIT, "root mean square error over all pixels that have a value, in the data's unit"),
    Score("mae", LOWER, UNIT, "mean absolute error over the same pixels"),
    Score(
        "r2",
        HIGHER,
        "",
        "share of the values' variance that is explained, 1 - SSE / SST; 0: as good as their mean",
    ),
    Score(
        "psnr_y",
        HIGHER,
        "dB",
        "peak signal-to-noise ratio of luma (BT.601), mean over images, without a border of as many pixels as the "
        "scale; the small images are made by MATLAB's bicubic",
    ),
    Score("ssim_y", HIGHER, "", "structural similarity on luma (Wang et al., 2004), cropped likewise, mean of images"),
    Score("fid", LOWER, "", "Fréchet distance of Inception's features to held-out real images"),
    Score(
        "frechet_*",
        LOWER,
        "",
        "Fréchet distance of the named network's features to held-out real images; not FID",
    ),
    Score("kid", LOWER, "", "kernel distance of Inception's features to held-out real images"),
    Score("kid_*", LOWER, "", "kernel distance of the named network's features to held-out real images"),
    Score(
        "spectrum_gap",
        LOWER,
        "",
        "how far fine detail is from that of real images: mean difference of the natural logarithms of the radial "
        "power spectra, over the highest quarter of frequencies (0.69 is a factor of two in power)",
    ),
    Score("phase_variance", LOWER, "share", "share of the output's fine detail that repeats with the decoder's period"),
    Score("spectral_peak_db", LOWER, "dB", "dB of the strongest multiple of 1/period above the spectrum around it"),
    Score("parameters", LOWER, "", "numbers that the network learns, counted as it is used once trained"),
    Score("macs", LOWER, "", "multiply-adds of one forward pass of the size named"),
    Score("seconds_per_step", LOWER, "s", "median time of a step of training"),
    Score("peak_memory_mb", LOWER, "MB", "the most memory that the process took, in millions of bytes"),
)
# What runs are ranked by: the first of these that they have. A Fréchet distance names its features.
MAIN = ("test/miou", "test/iou", "test/rmse", "test/psnr_y", "test/fid", "test/frechet_*", "test/spectrum_gap")
COSTS = ("parameters", "macs", "seconds_per_step", "peak_memory_mb")
# What describes an output as others measure it; the verdict is the pattern's.
CLASSICAL = ("checkerboard", "checkerboard_field", "gradient_checkerboard", "gradient_checkerboard_field")
# Of the pattern, what a comparison has a column for; the rest is in metrics.json.
COMPARED = ("grid/fixed", "grid/fixed/share", "grid/content", "grid/pattern_moves")


def unit(key: str, metrics: dict[str, object]) -> str:
    """The unit of a key of a run's metrics.json, where it has one."""
    found = row(key)
    return "" if found is None else str(metrics.get("unit", "")) if found.unit == UNIT else found.unit


def row(key: str) -> Score | None:
    """The row of a key of metrics.json; None where there is none."""
    return next((each for part in key.split("/") for each in SCORES if fnmatchcase(part, each.name)), None)


def prints(metrics: dict[str, object], name: str = "test") -> bool | None:
    """Whether a fixed pattern is shown in what a run measured; None where none could be."""
    probability = metrics.get(f"{name}/grid/fixed/probability")
    return probability <= LEVEL if isinstance(probability, float | int) else None


def percent(share: float) -> str:
    """A share with two digits that count: 1.8 %, 0.012 %."""
    return f"{float(f'{100 * share:.2g}'):.6f}".rstrip("0").rstrip(".") + " %"
