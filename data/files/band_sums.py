"""Mean and deviation of bands, added up file by file without loss."""

import numpy as np
from numpy.typing import NDArray


class Sums:
    """Of each band how many values, their mean, and the sum of their squared distances from it; and how many pixels."""

    def __init__(self, bands: int) -> None:
        self.count = np.zeros(bands, np.int64)
        self.mean, self.squares = np.zeros(bands), np.zeros(bands)
        self.pixels = 0

    def __add__(self, other: "Sums") -> "Sums":
        """Chan, Golub & LeVeque (1979): two samples' means and squared deviations as one's."""
        made = Sums(len(self.count))
        made.count, made.pixels = self.count + other.count, self.pixels + other.pixels
        total = np.maximum(made.count, 1)
        step = other.mean - self.mean
        made.mean = np.where(self.count > 0, self.mean + step * other.count / total, other.mean)
        made.squares = self.squares + other.squares + step**2 * self.count * other.count / total
        return made

    def moments(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Mean and standard deviation of each band; 1 for that of a band of one value, which is left as it is."""
        deviation = np.sqrt(self.squares / np.maximum(self.count, 1))
        return self.mean, np.where(deviation > 1e-6 * np.maximum(np.abs(self.mean), 1e-30), deviation, 1.0)
