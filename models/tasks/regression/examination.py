"""What the test of a regression gathers, for tables and pictures."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from data.loading.loaded import ValuedImages
from models.tasks.common_size import first_of, middle
from models.tasks.drawing import line_spectrum
from models.tasks.grid import told
from models.tasks.pattern_picture import SIDE, for_comparison, printed
from models.tasks.regression.scores import ValuePairs, ValueScores
from models.tasks.segmentation.inference import Inference
from upsample.instrument.checkerboard import Checkerboard
from upsample.instrument.shifts import GridByShifting, ShiftResult

SHOWN = 128  # pixels a side of what a comparison shows of one test image
WINDOW = 256  # pixels a side, at least as seen from the measure, of what the network sees when its input is shifted


class Examination(nn.Module):
    """Scores, the pattern of the grid by shifting, classical checkerboard measures, and one telling image.

    forward(batch, network) takes a batch of the test; `network` maps images to float32 values (N, 1, H, W) in the
    data's units. `begin(samples)` comes first.
    example  the image (C, H, W), truth and output (H, W) of the first batch whose truth varies most
    pairs    how often which value was taken for which, of all processes, once the test has ended
    pattern  what was measured by shifting, once there are `results`
    """

    counts: Tensor

    def __init__(
        self,
        period: int,
        info: ValuedImages,
        inference: Inference,
        *,
        grid_images: int,
        checkerboard_images: int | None,
    ) -> None:
        super().__init__()
        self.info, self.inference, self.period = info, inference, period
        self.unit = info.values.unit or "units"
        self.scores = ValueScores()
        self.pairs = ValuePairs(info.values.low, info.values.high)
        self.grid = self.new_grid(shifts=8) if grid_images and period > 1 else None
        self.grid_images = grid_images
        self.checkerboard = Checkerboard(period, checkerboard_images)
        self.measured_images, self.measured_size = 0, (0, 0)
        self.example: dict[str, Tensor] | None = None
        self.pattern: ShiftResult | None = None

    def new_grid(self, shifts: int) -> GridByShifting:
        """The measure of the pattern, each image at so many places of the grid."""
        return GridByShifting(self.period, shifts=shifts, window=max(WINDOW, 16 * self.period), channels=["value"])

    def begin(self, samples: Any) -> None:
        """Forget the last test; `samples` are those of the one to come."""
        for metric in (self.scores, self.pairs, self.grid, self.checkerboard):
            if metric is not None:
                metric.reset()
        self.example = None
        self.measured_images, size = first_of(samples, self.checkerboard.max_images)
        self.measured_size = self.seen_at_once(size)

    def forward(self, batch: dict[str, Any], network: Callable[[Tensor], Tensor]) -> None:
        """Take in a batch of the test."""
        image, truth = batch["image"], batch["target"]
        output = self.inference.whole(network, image)[:, 0]
        self.scores.update(output, truth)
        self.pairs.update(output, truth)
        if self.example is None:
            self.example = self.most_varied(image, truth, output)
        if self.grid is not None:
            self.grid.update(network, image[batch["index"] < self.grid_images])
        measured = batch["index"] < self.measured_images
        if measured.any():
            # Not on what `inference` blends, which averages a pattern away that the network still prints.
            self.checkerboard.update(network(middle(image[measured], self.measured_size)))

    def results(self) -> dict[str, Any]:
        """All scores of the test just run, keyed as in metrics.json."""
        scores: dict[str, Any] = {f"test/{key}": value for key, value in self.scores.compute().items()}
        scores |= {f"test/checkerboard/{key}": value for key, value in self.checkerboard.compute().items()}
        self.pattern = self.grid.result() if self.grid is not None else None
        return scores | (told(self.pattern, self.unit) if self.pattern is not None else {})

    def most_varied(self, image: Tensor, truth: Tensor, output: Tensor) -> dict[str, Tensor]:
        """Of a batch the image whose truth varies most, each pixel without one counted as their mean."""
        known = truth.isfinite()
        mean = truth.nansum((1, 2)) / known.sum((1, 2)).clamp_min(1)
        best = torch.where(known, truth - mean[:, None, None], 0).square().mean((1, 2)).argmax()
        seen = {"image": image[best], "truth": truth[best], "output": output[best]}
        return {name: middle(x, self.seen_at_once(x.shape[-2:])).cpu() for name, x in seen.items()}

    def seen_at_once(self, size: Any) -> tuple[int, int]:
        """How much of an image of (height, width) one pass of the network sees."""
        height, width = (min(length, self.inference.window or length) for length in size)
        return height, width

    def example_arrays(self) -> dict[str, NDArray[np.generic]]:
        """Image, truth and output, painted, in the middle of the example; the spectrum of its output; a patch of it,
        and the fixed pattern."""
        assert self.example is not None
        image, truth, output = (self.example[key] for key in ("image", "truth", "output"))
        size = (min(SHOWN, truth.shape[0]), min(SHOWN, truth.shape[1]))
        seen = middle(self.info.picture(image).expand(3, -1, -1), size).permute(1, 2, 0).numpy()
        pictures = {key: self.info.values.picture(middle(x, size)) for key, x in (("truth", truth), ("output", output))}
        pattern = printed(self.pattern, max(SIDE, 4 * self.period))
        return {
            "image": seen,
            **pictures,
            "spectrum": line_spectrum(output[None]),
            **for_comparison(middle(output, size), None if pattern is None else pattern[0]),
        }
