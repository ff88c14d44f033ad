"""What is written of a segmentation's results, against the network itself."""

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from models.tasks.segmentation.inference import Inference
from models.tasks.segmentation.predict import segment, write_legend


@pytest.fixture
def image() -> torch.Tensor:
    return torch.randint(256, (3, 37, 50), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)


@pytest.mark.parametrize("window", [None, 16])
def test_masks_are_indexed_overlays_half_and_probabilities_sum_to_one(
    window: int | None, trained: Any, image: torch.Tensor, tmp_path: Path
) -> None:
    net = trained({"name": "bilinear"})
    inference = Inference(net.period, window)
    Image.fromarray(image.permute(1, 2, 0).numpy()).save(tmp_path / "x.png")
    segment(net, tmp_path / "x.png", inference, tmp_path, "deep/x", True)
    with torch.no_grad():
        logits = torch.cat([strip.clone() for strip in inference.strips(net, image[None])], 2)[0]
    expected = logits.argmax(0).numpy()
    with Image.open(tmp_path / "masks/deep/x.png") as mask:
        assert mask.mode == "P"
        assert mask.getpalette()[:9] == [0, 0, 200, 100, 200, 0, 200, 0, 0]
        assert (np.array(mask) == expected).all()
    with Image.open(tmp_path / "overlays/deep/x.png") as overlay:
        half = (image.permute(1, 2, 0).float().numpy() + np.array(net.palette)[expected]) / 2
        assert np.abs(np.array(overlay) - half).max() <= 1
    probabilities = np.load(tmp_path / "probabilities/deep/x.npz")["probabilities"]
    assert probabilities.shape == (37, 50, 3)
    assert np.allclose(probabilities, logits.softmax(0).permute(1, 2, 0).numpy(), atol=1e-3)
    assert not list(tmp_path.rglob("*.partial"))


def test_no_cell_of_the_legend_is_a_formula(trained: Any, tmp_path: Path) -> None:
    net = trained({"name": "bilinear"})
    net.classes = ["=1+1", '@x, "y"', "lake"]
    write_legend(net, tmp_path)
    with (tmp_path / "masks/legend.csv").open(newline="", encoding="utf-8") as file:
        assert [row[1] for row in csv.reader(file)] == ["name", "'=1+1", '\'@x, "y"', "lake"]
