"""What is written of a network's results, against the network itself."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from models.tasks.prediction import enlarge, generate, margin, segment, write_samples
from models.tasks.segmentation.inference import Inference


@pytest.fixture
def image() -> torch.Tensor:
    return torch.randint(256, (3, 37, 50), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)


@pytest.mark.parametrize("window", [None, 16])
def test_masks_are_indexed_overlays_half_and_probabilities_sum_to_one(
    window: int | None, trained: Any, image: torch.Tensor, tmp_path: Path
) -> None:
    net = trained({"name": "bilinear"})
    inference = Inference(net.period, window)
    segment(net, image, inference, tmp_path, "deep/x", True)
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


@pytest.mark.parametrize("upsampler", ["pixel_shuffle", "resize_conv", "bicubic"])
def test_enlarged_in_tiles_is_enlarged_at_once(upsampler: str, trained: Any, image: torch.Tensor) -> None:
    net = trained({"name": upsampler}, {"name": "espcn", "scale": 3})
    whole = enlarge(net, image)
    assert whole.shape == (3, 111, 150)
    with torch.no_grad():
        assert torch.equal(whole, (255 * net(image[None])[0] + 0.5).floor().clamp(0, 255).byte())
    tiled = enlarge(net, image, tile=8)
    assert (tiled.int() - whole.int()).abs().max() <= 1  # rounding may fall the other way
    assert (tiled != whole).float().mean() < 0.001


def test_the_margin_covers_what_a_network_looks_at() -> None:
    network = nn.Sequential(nn.Conv2d(1, 1, 5, padding=2), nn.Conv2d(1, 1, 3, padding=4, dilation=4))
    assert margin(network) == 2 + 4 + 8


def test_generated_images_depend_on_the_seed_alone(trained: Any, tmp_path: Path) -> None:
    net = trained({"name": "resize_conv"}, {"name": "dcgan", "width": 4})
    assert len(list(write_samples(net, 11, 3, tmp_path))) == 11
    written = sorted(tmp_path.glob("samples/*.png"))
    assert [path.name for path in written] == [f"{i:02d}.png" for i in range(11)]
    pixels = [np.array(Image.open(path)) for path in written]
    for found, expected in zip(pixels, generate(net, 11, 3), strict=True):
        assert (found == expected.permute(1, 2, 0).numpy()).all()
    assert not np.array_equal(pixels[0], next(generate(net, 11, 4)).permute(1, 2, 0).numpy())
    with Image.open(tmp_path / "grid.png") as grid:
        assert grid.size == (8 * 34 + 2, 2 * 34 + 2)
