"""Tensors as picture files, each whole or not there."""

from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from plumbing.atomic import whole


def write_picture(path: Path, picture: Image.Image) -> None:
    """Write a PNG."""
    with whole(path) as partial:
        picture.save(partial, "PNG")


def picture_of(image: Tensor) -> Image.Image:
    """A grey or RGB picture of (C, H, W) uint8."""
    return Image.fromarray(image.permute(1, 2, 0).squeeze(-1).contiguous().cpu().numpy())


def as_channels(image: Tensor, channels: int) -> Tensor:
    """An RGB image (3, H, W) uint8 as a network takes it: for one channel its luma (ITU-R BT.601)."""
    return image if channels == 3 else torch.from_numpy(np.array(picture_of(image).convert("L")))[None]
