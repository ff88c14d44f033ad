import json
from pathlib import Path

import pytest

from study.score_table import print_table


def test_the_table_shows_the_baseline_and_judges_by_the_null(capsys: pytest.CaptureFixture[str]) -> None:
    metrics = {
        "test/miou": 0.75,
        "baseline": "colour table",
        "baseline/miou": 0.6966,
        "test/iou/lake": None,
        "test/checkerboard/phase_variance": 0.5,
        "test/checkerboard/phase_variance/null": 0.01,
        "test/checkerboard/spectral_peak_db": 1.5,
        "test/checkerboard/spectral_peak_db/null": 5.0,
        "macs": 4_099_276_800,
    }
    print_table(json.loads(json.dumps(metrics)), Path("runs/some-run"))
    lines = {line.split()[0]: line for line in capsys.readouterr().out.splitlines() if line.split()}
    assert "colour table 0.6966" in lines["test/miou"]
    assert "absent" in lines["test/iou/lake"]
    assert "PRINTS (noise 0.01)" in lines["test/checkerboard/phase_variance"]
    assert "even (noise 5)" in lines["test/checkerboard/spectral_peak_db"]
    assert "4,099,276,800" in lines["macs"]
