"""Folders of many small files and of many runs, made in seconds."""

import json
import os
from pathlib import Path

import numpy as np
import yaml
from PIL import Image

from benchmarks.configuration import configuration

DIFFERENT = 100  # pairs; all others are hard links to these
SIDE = 64  # pixels a side
SCORES = ("miou", "pixel_accuracy", "iou/ocean", "iou/land", "iou/lake", "grid/fixed", "grid/total")


def pairs(folder: Path, count: int) -> Path:
    """`count` pairs of PNG of SIDE pixels, images/ and masks/ of two classes, in a folder that is made; returns it."""
    random = np.random.default_rng(0)
    for kind, levels, shape in (("images", 256, (SIDE, SIDE, 3)), ("masks", 2, (SIDE, SIDE))):
        (folder / kind).mkdir(parents=True)
        for i in range(count):
            path = folder / kind / f"{i:06d}.png"
            if i < DIFFERENT:
                Image.fromarray(random.integers(levels, size=shape, dtype=np.uint8)).save(path)
            else:
                os.link(folder / kind / f"{i % DIFFERENT:06d}.png", path)
    return folder


def runs(folder: Path, groups: int, seeds: int) -> Path:
    """Finished runs of `groups` configurations, which differ in one number, and `seeds` each, as train.py leaves them
    but for what no comparison reads; returns the folder."""
    random = np.random.default_rng(0)
    config = configuration()
    picture = random.integers(256, size=(SIDE, SIDE, 3), dtype=np.uint8)
    spectrum = random.normal(size=SIDE // 2).astype(np.float32)
    np.savez_compressed(folder / "example.npz", image=picture, truth=picture, output=picture, spectrum=spectrum)
    history = "".join(f"{step},{0.7 - 0.3 * 0.5**step}\n" for step in range(1, 5))
    for group in range(groups):
        config["encoder"]["width"] = group + 4
        for seed in range(seeds):
            run = folder / "runs" / f"unet-earth-dilated_deconv-{seed}-{group:08x}"
            run.mkdir(parents=True)
            config["seed"] = seed
            (run / "config.yaml").write_text(yaml.dump(config, Dumper=yaml.CSafeDumper, sort_keys=False))
            metrics = {f"test/{name}": 0.7 + 0.01 * random.normal() for name in SCORES}
            costs = {"parameters": 480_000, "macs": 4_100_000_000, "macs_input": "1x3x320x320", "period": 8}
            costs |= {"seconds_per_step": 0.2, "peak_memory_mb": 900.0, "precision": "32-true", "machine": "none"}
            baseline = {"baseline": "colour table", "baseline/miou": 0.6}
            (run / "metrics.json").write_text(json.dumps(metrics | costs | baseline | {"seed": seed}))
            (run / "history.csv").write_text(f"step,val/miou\n{history}")
            os.link(folder / "example.npz", run / "example.npz")
    return folder / "runs"
