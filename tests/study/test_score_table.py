import json
from pathlib import Path

import pytest

from study.score_table import print_table


def test_scores_the_pattern_in_words_and_costs_in_80_columns(
    capsys: pytest.CaptureFixture[str],
) -> None:
    metrics = {
        "val/miou": 0.7,
        "test/miou": 0.75,
        "baseline": "colour table",
        "baseline/miou": 0.6966,
        "test/iou/lake [/b] $x$": None,
        "test/checkerboard/phase_variance": 0.5,
        "test/grid/fixed": 0.019,
        "test/pattern": "fixed pattern of 0.019 logits, 1.8 % of SD (3.1 % in lake), "
        "moves 0.03 % of the pixels, period 2",
        "test/content": "content-locked error of 0.012 logits (0.011 to 0.013), 1 % of SD",
        "macs": 4_099_276_800,
        "seconds": 130.4,
    }
    print_table(json.loads(json.dumps(metrics)), Path("runs/some-run"))
    out = capsys.readouterr().out
    lines = {line.split()[0]: line for line in out.splitlines() if line.split()}
    assert "0.75" in lines["test/miou"]
    assert "colour table 0.6966" in lines["test/miou"]
    assert "test/iou/lake [/b] $x$" in out
    assert "absent" in lines["test/iou/lake"]
    assert lines["Pattern"].startswith("Pattern  fixed pattern of 0.019 logits")
    assert "4,099,276,800" in lines["Cost"]
    assert "seconds 130" in out
    assert "phase_variance" not in out
    assert "grid/fixed" not in out
    assert max(map(len, out.splitlines())) <= 80
