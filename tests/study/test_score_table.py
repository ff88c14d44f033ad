import json
import re
from pathlib import Path
from typing import Any

import pytest

from study.score_table import cell, print_table


def printed(capsys: pytest.CaptureFixture[str], metrics: dict[str, Any], folder: Path) -> str:
    print_table(json.loads(json.dumps(metrics)), folder)
    out = capsys.readouterr().out
    assert max(map(len, out.splitlines())) <= 80
    return out


def group(out: str, title: str) -> str:
    """The sentences of a group, in one line."""
    found = re.search(rf"^{title} +(.*(?:\n {{10}}.*)*)", out, re.MULTILINE)
    assert found is not None, out
    return " ".join(found[1].split())


def test_scores_baseline_pattern_and_cost_in_80_columns(capsys: pytest.CaptureFixture[str]) -> None:
    out = printed(
        capsys,
        {
            "val/miou": 0.7,
            "test/miou": 0.75,
            "baseline": "colour table",
            "baseline/miou": 0.6966,
            "test/iou/lake [/b] $x$": None,
            "test/iou/sea": 0.98765,
            "test/checkerboard/phase_variance": 0.5,
            "test/grid/fixed": 0.019,
            "test/pattern": "fixed pattern of 0.019 logits, 1.8 % of SD (3.1 % in lake), "
            "moves 0.03 % of the pixels, period 2",
            "test/content": "content-locked error of 0.012 logits (0.011 to 0.013), 1 % of SD",
            "macs": 4_099_276_800,
            "macs_input": "1x3x256x256",
            "seconds": 130.4,
        },
        Path("runs/some-run").absolute(),
    )
    assert group(out, "Score") == "miou 0.75 iou: lake [/b] $x$ absent, sea 0.9877 miou 0.7 in validation"
    assert group(out, "Baseline") == "colour table: miou 0.6966"
    assert group(out, "Pattern") == (
        "fixed pattern of 0.019 logits, 1.8 % of SD (3.1 % in lake), moves 0.03 % of the pixels, period 2 "
        "content-locked error of 0.012 logits (0.011 to 0.013), 1 % of SD"
    )
    assert group(out, "Cost") == "4,099,276,800 multiply-adds of 1x3x256x256, 130 s in all"
    assert out.splitlines()[1] == "some-run"
    assert not re.search(r"^ *%", out, re.MULTILINE)  # a line does not begin with a unit
    assert out.endswith("Pictures: runs/some-run/report.html\nEvery measure: runs/some-run/metrics.json\n")


def test_values_are_told_in_the_unit_of_the_data(capsys: pytest.CaptureFixture[str]) -> None:
    found = {"test/rmse": 387.9, "val/rmse": 680.6, "baseline": "colour table", "baseline/rmse": 478.6, "unit": "m"}
    out = printed(capsys, found, Path("run"))
    assert group(out, "Score") == "rmse 387.9 m rmse 680.6 m in validation"
    assert group(out, "Baseline") == "colour table: rmse 478.6 m"


def test_of_many_classes_the_extremes(capsys: pytest.CaptureFixture[str]) -> None:
    ious = {f"test/iou/class {i}": None if i == 7 else (i * 37 % 150) / 150 for i in range(150)}
    told = group(printed(capsys, ious, Path("run")), "Score")
    lowest = sorted((value, name) for name, value in ious.items() if value is not None)
    assert told.startswith(f"iou of 149 of 150 classes: lowest {lowest[0][1].removeprefix('test/iou/')} 0, class")
    assert told.endswith(f"{lowest[-1][1].removeprefix('test/iou/')} 0.9933; each in metrics.json")
    assert told.count("class ") == 6


def test_real_images_are_a_generators_baseline(capsys: pytest.CaptureFixture[str]) -> None:
    out = printed(capsys, {"test/spectrum_gap": 0.6, "test/final/spectrum_gap": 0.5, "real/spectrum_gap": 0.01}, Path())
    assert group(out, "Score") == "spectrum_gap 0.6 last weights: spectrum_gap 0.5"
    assert group(out, "Baseline") == "real images: spectrum_gap 0.01"


@pytest.mark.parametrize(
    ("value", "written"),
    [(0.79614, "0.7961"), (0.000020381, "0.00002"), (-0.0005217, "-0.000522"), (0.0, "0"), (3e-9, "3e-09"), (7, "7")],
)
def test_a_small_score_is_written_without_an_exponent(value: float, written: str) -> None:
    assert cell(value) == written


def test_what_was_not_measured_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    out = printed(capsys, {"test/miou": 0.5}, Path())
    assert [group(out, title) for title in ("Baseline", "Pattern", "Cost")] == ["not measured"] * 3


def test_a_repaired_networks_scores_stand_beside_its_pattern(capsys: pytest.CaptureFixture[str]) -> None:
    metrics = {"split": "val", "val/miou": 0.7, "val/pattern": "fixed pattern of 1 logits", "repaired/miou": 0.71}
    metrics |= {"repaired/pattern": "none shown (below 0.01 logits)", "checkpoint": "zoo:some", "seconds": 3.0}
    out = printed(capsys, metrics, Path("run"))
    assert group(out, "Score") == "miou 0.7"
    assert group(out, "Pattern") == (
        "fixed pattern of 1 logits repaired: none shown (below 0.01 logits) repaired: miou 0.71"
    )
    assert "\n  python evaluate.py checkpoint=zoo:some repair=true\n" in out
