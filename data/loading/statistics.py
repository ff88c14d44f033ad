"""What is counted in training images before training: mean, deviation, how much of each class."""

import numpy as np
from numpy.typing import NDArray

from data.files.threads import in_threads
from data.loading.crop import label_counts
from data.loading.loaded import Samples, Values

DRAWN = 1000  # values of an image, about, among which the lowest and highest are looked for


class Counts:
    """Counts over samples {"image": (C, H, W), "mask": (H, W) uint8 of labels, where there are any}.

    levels  (C, 256) pixels of each brightness, of images in uint8
    labels  (n, 256) pixels of each label, for each sample, as `label_counts` has them
    pixels  of all samples
    """

    def __init__(self, samples: Samples) -> None:
        def one(index: int) -> tuple[list[NDArray[np.int64]], NDArray[np.int64] | None, int]:
            sample = samples[index]
            image, mask = sample["image"].numpy(), sample.get("mask")
            eight = image if image.dtype == np.uint8 else image[:0]
            levels = [np.bincount(channel.ravel(), minlength=256) for channel in eight]
            return levels, None if mask is None else label_counts(mask.numpy()), image[0].size

        counted = list(in_threads(one, range(len(samples)), "Counting the pixels"))
        self.levels = np.sum([levels for levels, *_ in counted], axis=0)
        self.labels = np.array([labels for _, labels, _ in counted if labels is not None]).reshape(-1, 256)
        self.pixels = sum(pixels for *_, pixels in counted)

    def moments(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Mean and standard deviation of each channel over all pixels, of images in [0, 1]."""
        share = self.levels / self.levels.sum(1, keepdims=True)
        level = np.arange(256) / 255
        mean = share @ level
        # A channel of one brightness is left as it is, rather than divided by nothing.
        std = np.sqrt(np.maximum(share @ level**2 - mean**2, 0))
        return tuple(mean.tolist()), tuple(np.where(std > 1e-6, std, 1).tolist())

    def shares(self, classes: int) -> NDArray[np.float64]:
        """(K,) of all labelled pixels that are each class, which may overlap."""
        return self.labels[:, :classes].sum(0) / max(1, self.pixels - self.labels[:, classes:].sum())


def values_of(samples: Samples, unit: str) -> tuple[Values, float]:
    """What there is to know of the numbers of samples {"target": (H, W) float32}, and the share of pixels without one.

    Raises ValueError where there is no number.
    """

    def one(index: int) -> tuple[int, NDArray[np.float64], NDArray[np.float32]]:
        target = samples[index]["target"].numpy()
        found = target[np.isfinite(target)]
        sums = np.array([found.size, found.sum(dtype=np.float64), np.square(found, dtype=np.float64).sum()])
        return target.size, sums, found[:: max(1, found.size // DRAWN)]

    counted = list(in_threads(one, range(len(samples)), "Looking at the values"))
    number, total, squares = np.sum([sums for _, sums, _ in counted], axis=0)
    if not number:
        raise ValueError(
            "no training image has a value in any pixel; correct the files of values, or data.value_nodata"
        )
    mean = total / number
    std = float(np.sqrt(max(squares / number - mean**2, 0)))
    low, high = np.quantile(np.concatenate([some for *_, some in counted]), [0.01, 0.99])
    values = Values(unit, float(mean), std if std > 0 else 1.0, float(low), float(max(high, low + 1e-6)))
    return values, 1 - float(number) / sum(size for size, *_ in counted)


def balanced_weights(shares: NDArray[np.float64]) -> list[float]:
    """Class weights 1 / ln(1.02 + share), scaled to a mean of 1 (Paszke et al., ENet, 2016, section 5.2): from a class
    that is everything to one that is nothing they rise seventyfold at most, and are 1 for what does not occur."""
    raw = np.where(shares > 0, 1 / np.log(1.02 + shares), np.nan)
    return np.nan_to_num(raw / np.nanmean(raw), nan=1.0).round(4).tolist()
