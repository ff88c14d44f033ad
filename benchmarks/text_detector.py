"""Does repair harm a text detector from outside? Its pattern, its map and its boxes, before and after.

    pip install --no-deps --target DIR rapidocr-onnxruntime
    python -m benchmarks.text_detector DIR/rapidocr_onnxruntime/models/ch_PP-OCRv4_det_infer.onnx

The pages are drawn here: lines of words at three sizes, dark on light, each page from a seed of its own. They are fed
as the wheel feeds its photographs, (grey level / 255 - 0.5) / 0.5, and pixels above its threshold of 0.3 are text.
"""

import argparse
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from scipy import ndimage
from torch import Tensor

from benchmarks.instrument.images import WORDS
from upsample.onnx_files.files import read
from upsample.onnx_files.repair import repair_onnx
from upsample.onnx_files.running import Runtime

PAGES, SIDE = 8, 512
SIZES = (14, 22, 36)  # pixels of the letters
THRESHOLD = 0.3  # of the wheel's config.yaml
SMALLEST = 3  # pixels a side of a box, as the wheel's own post-processing keeps

Box = tuple[int, int, int, int]  # top, left, bottom, right


def page(seed: int) -> Tensor:
    """(3, SIDE, SIDE): one page as the network takes it."""
    random = np.random.default_rng(seed)
    image = Image.new("RGB", (SIDE, SIDE), tuple(random.integers(215, 256, 3).tolist()))
    draw, top = ImageDraw.Draw(image), int(random.integers(8, 24))
    while top < SIDE - 48:
        size = int(random.choice(SIZES))
        words = " ".join(random.choice(WORDS, int(random.integers(2, 5))))
        draw.text((int(random.integers(8, 60)), top), words, fill=(20, 20, 30), font=ImageFont.load_default(size))
        top += size + int(random.integers(14, 30))
    return torch.from_numpy(np.array(image)).movedim(2, 0).float() / 127.5 - 1


def boxes(probability: Tensor) -> list[Box]:
    """The rectangles around what is connected above the threshold."""
    labels, _ = ndimage.label(probability.numpy() > THRESHOLD)
    found = [(y.start, x.start, y.stop, x.stop) for y, x in ndimage.find_objects(labels)]
    return [box for box in found if min(box[2] - box[0], box[3] - box[1]) >= SMALLEST]


def overlap(one: Box, other: Box) -> float:
    """Area of the intersection over that of the union."""
    height, width = (min(one[a + 2], other[a + 2]) - max(one[a], other[a]) for a in (0, 1))
    shared = max(0, height) * max(0, width)
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (one, other)]
    return shared / (sum(areas) - shared)


def main() -> int:
    """Repair into a folder that is thrown away, and tell what changed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("file", type=Path, metavar="FILE.onnx", help="the detector, which makes a map of probabilities")
    given = parser.parse_args()
    pages = [page(seed) for seed in range(PAGES)]
    with tempfile.TemporaryDirectory() as folder:
        repaired = repair_onnx(given.file, Path(folder) / "repaired.onnx", pages)
        print(repaired)
        if repaired.path is None:
            return 1
        networks = [Runtime(read(path)) for path in (given.file, repaired.path)]
    old, new = (torch.cat([network(image[None]) for image in pages])[:, 0] for network in networks)
    pairs = [(boxes(a), boxes(b)) for a, b in zip(old, new, strict=True)]
    best = [max((overlap(box, other) for other in after), default=0.0) for before, after in pairs for box in before]
    flipped = ((old > THRESHOLD) != (new > THRESHOLD)).float().mean().item()
    print(
        f"map: changed by {(new - old).abs().mean():.4f} in the mean, {(new - old).abs().max():.2f} at most; "
        f"{100 * flipped:.2f} % of the pixels cross the threshold, {100 * (old > THRESHOLD).float().mean():.1f} % are "
        "text"
    )
    print(
        f"boxes: {sum(len(before) for before, _ in pairs)} before, {sum(len(after) for _, after in pairs)} after; "
        f"{sum(value >= 0.5 for value in best)} of them found again, mean overlap {np.mean(best):.3f}, least "
        f"{min(best, default=0):.3f}"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
