"""What is written of generated images, against the network itself."""

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from models.tasks.generation.predict import generate, write_samples


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
