"""Data for benchmarks that take a folder of it."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image


@pytest.fixture
def camvid(tmp_path: Path) -> Path:
    """Nine frames of 40 x 50 pixels for training, one for validation; red is four times the label."""
    random = np.random.default_rng(0)
    for split, count in (("train", 9), ("val", 1)):
        for folder in (split, f"{split}annot"):
            (tmp_path / folder).mkdir()
        for i in range(count):
            mask = random.integers(0, 11, (40, 50), np.uint8)
            image = np.stack([4 * mask, mask, random.integers(0, 256, mask.shape, np.uint8)], 2)
            Image.fromarray(mask).save(tmp_path / f"{split}annot" / f"{i}.png")
            Image.fromarray(image).save(tmp_path / split / f"{i}.png")
    return tmp_path
