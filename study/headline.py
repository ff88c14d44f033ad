"""What a run was, and what it came to, in two lines: the title of its pictures and of its page. Needs no torch."""

from fnmatch import fnmatchcase
from typing import Any

from models.tasks.score_rows import MAIN, unit
from study.identity import called

NAMES = {"miou": "mIoU", "iou": "IoU", "rmse": "RMSE", "psnr_y": "PSNR-Y", "fid": "FID", "spectrum_gap": "spectrum gap"}


def headline(config: dict[str, Any], metrics: dict[str, Any]) -> str:
    """Data, network, upsampler, and the main score beside its baseline; below, the pattern's verdict, and how small
    images were made where that is not by bicubic alone.

    config   of the run, or of the checkpoint: its sections model, data and upsample
    metrics  as metrics.json holds them
    """
    names = [called(config["data"]), *(str(config[section]["name"]) for section in ("model", "upsample"))]
    scored = metrics.get("split", "test")
    first = " · ".join([*names, *main_score(metrics, scored)])
    verdict = metrics.get(f"{scored}/pattern")
    told = f"\n{fixed(verdict)}" if verdict else ""
    made = f"\n{metrics['reduction']}" if "reduction" in metrics else ""
    return first + told + made


def fixed(verdict: str) -> str:
    """A verdict that names what it is about: `none shown` does not, where it stands alone."""
    return f"fixed pattern: {verdict.removeprefix('fixed pattern of ')}"


def main_score(metrics: dict[str, Any], scored: str) -> list[str]:
    """The score that runs are ranked by, with its unit, and its baseline; nothing where there is none."""
    for wanted in MAIN:
        for key, value in metrics.items():
            if not fnmatchcase(key.replace(f"{scored}/", "test/", 1), wanted) or not isinstance(value, float):
                continue
            name, told = key.partition("/")[2], unit(key, metrics)
            beside_number = f" {told}" if told else ""
            baseline = metrics.get(f"baseline/{name}")
            beside = f" ({metrics['baseline']} {baseline:.4g})" if isinstance(baseline, float) else ""
            return [f"{NAMES.get(name, name)} {value:.4g}{beside_number}{beside}"]
    return []
