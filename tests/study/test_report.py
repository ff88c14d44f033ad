"""The page that a run leaves: what it tells, that nothing of it is loaded or run, and that its failing fails no run."""

import json
from pathlib import Path
from typing import Any

import pytest
from matplotlib.figure import Figure

from study import report
from study.headline import headline

CONFIG = {"data": {"name": "earth"}, "model": {"name": "unet"}, "upsample": {"name": "deconv"}}
METRICS: dict[str, Any] = {
    "test/miou": 0.79614,
    "test/iou/lake": None,
    "baseline": "colour table",
    "baseline/miou": 0.7138,
    "test/pattern": "fixed pattern of 0.0049 logits, 0.17 % of SD, period 2",
    "test/content": "content-locked error of 0.0089 logits",
    "test/grid/fixed": 0.0049,
    "parameters": 611795,
}


def draw(path: Path, title: str) -> None:
    figure = Figure(figsize=(2, 1))
    figure.suptitle(title.splitlines()[0])
    figure.savefig(path)


def test_the_headline_says_data_network_upsampler_score_and_verdict() -> None:
    assert headline(CONFIG, METRICS) == (
        "earth · unet · deconv · mIoU 0.7961 (colour table 0.7138)\n"
        "fixed pattern: 0.0049 logits, 0.17 % of SD, period 2"
    )
    scores = {"val/psnr_y": 31.0, "split": "val", "val/pattern": "none shown (below 0.1 grey levels)"}
    assert headline(CONFIG, scores) == (
        "earth · unet · deconv · PSNR-Y 31 dB\nfixed pattern: none shown (below 0.1 grey levels)"
    )
    assert headline(CONFIG, {"test/frechet_effnet_lite0": 507.25}).endswith("frechet_effnet_lite0 507.2")
    assert headline(CONFIG, {}) == "earth · unet · deconv"
    own = CONFIG | {"data": {"name": "folder", "root": "/data/my photos"}}
    assert headline(own, {}) == "my photos · unet · deconv"


def test_the_page_has_scores_with_meanings_curves_pictures_and_the_command(tmp_path: Path) -> None:
    (tmp_path / "history.csv").write_text("step,val/miou,val/other\n50,0.25,nan\n100,0.5,1\n150,0.75,nan\n")
    (tmp_path / "command.txt").write_text("python train.py upsample=deconv\n")
    (tmp_path / "config.yaml").write_text("seed: 0\n")
    metrics = dict(METRICS)
    report.write(tmp_path, CONFIG, metrics, draw)
    assert metrics == METRICS
    text = (tmp_path / "report.html").read_text()
    for part in ("colour table 0.7138", "mean over classes of the intersection", "absent", "611,795", "seed: 0",
                 "the checkerboard", "python train.py upsample=deconv", "content-locked error of 0.0089"):  # fmt: skip
        assert part in text, part
    assert text.count("data:image/png") == 1
    assert "without any network" not in text  # of bicubic, a word that this page does not use
    assert [curve["name"] for curve in report.curves(tmp_path)] == ["val/miou"]  # the other has one value
    assert report.curves(tmp_path)[0]["points"] == "60.0,170.0 255.0,92.5 450.0,15.0"


def test_what_evaluate_finds_later_is_on_the_page_too(tmp_path: Path) -> None:
    report.write(tmp_path, CONFIG, dict(METRICS), draw)
    draw(tmp_path / "source.png", "where it comes from")
    found = {"test/source": "comes from up (99 % of it alone, period 2)", "repaired/miou": 0.7963}
    found |= {"repaired/pattern": "none shown (below 0.00013 logits)"}
    report.page(tmp_path, CONFIG, METRICS | found)
    text = (tmp_path / "report.html").read_text()
    assert text.count("data:image/png") == 2
    for part in ("the fixed pattern comes from up (99 %", "repaired, fixed pattern: none shown", "repaired 0.7963"):
        assert part in text, part


@pytest.mark.parametrize("width", [1280, 390])
def test_nothing_is_wider_than_the_window(width: int, tmp_path: Path, browser: Any) -> None:
    config = CONFIG | {"data": {"name": "a" * 80}}
    (tmp_path / "command.txt").write_text("python train.py data.root=" + "b" * 200)
    report.write(tmp_path, config, METRICS | {f"test/iou/{'c' * 60}": 0.5}, draw)
    browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride", {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": False}
    )
    browser.get((tmp_path / "report.html").as_uri())
    wide = browser.execute_script("return document.documentElement.scrollWidth")
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    assert wide <= width


def test_a_picture_that_fails_costs_a_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(path: Path, title: str) -> None:
        raise RuntimeError("no\nroom")

    metrics = dict(METRICS)
    report.write(tmp_path, CONFIG, metrics, fails)
    assert metrics["warnings"] == ["the pictures could not be written (RuntimeError: no room)"]
    assert "the pictures could not be written" in (tmp_path / "report.html").read_text()
    monkeypatch.setattr(report, "html", fails)
    report.write(tmp_path, {}, metrics, draw)
    assert len(metrics["warnings"]) == 3  # a title without a configuration, and a page
    json.dumps(metrics)


def test_names_are_text_and_pictures_can_be_seen_whole(tmp_path: Path, browser: Any) -> None:
    attack = "</style><script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">"
    config = {section: {"name": attack} for section in CONFIG}
    report.write(tmp_path, config, METRICS | {"warnings": [attack], f"test/iou/{attack}": 0.5}, draw)
    browser.get((tmp_path / "report.html").as_uri())
    assert "<script>document.title='owned'</script>" in browser.title
    assert browser.execute_script("return [document.images.length, document.scripts.length]") == [1, 1]
    shown = "const b = document.querySelector('.picture button'); b.click(); return b.parentElement.className"
    assert [browser.execute_script(shown) for _ in range(2)] == ["picture whole", "picture"]
    loaded = browser.execute_script("return performance.getEntriesByType('resource').map(r => r.name)")
    assert all(name.startswith("data:") for name in loaded)
