"""Where a random crop lies in its image, and the cutting of it."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

TRUTHS = ("mask", "target")  # what a sample may hold beside its image: labels, or numbers
PADDING = 114  # grey beyond an image's border: about the mean of photographs, so that it looks like nothing


def log_uniform(low: float, high: float, random: np.random.Generator) -> float:
    """As likely to halve as to double. Nothing is drawn where there is nothing to choose."""
    return math.exp(random.uniform(math.log(low), math.log(high))) if low < high else low


def extent(
    height: int,
    width: int,
    size: int,
    scale: Sequence[float],
    area: Sequence[float] | None,
    aspect: Sequence[float],
    random: np.random.Generator,
) -> tuple[int, int]:
    """Height and width, in pixels of a height x width image, of a random crop to be resized to size x size.

    scale   how much the image is enlarged, low and high, log-uniform
    area    instead of it the crop's share of the image, uniform; the crop then never reaches beyond the image
            (random resized crop: Szegedy et al., Going Deeper with Convolutions, 2015, section 6)
    aspect  width / height of the crop, log-uniform
    """
    if area is None:
        side = size / log_uniform(scale[0], scale[1], random)
        limits = [math.inf, math.inf]
    else:
        side = math.sqrt(height * width * random.uniform(area[0], area[1]))
        limits = [height, width]
    stretch = math.sqrt(log_uniform(aspect[0], aspect[1], random))
    return max(1, round(min(side / stretch, limits[0]))), max(1, round(min(side * stretch, limits[1])))


def label_counts(labels: NDArray[np.uint8]) -> NDArray[np.int64]:
    """(256,) pixels of each label of a mask (H, W) uint8; of planes (K, H, W) of each class and, as 255, of those that
    are known of none."""
    if labels.ndim == 2:
        return np.bincount(labels.ravel(), minlength=256)
    counts = np.zeros(256, np.int64)
    counts[: len(labels)] = (labels == 1).sum((1, 2))
    counts[255] = (labels == 255).all(0).sum()
    return counts


def pixel_of_a_class(
    mask: Tensor, areas: NDArray[np.float64] | None, ignore_index: int | None, random: np.random.Generator
) -> tuple[int, int] | None:
    """Row and column of a random pixel of a mask (H, W) uint8, or of planes; of all its classes first one is drawn.

    areas  (K,) of each class, summed over the training images. A class is drawn in proportion to its share of these
           that lies in this mask: with images drawn as `data.loading.sampler.balanced` draws them by the same areas,
           every class is then met as often as any other. None: all classes of the mask alike.
    Returns None for a mask without a class.
    """
    labels = mask.numpy()
    counts = label_counts(labels).astype(float)
    if ignore_index is not None:
        counts[ignore_index] = 0
    present = np.flatnonzero(counts)
    if not len(present):
        return None
    weights = np.ones(len(present)) if areas is None else counts[present] / areas[present]
    label = random.choice(present, p=weights / weights.sum())
    there = labels == label if labels.ndim == 2 else labels[label] == 1
    drawn = np.flatnonzero(there)[random.integers(int(counts[label]))]
    row, column = divmod(int(drawn), labels.shape[-1])
    return row, column


def position(length: int, window: int, around: int | None, random: np.random.Generator) -> int:
    """First row (or column) of a window within `length` pixels, or around them where it is the longer, anywhere
    with the same probability; `around` a pixel it then must hold."""
    low, high = min(0, length - window), max(0, length - window)
    if around is None:
        return int(random.integers(low, high + 1))
    return min(max(around - int(random.integers(window)), low), high)


def cut(
    planes: dict[str, Tensor],
    top: int,
    left: int,
    height: int,
    width: int,
    side: int,
    ignore_index: int | None,
    padding_value: float | Tensor = PADDING,
    beyond_image: bool = True,
) -> dict[str, Tensor]:
    """The window of "image" (C, H, W), "mask" (H, W) or (K, H, W) uint8 and "target" (H, W) float32, resized to side x
    side and padded where it reaches beyond the image: bilinear and antialiased, and the nearest label or number.

    padding_value  of the image, one number or (C, 1, 1)

    Raises ValueError for a window beyond an image, unless it may be `beyond_image`.
    """
    from torchvision.transforms.v2 import InterpolationMode  # here: it takes seconds, and only who cuts needs it
    from torchvision.transforms.v2 import functional as v2

    inside, filled = [], []
    for length, start, window in zip(planes["image"].shape[-2:], (top, left), (height, width), strict=True):
        first, last = max(start, 0), min(start + window, length)
        begin = min(round((first - start) * side / window), side - 1)
        end = max(round((last - start) * side / window), begin + 1)
        inside.append(slice(first, last))
        filled.append((begin, end))
    (y0, y1), (x0, x1) = filled
    padding = [x0, y0, side - x1, side - y1]
    if any(padding) and not beyond_image:
        shape = " x ".join(str(n) for n in planes["image"].shape[-2:])
        raise ValueError(
            f"a crop of {height} x {width} pixels does not fit an image of {shape}; set a smaller data.crop"
        )
    done = {}
    for key, mode, beyond in (
        ("image", InterpolationMode.BILINEAR, padding_value),
        ("mask", InterpolationMode.NEAREST_EXACT, ignore_index),
        ("target", InterpolationMode.NEAREST_EXACT, math.nan),
    ):
        if key in planes:
            part = planes[key][..., inside[0], inside[1]]
            alone = part.ndim == 2
            part = part[None] if alone else part
            if part.shape[-2:] != (y1 - y0, x1 - x0):
                part = v2.resize(part, [y1 - y0, x1 - x0], interpolation=mode, antialias=True)
            if any(padding):
                part = (
                    v2.pad(part - beyond, padding) + beyond
                    if isinstance(beyond, Tensor)
                    else v2.pad(part, padding, fill=beyond)
                )
            done[key] = part[0] if alone else part
    return done
