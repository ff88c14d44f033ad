"""What is written of generated images, against the network itself."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from models.tasks.generation.predict import asked, generate, write_samples


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


def test_a_generator_of_classes_draws_all_of_them_in_order_or_one(trained: Any, tmp_path: Path) -> None:
    net = trained({"name": "resize_conv"}, {"name": "sngan", "width": 4, "classes": "auto"})
    net.classes = ["ocean", "../land", "T-shirt/top"]
    nn.init.normal_(next(p for key, p in net.named_parameters() if key.endswith(".shift")))  # so that classes differ
    assert len(list(write_samples(net, 7, 3, tmp_path / "all"))) == 7
    written = [path.relative_to(tmp_path / "all/samples").as_posix() for path in sorted(tmp_path.glob("all/*/*/*.png"))]
    assert written == [
        "0-ocean/0.png", "0-ocean/1.png", "0-ocean/2.png", "1-___land/3.png", "1-___land/4.png",
        "2-T-shirt_top/5.png", "2-T-shirt_top/6.png",
    ]  # fmt: skip
    assert list(write_samples(net, 2, 3, tmp_path / "one", "T-shirt/top")) == [None, None]
    pixels = [np.array(Image.open(path)) for path in sorted(tmp_path.glob("one/samples/2-T-shirt_top/*.png"))]
    latents = torch.randn(2, net.latent, generator=torch.Generator().manual_seed(3))
    with torch.no_grad():
        expected = (255 * net(latents, torch.tensor([2, 2])) + 0.5).floor().clamp(0, 255).byte()
    assert np.array_equal(np.stack(pixels), expected.permute(0, 2, 3, 1).numpy())


def test_a_class_that_there_is_not_is_refused(trained: Any) -> None:
    net = trained({"name": "nearest"}, {"name": "dcgan", "width": 4, "classes": "auto"})
    assert asked(net, 2, "1").tolist() == asked(net, 2, "land").tolist() == [1, 1]
    with pytest.raises(ValueError, match=r"--class is 'lamd', which does not exist; did you mean land\?"):
        asked(net, 2, "lamd")
    net = trained({"name": "nearest"}, {"name": "dcgan", "width": 4})
    with pytest.raises(ValueError, match=r"--class=land: this network was trained without classes"):
        asked(net, 2, "land")
