"""Image files as a network in an ONNX file takes them."""

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from upsample.onnx_files.files import read
from upsample.onnx_files.following import follow
from upsample.pages.image_files import find

MOST = 64
CHANNELS = {1: ["luma"], 3: ["red", "green", "blue"]}


def images_for(path: Path, folder: Path, mean: Sequence[float], std: Sequence[float]) -> tuple[list[Tensor], list[str]]:
    """Return the images of a folder, (C, H, W) each, as (grey level / 255 - mean) / std, and what is worth knowing.

    For a network of whole numbers the grey levels are left as they are. Raises ValueError for a network whose input
    has neither one channel nor three, and for numbers of means or deviations that do not fit.
    """
    model = read(path)
    import onnx

    taken = next(value for value in model.graph.input if value.name not in {t.name for t in model.graph.initializer})
    size = follow(model).trace.size
    if len(size) != 4 or size[1] not in CHANNELS:
        raise ValueError(f"--images needs a network that takes images of 1 or 3 channels, and this takes {list(size)}")
    numbers = [torch.tensor([float(n) for n in given]) for given in (mean, std)]
    if any(len(given) not in (1, size[1]) for given in numbers) or not (numbers[1] > 0).all():
        raise ValueError(f"--mean and --std are 1 or {size[1]} numbers, and deviations above 0")
    found = find([folder], MOST, CHANNELS[size[1]])
    notes = [f"{note[0].upper()}{note[1:]}." for note in found.notes]
    if taken.type.tensor_type.elem_type == onnx.TensorProto.UINT8:
        return [*found], notes
    shift, scale = (given.view(-1, 1, 1) for given in numbers)
    return [(image / 255 - shift) / scale for image in found], notes
