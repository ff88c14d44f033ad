"""What is counted in training images before training: mean, deviation, how much of each class."""

import numpy as np
from numpy.typing import NDArray

from data.files.threads import in_threads
from data.loading.loaded import Samples


class Counts:
    """Counts over samples {"image": (C, H, W), "mask": (H, W) uint8 of labels, where there are any}.

    levels  (C, 256) pixels of each brightness, of images in uint8
    labels  (n, 256) pixels of each label, for each sample
    """

    def __init__(self, samples: Samples) -> None:
        def one(index: int) -> tuple[list[NDArray[np.int64]], NDArray[np.int64] | None]:
            sample = samples[index]
            image, mask = sample["image"].numpy(), sample.get("mask")
            eight = image if image.dtype == np.uint8 else image[:0]
            levels = [np.bincount(channel.ravel(), minlength=256) for channel in eight]
            return levels, None if mask is None else np.bincount(mask.numpy().ravel(), minlength=256)

        counted = list(in_threads(one, range(len(samples)), "Counting the pixels"))
        self.levels = np.sum([levels for levels, _ in counted], axis=0)
        self.labels = np.array([labels for _, labels in counted if labels is not None]).reshape(-1, 256)

    def moments(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Mean and standard deviation of each channel over all pixels, of images in [0, 1]."""
        share = self.levels / self.levels.sum(1, keepdims=True)
        level = np.arange(256) / 255
        mean = share @ level
        # A channel of one brightness is left as it is, rather than divided by nothing.
        std = np.sqrt(np.maximum(share @ level**2 - mean**2, 0))
        return tuple(mean.tolist()), tuple(np.where(std > 1e-6, std, 1).tolist())

    def shares(self, classes: int) -> NDArray[np.float64]:
        """(K,) of all labelled pixels that are each class."""
        totals = self.labels[:, :classes].sum(0)
        return totals / max(1, totals.sum())


def balanced_weights(shares: NDArray[np.float64]) -> list[float]:
    """Class weights 1 / ln(1.02 + share), scaled to a mean of 1 (Paszke et al., ENet, 2016, section 5.2): from a class
    that is everything to one that is nothing they rise seventyfold at most, and are 1 for what does not occur."""
    raw = np.where(shares > 0, 1 / np.log(1.02 + shares), np.nan)
    return np.nan_to_num(raw / np.nanmean(raw), nan=1.0).round(4).tolist()
