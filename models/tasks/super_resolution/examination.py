"""What the test of a super-resolution network gathers, for tables and pictures."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from data.reduced.bicubic import enlarge, shrink, to_uint8
from models.tasks.common_size import first_of, middle, quarters
from models.tasks.drawing import line_spectrum
from models.tasks.grid import told
from models.tasks.pattern_picture import SIDE, for_comparison, printed
from models.tasks.super_resolution.report import WINDOW, Example, telling_example
from models.tasks.super_resolution.scores import ImageScores, luma
from upsample.instrument.checkerboard import Checkerboard
from upsample.instrument.shifts import GridByShifting, ShiftResult


class Examination(nn.Module):
    """Scores beside bicubic's, the pattern of the grid by shifting, classical measures, and the most telling image.

    forward(truth, low, index, network) takes in high-resolution images (N, C, H, W) uint8, whole multiples of the
    scale, what is to be enlarged, (N, C, H/scale, W/scale) uint8, and their places in the test; `network` maps such
    images to large ones, about in [0, 1]. `begin(samples)` comes first.
    """

    def __init__(self, scale: int, channels: int, *, grid_images: int, checkerboard_images: int | None) -> None:
        super().__init__()
        self.scale, self.grid_images = scale, grid_images
        self.scores, self.baseline = ImageScores(border=scale), ImageScores(border=scale)
        self.channels = ["red", "green", "blue"] if channels == 3 else ["grey"]
        self.grid = self.new_grid() if grid_images else None
        self.checkerboard = Checkerboard(scale, checkerboard_images)
        self.measured_images, self.measured_size = 0, (0, 0)
        self.example: Example | None = None
        self.pattern: ShiftResult | None = None  # what was measured, once there are `results`

    def new_grid(self) -> GridByShifting:
        """The measure of the pattern, for images that are shifted before they are reduced: shifted after, the output
        of such a network moves by whole periods."""
        return GridByShifting(self.scale, channels=self.channels)

    def begin(self, samples: Any) -> None:
        """Forget the last test; `samples` are those of the one to come."""
        for metric in (self.scores, self.baseline, self.grid, self.checkerboard):
            if metric is not None:
                metric.reset()
        self.example = None
        self.measured_images, (height, width) = first_of(samples, self.checkerboard.max_images)
        self.measured_size = (height // self.scale * self.scale, width // self.scale * self.scale)

    def forward(self, truth: Tensor, low: Tensor, index: Tensor, network: Callable[[Tensor], Tensor]) -> None:
        """Take in a batch of the test."""
        output, bicubic = 255 * network(low), enlarge(low, self.scale)
        self.scores.update(to_uint8(output), truth)
        self.baseline.update(to_uint8(bicubic), truth)
        if self.grid is not None:
            for part in quarters(truth[index < self.grid_images], self.grid.needed):
                self.grid.update(lambda image: 255 * network(shrink(image, self.scale)), part)
        measured = index < self.measured_images
        if measured.any():
            self.checkerboard.update(middle((output - bicubic.float())[measured], self.measured_size))
        found = telling_example(low, truth, output, bicubic)
        if self.example is None or found.error > self.example.error:
            self.example = found

    def results(self) -> dict[str, Any]:
        """All scores of the test just run, and bicubic's on the same data, keyed as in metrics.json."""
        self.pattern = self.grid.result() if self.grid is not None else None
        return {
            **{f"test/{key}": value for key, value in self.scores.compute().items()},
            **{f"test/checkerboard/{key}": value for key, value in self.checkerboard.compute().items()},
            **(told(self.pattern, "grey levels") if self.pattern is not None else {}),
            "baseline": "bicubic",
            **{f"baseline/{key}": value for key, value in self.baseline.compute().items()},
        }

    def example_arrays(self) -> dict[str, NDArray[np.generic]]:
        """Bicubic, truth and output where bicubic errs most; the spectrum of what the output adds to bicubic; a patch,
        and the fixed pattern, of luma in grey levels."""
        assert self.example is not None
        shown = self.example
        rows, columns = slice(shown.top, shown.top + WINDOW), slice(shown.left, shown.left + WINDOW)
        pictures = {"bicubic": to_uint8(shown.bicubic), "truth": shown.truth, "output": to_uint8(shown.output)}
        made = luma(shown.output[None])
        added = made - luma(shown.bicubic[None])
        pattern = printed(self.pattern, SIDE)
        if pattern is not None:  # as luma, which is a weighted sum and a constant
            pattern = (luma(pattern[None]) - luma(torch.zeros_like(pattern[None])))[0, 0].float()
        return {
            **{
                key: each[:, rows, columns].expand(3, -1, -1).permute(1, 2, 0).numpy() for key, each in pictures.items()
            },
            "spectrum": line_spectrum(added[0]),
            **for_comparison(made[0, 0, rows, columns], pattern),
        }
