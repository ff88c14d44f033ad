"""What the test of a segmentation gathers, for tables and pictures."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from data.loading.loaded import LabelledImages
from models.tasks.common_size import first_of, middle, quarters
from models.tasks.drawing import line_spectrum
from models.tasks.grid import told
from models.tasks.input_gradient import input_gradient
from models.tasks.pattern_picture import SIDE, for_comparison, printed
from models.tasks.segmentation.inference import Inference
from models.tasks.segmentation.labels.exclusive import Exclusive
from models.tasks.segmentation.labels.overlapping import Overlapping
from models.tasks.segmentation.report import mixed_window
from upsample.instrument.checkerboard import Checkerboard
from upsample.instrument.coherence import MINIMUM_IMAGES
from upsample.instrument.shifts import GridByShifting, ShiftResult

SHOWN = 128  # pixels a side of what a comparison shows of one test image
WINDOW = 256  # pixels a side, at least as seen from the measure, of what the network sees when its input is shifted


class Examination(nn.Module):
    """Scores, the pattern of the grid by shifting, classical checkerboard measures, and one telling image.

    forward(batch, network, loss) takes a batch of the test; `network` maps images to logits, `loss` logits and truth,
    as `labels` has it, to a scalar. `begin(samples)` comes first.
    example    the image, truth (`mask`), prediction and logits of the most varied image of the first batch
    confusion  (K, K), of all processes, once the test has ended
    pattern    what was measured by shifting, once there are `results`
    """

    confusion: Tensor

    def __init__(
        self,
        period: int,
        info: LabelledImages,
        labels: Exclusive | Overlapping,
        inference: Inference,
        *,
        grid_images: int,
        checkerboard_images: int | None,
        gradient_checkerboard: bool,
    ) -> None:
        super().__init__()
        self.info, self.inference = info, inference
        self.of = [labels]  # in a list: the task's, whose thresholds are no part of this
        self.scores = labels.new_scores()
        self.period = period
        self.grid = self.new_grid(shifts=8) if grid_images and period > 1 else None
        self.grid_images = grid_images
        self.checkerboard = Checkerboard(period, checkerboard_images)
        self.gradient = Checkerboard(period, checkerboard_images) if gradient_checkerboard else None
        self.measured_images, self.measured_size = 0, (0, 0)
        self.few = False  # images of the test, for a pattern to be told from noise
        self.example: dict[str, Tensor] | None = None
        self.pattern: ShiftResult | None = None

    @property
    def labels(self) -> Exclusive | Overlapping:
        """How logits become classes."""
        return self.of[0]

    def new_grid(self, shifts: int) -> GridByShifting:
        """The measure of the pattern, each image at so many places of the grid."""
        # A window may be as large as four periods and their margins make it.
        window = max(WINDOW, 16 * self.period)
        return GridByShifting(
            self.period, shifts=shifts, window=window, channels=self.labels.names, classes=self.labels.moves
        )

    def begin(self, samples: Any) -> None:
        """Forget the last test; `samples` are those of the one to come."""
        for metric in (self.scores, self.grid, self.checkerboard, self.gradient):
            if metric is not None:
                metric.reset()
        self.example, self.few = None, min(len(samples), self.grid_images) < MINIMUM_IMAGES
        self.measured_images, size = first_of(samples, self.checkerboard.max_images)
        self.measured_size = self.seen_at_once(size)

    def forward(
        self, batch: dict[str, Any], network: Callable[[Tensor], Tensor], loss: Callable[[Tensor, Tensor], Tensor]
    ) -> None:
        """Take in a batch of the test."""
        image, mask = batch["image"], self.labels.truth(batch["mask"])
        logits = network(image) if self.inference.one_pass(image.shape[-2:]) else None
        decide = self.labels.decide
        prediction = self.inference.classes(network, image, decide) if logits is None else decide(logits)
        self.scores.update(prediction, mask)
        if self.example is None:
            self.example = self.most_varied(image, mask, prediction, network)
        if self.grid is not None:
            first = image[batch["index"] < self.grid_images]
            with torch.autocast(image.device.type, enabled=False):  # what bfloat16 rounds repeats with the grid
                for part in self.parts(first, self.grid):
                    self.grid.update(lambda x: self.labels.margins(network(x)), part)
        measured = batch["index"] < self.measured_images
        if measured.any():
            seen = logits[measured] if logits is not None and image.shape[-2:] == self.measured_size else None
            image, mask = (middle(each[measured], self.measured_size) for each in (image, mask))
            # Not on what `inference` makes of images: blended windows, scales and flips average a pattern away that the
            # network still prints.
            self.checkerboard.update(network(image) if seen is None else seen)
            if self.gradient is not None:
                # The clone, made where gradients are on, can take part in them; what Lightning's test makes cannot.
                seen_image = image.float() / 255 if image.dtype == torch.uint8 else image
                gradient = input_gradient(lambda x: loss(network(x), mask.clone()), seen_image)
                self.gradient.update(gradient)

    def parts(self, images: Tensor, grid: GridByShifting) -> Iterator[Tensor]:
        """Images (N, C, H, W) as the pattern is measured on them: where a test has too few, in quarters, if these are
        large enough."""
        return quarters(images, grid.needed) if self.few else iter([images])

    def results(self) -> dict[str, Any]:
        """All scores of the test just run, keyed as in metrics.json."""
        measures: dict[str, Any] = {"": self.scores, "checkerboard/": self.checkerboard}
        if self.gradient is not None:
            measures["gradient_checkerboard/"] = self.gradient
        scores = {f"test/{at}{key}": value for at, each in measures.items() for key, value in each.compute().items()}
        self.pattern = self.grid.result() if self.grid is not None else None
        return scores | (told(self.pattern, "logits") if self.pattern is not None else {})

    def most_varied(
        self, image: Tensor, mask: Tensor, prediction: Tensor, network: Callable[[Tensor], Tensor]
    ) -> dict[str, Tensor]:
        """Of a batch, the image whose classes are most evenly mixed: it shows most. At most one window of it."""
        shares = self.labels.members(mask).float().mean((2, 3))
        best = torch.special.entr(shares).sum(1).argmax()
        seen = {"image": image[best], "mask": mask[best], "prediction": prediction[best]}
        seen = {name: middle(x, self.seen_at_once(x.shape[-2:])) for name, x in seen.items()}
        seen["logits"] = network(seen["image"][None])[0]
        return {name: x.cpu() for name, x in seen.items()}

    def seen_at_once(self, size: Sequence[int]) -> tuple[int, int]:
        """How much of an image of (height, width) one pass of the network sees."""
        height, width = (min(length, self.inference.window or length) for length in size)
        return height, width

    def example_arrays(self) -> dict[str, NDArray[np.generic]]:
        """Image, truth and output, painted, where the example is most mixed; the spectrum of its logits; a patch, and
        the fixed pattern, of the logit of its commonest class, the same in all runs on this data."""
        assert self.example is not None
        image, mask, prediction, logits = (self.example[key] for key in ("image", "mask", "prediction", "logits"))
        rows, columns = mixed_window(self.labels.members(mask), SHOWN)
        seen = self.info.picture(image).expand(3, -1, -1).permute(1, 2, 0)
        pictures = {"image": seen, "truth": self.labels.paint(mask), "output": self.labels.paint(prediction)}
        commonest = int(self.labels.members(mask[..., rows, columns]).sum((1, 2))[: len(self.labels.names)].argmax())
        pattern = printed(self.pattern, max(SIDE, 4 * self.period))
        return {
            **{key: each[rows, columns].numpy() for key, each in pictures.items()},
            "spectrum": line_spectrum(logits),
            **for_comparison(logits[commonest, rows, columns], None if pattern is None else pattern[commonest]),
        }
