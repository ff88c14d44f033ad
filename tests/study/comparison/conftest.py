"""Run folders as training leaves them, written by hand so that every number is known."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from omegaconf import OmegaConf

SIDE = 64


def write_run(
    folder: Path, upsampler: str, seed: int, miou: float | None, peak: float = 3.0, **settings: object
) -> Path:
    """A run of a segmentation; miou None leaves it unfinished. `settings` are more of the upsampler's."""
    folder = folder / f"unet-earth-{upsampler}-{seed}-{'-'.join(map(str, settings.values())) or '0'}"
    folder.mkdir(parents=True)
    config = {
        "upsample": {"name": upsampler, **settings},
        "task": {"name": "segmentation"},
        "data": {"name": "earth"},
        "seed": seed,
        "resume": "auto",
        "debug": False,
    }
    (folder / "config.yaml").write_text(OmegaConf.to_yaml(OmegaConf.create(config)))
    if miou is None:
        return folder
    metrics = {
        "test/miou": miou,
        "test/iou/lake": None if upsampler == "unpool" else miou / 2,
        "test/checkerboard/spectral_peak_db": peak,
        "test/checkerboard/spectral_peak_db/null": 5.0,
        "baseline": "colour table",
        "baseline/miou": 0.7,
        "parameters": 480_000,
        "macs": 4_100_000_000,
        "macs_input": "1x3x320x320",
        "seconds_per_step": 0.2,
        "peak_memory_mb": 900.0,
        "precision": "32-true",
        "period": 8,
        "seed": seed,
    }
    (folder / "metrics.json").write_text(json.dumps(metrics))
    lines = [f"{step},{miou * (1 - 0.5 ** (step / 50))}" for step in (50, 100, 150, 200)]
    (folder / "history.csv").write_text("\n".join(["step,val/miou", *lines, ""]))
    random = np.random.default_rng(seed)
    frequency = np.arange(1, SIDE // 2 + 1) / SIDE
    spectrum = -30 * np.log10(frequency * SIDE) + random.normal(size=SIDE // 2)
    spectrum[SIDE // 8 - 1 :: SIDE // 8] += peak
    rows, columns = np.indices((SIDE, SIDE))
    island = (rows - 30) ** 2 + (columns - 34) ** 2 < 400
    wrong = (
        island ^ (random.random((SIDE, SIDE)) < (1 - miou) / 4) ^ ((rows % 8 == 0) & (columns % 8 == 0) & (peak > 5))
    )
    paint = np.array([[31, 73, 125], [120, 160, 80]], dtype=np.uint8)
    np.savez_compressed(
        folder / "example.npz",
        image=random.integers(0, 255, (SIDE, SIDE, 3), dtype=np.uint8),
        truth=paint[island.astype(int)],
        output=paint[wrong.astype(int)],
        spectrum=spectrum.astype(np.float32),
    )
    return folder


@pytest.fixture
def make_run(tmp_path: Path) -> Callable[..., Path]:
    """`make_run(upsampler, seed, miou, peak=3.0, **settings)` in tmp_path/runs; returns the folder."""

    def make(*values: Any, **settings: Any) -> Path:
        return write_run(tmp_path / "runs", *values, **settings)

    return make


@pytest.fixture
def nine_runs(make_run: Callable[..., Path], tmp_path: Path) -> Path:
    """Three upsamplers, three seeds: resize_conv close to deconv, dilated_deconv far below; returns their folder."""
    scores = {"deconv": (0.80, 0.78, 0.82), "resize_conv": (0.79, 0.785, 0.80), "dilated_deconv": (0.70, 0.685, 0.71)}
    peaks = {"deconv": 20.0, "resize_conv": 4.0, "dilated_deconv": 27.0}
    for name, values in scores.items():
        for seed, miou in enumerate(values):
            make_run(name, seed, miou, peaks[name] + seed)
    return tmp_path / "runs"
