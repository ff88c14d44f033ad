"""Anyone's image files as tensors, all with the same channels. Reads with Pillow, which matplotlib brings."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError
from torch import Tensor

SUFFIXES = {".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".bmp", ".gif", ".ppm", ".pgm"}
ENDS = ", ".join(sorted(SUFFIXES))
LARGEST = 1024  # pixels a side that are read of an image, from its middle


@dataclass
class Images:
    """Files that were found, and what is worth knowing of how they are read.

    channels  names: ["red", "green", "blue"], or ["luma"] where a file has no colour or is a JPEG, whose decoders
              enlarge colour by a grid of their own
    notes     what is left out or changed, a sentence each
    """

    files: list[Path]
    channels: list[str]
    notes: list[str] = field(default_factory=list)

    def __iter__(self) -> Iterator[Tensor]:
        """Each image (C, H, W) float32, grey levels of 0 to 255. Raises ValueError for what cannot be read."""
        for file in self.files:
            yield _pixels(file, len(self.channels) == 1)


def find(paths: Sequence[Path], most: int, channels: Sequence[str] | None = None) -> Images:
    """The images among files and folders, at most so many, in the order of their names.

    channels: as of `Images`; None: what suits the test on outputs alone, which JPEG's own grid would mislead.
    Raises ValueError, in one sentence, for what does not exist, a named file that is no image, or no image at all.
    """
    files: list[Path] = []
    below: list[str] = []
    others = 0
    for path in paths:
        if path.is_dir():
            inside = sorted(file for file in path.iterdir() if file.is_file() and not file.name.startswith("."))
            images = [file for file in inside if file.suffix.lower() in SUFFIXES]
            others += len(inside) - len(images)
            below += sorted(folder.name for folder in path.iterdir() if folder.is_dir())
            files += images
        elif path.is_file():
            files.append(path)
        else:
            raise ValueError(f"there is no file or folder {path}")
    if not files:
        where = ", ".join(map(str, paths))
        hint = f"folders below are not searched: name {below[0]} in it" if below else f"images end in {ENDS}"
        raise ValueError(f"there is no image in {where}; {hint}")
    found = Images(files[:most], ["red", "green", "blue"])
    if others:
        found.notes.append(f"{others} other file{'s' if others > 1 else ''} in these folders left out")
    if below:
        found.notes.append(f"folders below left out: {', '.join(below)}; name those that are meant")
    if len(files) > most:
        found.notes.append(f"the first {most} of {len(files)} images, by name")
    seen = [_opened(file) for file in found.files]
    if channels is not None:
        found.channels = [*channels]
    else:
        _choose_channels(found, seen)
    if any(image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info for image in seen):
        found.notes.append("transparency left out")
    if any(max(image.size) > LARGEST for image in seen):
        found.notes.append(f"of larger images the middle {LARGEST} pixels a side")
    return found


def _choose_channels(found: Images, seen: Sequence[Image.Image]) -> None:
    """Read all by their luma where some have no colour, or store it by a grid of their own, and note that."""
    jpegs = sum(image.format in ("JPEG", "MPO") for image in seen)
    grey = sum(image.mode in ("1", "L", "LA", "I", "F", "I;16", "I;16B") for image in seen)
    if jpegs:
        found.notes.append(
            f"{jpegs} JPEG file{'s' if jpegs > 1 else ''}: all images by their luma, since decoders enlarge JPEG's "
            "colour by a grid of their own"
        )
    elif 0 < grey < len(seen):
        found.notes.append(f"{grey} images without colour: all by their luma")
    if jpegs or grey:
        found.channels = ["luma"]


def _opened(file: Path) -> Image.Image:
    try:
        return Image.open(file)
    except (UnidentifiedImageError, OSError, Image.DecompressionBombError, SyntaxError, ValueError) as error:
        hint = "; models are for python -m upsample audit" if file.suffix in (".onnx", ".pt", ".pth", ".py") else ""
        reason = "it is too large" if isinstance(error, Image.DecompressionBombError) else "it is no image"
        raise ValueError(f"{file} cannot be read: {reason}{hint}") from None


def _pixels(file: Path, luma: bool) -> Tensor:
    image = _opened(file)
    values: NDArray[Any]
    try:
        if image.mode in ("I", "I;16", "I;16B", "F"):
            values = np.asarray(image, dtype=np.float32)
            if image.mode != "F":
                values = values / 257  # 16 bits, told in grey levels of 8
        elif luma:
            if image.format == "JPEG":
                image.draft("L", image.size)  # as it is stored
            kept = image if image.mode == "L" else image.convert("RGB")
            values = np.asarray(kept, dtype=np.float32)
            values = values if kept.mode == "L" else values @ np.array([0.299, 0.587, 0.114], dtype=np.float32)
        else:
            values = np.asarray(image.convert("RGB"), dtype=np.float32)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        raise ValueError(f"{file} cannot be read: it is broken or cut short") from None
    pixels = torch.from_numpy(np.ascontiguousarray(values))
    pixels = pixels[None] if pixels.ndim == 2 else pixels.movedim(2, 0)
    top, left = (max(0, length - LARGEST) // 2 for length in pixels.shape[-2:])
    return pixels[:, top : top + LARGEST, left : left + LARGEST]
