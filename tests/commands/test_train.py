"""The main job as a user runs it, on four tiny batches."""

import csv
import json
import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any

import matplotlib.image
import numpy as np
import pytest
import torch
from hydra.core.global_hydra import GlobalHydra

import train
from models.tasks.segmentation.task import Segmentation
from study import run_folder
from tests.power_cut import cut
from tests.tiny import TINY, configuration

ROOT = Path(train.__file__).parent


def tiny(*overrides: str) -> dict[str, Any]:
    return configuration(*TINY, *overrides)


def command(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, str(ROOT / "train.py"), *arguments], capture_output=True, text=True)


def here(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> None:
    """Run the command in this process, which has imported torch already."""
    monkeypatch.setattr(sys, "argv", ["train.py", *arguments])
    GlobalHydra.instance().clear()
    runpy.run_path(str(ROOT / "train.py"), run_name="__main__")


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """A finished run: its folder and what it returned."""
    folder = tmp_path_factory.mktemp("finished")
    return folder, train.run(tiny(), folder)


def weights(checkpoint: Path) -> dict[str, torch.Tensor]:
    return torch.load(checkpoint, weights_only=True)["state_dict"]


def test_a_run_leaves_scores_checkerboards_picture_configuration_and_checkpoints(
    finished: tuple[Path, dict[str, Any]],
) -> None:
    folder, metrics = finished
    written = json.loads((folder / "metrics.json").read_text())
    assert set(written) == set(metrics)
    scores = {"miou", "pixel_accuracy", "boundary_iou", "iou/ocean", "iou/land", "iou/lake"}
    measures = {
        f"checkerboard/{name}{at}{end}"
        for name in ("phase_variance", "spectral_peak_db")
        for at in ("", "/p2")
        for end in ("", "/null")
    }
    costs = {"parameters", "macs", "macs_input", "seconds_per_step", "peak_memory_mb", "seconds"}
    costs |= {"precision", "machine", "period"}
    pattern = {key for key in written if key.startswith("test/grid/")} | {"test/pattern", "test/content"}
    assert set(written) - pattern == {f"test/{k}" for k in scores | measures} | costs | {
        "seed", "upsampler", "baseline", "baseline/miou", "val/miou", "warnings",  # below its baseline
    }  # fmt: skip
    assert pattern <= set(written)
    assert 0 < written["test/miou"] < 1
    assert 0.6 < written["baseline/miou"] < 0.8
    assert written["upsampler"] == "dilated_deconv"
    assert matplotlib.image.imread(folder / "report.png").std() > 0.1
    assert (folder / "config.yaml").read_text().startswith("upsample:\n  name: dilated_deconv")
    assert {p.name for p in folder.iterdir()} == {
        "metrics.json", "report.png", "report.html", "confusion.png", "config.yaml", "best.ckpt", "last.ckpt",
        "history.csv", "example.npz",
    }  # fmt: skip


def test_a_run_keeps_its_validation_scores_and_an_example(finished: tuple[Path, dict[str, Any]]) -> None:
    folder, _ = finished
    with (folder / "history.csv").open(newline="") as file:
        history = list(csv.DictReader(file))
    assert [line["step"] for line in history] == ["2", "4"]
    assert all(0 < float(line["val/miou"]) < 1 for line in history)
    with np.load(folder / "example.npz", allow_pickle=False) as example:
        assert set(example) == {"image", "truth", "output", "spectrum", "patch", "grid"}
        assert all(example[key].shape == (128, 128, 3) for key in ("image", "truth", "output"))
        assert len(np.unique(example["truth"].reshape(-1, 3), axis=0)) == 3
        assert example["spectrum"].shape == (160,)


def test_macs_are_counted_by_hand(finished: tuple[Path, dict[str, Any]]) -> None:
    _, metrics = finished
    full, half, quarter = 320 * 320, 160 * 160, 80 * 80
    encoder = full * 9 * (3 * 4 + 4 * 4) + half * 9 * (4 * 8 + 8 * 8) + quarter * 9 * (8 * 16 + 16 * 16)
    # A 4 x 4 transposed convolution at stride 2 spends 16 taps on each input pixel.
    decoder = quarter * 16 * 16 * 8 + half * 9 * (16 * 8 + 8 * 8) + half * 16 * 8 * 4 + full * 9 * (8 * 4 + 4 * 4)
    assert metrics["macs"] == encoder + decoder + full * 4 * 3


def test_a_stopped_run_continues_to_the_same_weights(
    finished: tuple[Path, dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, metrics = finished
    cut(monkeypatch, Segmentation, 3, lambda: train.run(tiny(), tmp_path))
    assert run_folder.read_metrics(tmp_path) is None
    again = train.run(tiny(), tmp_path)
    assert again["test/miou"] == metrics["test/miou"]
    assert (tmp_path / "history.csv").read_text() == (folder / "history.csv").read_text()
    for key, value in weights(folder / "last.ckpt").items():
        assert torch.equal(value, weights(tmp_path / "last.ckpt")[key]), key


def test_steps_beyond_the_last_epoch_are_validated_and_can_be_the_best(tmp_path: Path) -> None:
    train.run(tiny("trainer.max_steps=3"), tmp_path)
    assert torch.load(tmp_path / "last.ckpt", weights_only=True)["global_step"] == 3
    assert (tmp_path / "best.ckpt").exists()


def test_what_cannot_be_drawn_or_logged_costs_a_warning_not_the_scores(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: Any, **__: Any) -> None:
        held = json.loads((tmp_path / "metrics.json").read_text())
        assert held["test/miou"] >= 0  # they are there before
        raise ZeroDivisionError("no pixel left")

    for name in ("report", "example_arrays"):
        monkeypatch.setattr(Segmentation, name, fails)
    monkeypatch.setattr("models.training.loggers.finish", fails)
    metrics = train.run(configuration(*TINY, "trainer.max_epochs=1"), tmp_path)
    assert len(metrics["warnings"]) >= 3
    assert sum("ZeroDivisionError: no pixel left" in each for each in metrics["warnings"]) == 3
    assert json.loads((tmp_path / "metrics.json").read_text())["warnings"] == metrics["warnings"]


def test_every_option_of_the_task_and_auto_batch_at_once(tmp_path: Path) -> None:
    options = ["loss=lovasz", "auxiliary=0.4", "schedule=poly", "layer_decay=0.8", "gradient_checkerboard=true"]
    others = ["trainer.max_epochs=1", "callbacks.auto_batch=true"]
    metrics = train.run(tiny(*(f"task.{o}" for o in options), *others), tmp_path)
    assert metrics["batch_size"] == 4
    assert metrics["test/gradient_checkerboard/phase_variance"] > 0
    checkpoint = torch.load(tmp_path / "last.ckpt", weights_only=True)
    assert "auxiliary_head.head.3.bias" in checkpoint["state_dict"]
    assert len({group["initial_lr"] for group in checkpoint["optimizer_states"][0]["param_groups"]}) == 4


@pytest.mark.parametrize(
    "name", sorted({path.stem for path in (ROOT / "conf/upsample").glob("*.yaml")} - {"published"})
)
def test_a_unet_trains_an_epoch_with_every_upsampler(name: str, tmp_path: Path) -> None:
    metrics = train.run(tiny(f"upsample={name}", "trainer.max_epochs=1", "data.test_crop=64"), tmp_path)
    assert metrics["upsampler"] == name
    assert metrics["test/grid/fixed"] >= 0
    assert 0 < metrics["test/miou"] < 1
    assert torch.load(tmp_path / "last.ckpt", weights_only=True)["global_step"] == 2


def test_a_finished_run_is_found_and_its_result_printed(
    finished: tuple[Path, dict[str, Any]], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, metrics = finished
    here(monkeypatch, *TINY, f"hydra.run.dir='{folder}'")
    printed = capsys.readouterr().out
    assert f"This run is finished (resume=never starts it afresh): {folder}" in printed
    assert f"{metrics['test/miou']:.4g}" in printed


def test_help_and_a_typo_list_the_choices() -> None:
    help_text = command("--help")
    assert help_text.returncode == 0
    assert "dilated_deconv" in help_text.stdout
    assert "max_epochs" in help_text.stdout
    typo = command("upsample=dilated_decnov")
    assert typo.returncode == 1
    assert "upsample=dilated_decnov does not exist; did you mean dilated_deconv?" in typo.stderr
    assert "dilated_deconv" in typo.stderr
    assert "Traceback" not in typo.stderr


def test_torch_is_not_imported_to_compose_a_run() -> None:
    code = "import sys, train; sys.exit('torch' in sys.modules or 'matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 0


def test_what_cannot_be_built_is_refused_in_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    wrong = ["upsample=deconv", "upsample.kernel_size=3", "upsample.dilation=2"]
    with pytest.raises(SystemExit) as refused:
        here(monkeypatch, *TINY, *wrong, f"hydra.run.dir='{tmp_path / 'run'}'")
    assert refused.value.code == 1
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert said.startswith("Error: upsample.kernel_size=3, dilation=2 at stride 2 leaves 75% of the output pixels")
    assert list(tmp_path.iterdir()) == []
