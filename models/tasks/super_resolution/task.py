"""How a super-resolution network learns and is scored."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from data.loading.datamodule import DataModule
from data.loading.loaded import Images, ReducedImages, Samples
from data.reduced.bicubic import shrink, to_uint8
from models.networks.interfaces import Network
from models.networks.normalise import Normalise
from models.tasks import task
from models.tasks.common_size import middle, quarters, spread
from models.tasks.pattern_picture import Patch, room, with_repaired
from models.tasks.super_resolution.examination import Examination
from models.tasks.super_resolution.report import WINDOW, Example, super_resolution_report
from models.tasks.super_resolution.scores import ImageScores, luma
from models.training.schedule import scheduled
from models.training.task import Task
from plumbing.options import Count, Range
from upsample.instrument.shifts import ShiftResult
from upsample.models.evaluating import evaluating

SEEN = 192  # pixels a side of what a network that is repaired is fitted on, before they are reduced


def charbonnier(output: Tensor, truth: Tensor) -> Tensor:
    """Mean of sqrt(d**2 + 1e-6) over all values, images in [0, 1]: L1 without its kink (Lai et al., 2017)."""
    return ((output - truth).square() + 1e-6).sqrt().mean()


LOSSES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {"l1": F.l1_loss, "charbonnier": charbonnier}


@task("super_resolution")
class SuperResolution(Task):
    """L1 or Charbonnier loss, Adam with one cycle of learning rate; scores on luma as the benchmarks do.

    network   maps (N, C, H, W) normalised images to (N, C, p*H, p*W), normalised alike; its period p is the scale
    A batch is {"image": (N, C, H, W) uint8}, the high-resolution truth, C 1 or 3. It is cropped at the right and
    bottom to whole multiples of the scale; what the network sees is "low", or without that MATLAB's bicubic reduction
    of the truth, in uint8.
    """

    kind = "high_resolution_images"
    monitor = "val/psnr_y"

    def __init__(
        self,
        network: Network,
        info: Images,
        *,
        loss: Literal["l1", "charbonnier"],
        lr: Annotated[float, Range(0, open="low")],
        warmup: Annotated[float, Range(0, 1)],
        checkerboard_images: Count | None,
        grid_images: Annotated[int, Range(0)] = 8,
        ema: Annotated[float, Range(0, 1, open="high")] = 0.0,
    ) -> None:
        super().__init__()
        self.network = network.to(memory_format=torch.channels_last)
        self.keep_average(ema)
        self.normalise = Normalise(info.mean, info.std)
        self.scale = network.period
        self.reduction = info.reduction if isinstance(info, ReducedImages) else ""
        self.loss, self.lr, self.warmup = LOSSES[loss], lr, warmup
        self.val_scores = ImageScores(border=self.scale)
        self.examination = Examination(
            self.scale, info.channels, grid_images=grid_images, checkerboard_images=checkerboard_images
        )

    def forward(self, image: Tensor) -> Tensor:
        """(N, C, H, W) uint8, or floating in [0, 1], to float32 (N, C, scale*H, scale*W), about in [0, 1]."""
        return self.enlarged(self.network, image)

    def enlarged(self, network: nn.Module, image: Tensor) -> Tensor:
        """What a network makes of images, as `forward` gives it."""
        x = self.normalise(image).contiguous(memory_format=torch.channels_last)
        return self.normalise.undo(network(x))

    def exact(self, image: Tensor) -> Tensor:
        """`forward` in float32, whatever the training computes in: bfloat16 holds 8 bits, as many as the image, and
        what it rounds repeats with the scale."""
        with torch.autocast(image.device.type, enabled=False):
            return self(image)

    def truth(self, batch: dict[str, Any]) -> Tensor:
        """A batch's images, uint8, in whole multiples of the scale."""
        height, width = (length // self.scale * self.scale for length in batch["image"].shape[-2:])
        return batch["image"][..., :height, :width]

    def low(self, batch: dict[str, Any], truth: Tensor) -> Tensor:
        """What the network sees of a batch. Raises ValueError for images that come in another size."""
        if "low" not in batch:
            return shrink(truth, self.scale)
        height, width = (length // self.scale for length in truth.shape[-2:])
        if batch["low"].shape[-2:] != (height, width):
            small, large = (" x ".join(map(str, x.shape[-2:])) for x in (batch["low"], batch["image"]))
            raise ValueError(
                f"the small image of {batch['name'][0]} has {small} pixels and the large one {large}, but the network "
                f"enlarges by {self.scale}; choose data of that scale"
            )
        return batch["low"]

    def notes(self) -> list[str]:
        """How small images come about, where that is not by bicubic alone."""
        if not self.reduction:
            return super().notes()
        measured = "What the grid prints is measured on bicubic reductions, as no other can be shifted"
        return [*super().notes(), f"Low-resolution images: {self.reduction}", measured]

    def training_step(self, batch: dict[str, Any], index: int) -> Tensor:
        truth = self.truth(batch)
        loss = self.loss(self.enlarged(self.learning, self.low(batch, truth)), truth.float() / 255)
        self.log("train/loss", loss, prog_bar=True)
        return loss

    def validation_step(self, batch: dict[str, Any], index: int) -> None:
        truth = self.truth(batch)
        self.val_scores.update(to_uint8(255 * self.exact(self.low(batch, truth))), truth)

    def on_validation_epoch_end(self) -> None:
        self.log("val/psnr_y", self.val_scores.compute()["psnr_y"], prog_bar=True, sync_dist=True)
        self.val_scores.reset()

    def on_test_start(self) -> None:
        data: DataModule = self.trainer.datamodule  # type: ignore[attr-defined]  # Lightning declares none
        self.examination.begin(data.test)

    def test_step(self, batch: dict[str, Any], index: int) -> None:
        truth = self.truth(batch)
        self.examination(truth, self.low(batch, truth), batch["index"], self.exact)

    def on_test_epoch_end(self) -> None:
        """Have the example of the process that found the most telling one in all."""
        seen = self.examination
        assert seen.example is not None
        errors = self.all_gather(torch.tensor(seen.example.error))
        assert isinstance(errors, Tensor)
        seen.example = self.trainer.strategy.broadcast(seen.example, int(errors.argmax()))

    def example_arrays(self) -> dict[str, NDArray[np.generic]]:
        """Bicubic, truth and output where bicubic errs most; the spectrum of what the output adds to bicubic."""
        return self.examination.example_arrays()

    def example_input(self) -> Tensor:
        """The input of one test image, (1, C, H, W) uint8."""
        assert self.examination.example is not None
        return self.examination.example.low[None]

    def tested(self) -> dict[str, Any]:
        """The scores of the test just run, and bicubic's on the same images; how these were made small, where that is
        not by bicubic alone."""
        told = {"reduction": f"Low-resolution images: {self.reduction}"} if self.reduction else {}
        return self.examination.results() | told

    def inputs(self, samples: Samples, count: int) -> list[Tensor]:
        """The middle of `count` images, of at most SEEN pixels a side, reduced and normalised, one by one."""
        images = (samples[i]["image"] for i in spread(len(samples), count))
        sizes = ((x, [min(length, SEEN) // self.scale * self.scale for length in x.shape[-2:]]) for x in images)
        crops = (middle(x, (height, width))[None] for x, (height, width) in sizes)
        return [self.normalise(shrink(x.to(self.device), self.scale)) for x in crops]

    def grid_measure(self, samples: Samples, count: int) -> Callable[[nn.Module], ShiftResult]:
        """By shifting the first `count` images in quarters, as the test does it."""

        def measure(network: nn.Module) -> ShiftResult:
            grid = self.examination.new_grid()
            for i in range(min(count, len(samples))):
                for part in quarters(self.truth({"image": samples[i]["image"][None].to(self.device)}), grid.needed):
                    grid.update(lambda x: 255 * self.enlarged(network, shrink(x, self.scale)), part)
            return grid.result()

        return measure

    def report(self, path: Path, title: str) -> None:
        """Draw the most telling test image, as a PNG at `path`."""
        seen = self.examination
        assert seen.example is not None
        super_resolution_report(path, title, seen.example, self.patches(seen.example), seen.pattern)

    def patches(self, example: Example) -> list[Patch]:
        """Where bicubic errs most, magnified: of the network and of what it is once repaired, where there is something
        to repair. Nothing where the image has no room. The image is shifted before it is reduced."""
        side, (height, width) = room(self.scale), example.truth.shape[-2:]
        if min(height, width) < side:
            return []
        top, left = (min(max(0, at + (WINDOW - side) // 2), length - side)
                     for at, length in ((example.top, height), (example.left, width)))  # fmt: skip
        image = example.truth[:, top : top + side, left : left + side].to(self.device)

        def made(network: nn.Module, x: Tensor) -> Tensor:
            low = self.normalise(shrink(x, self.scale)).contiguous(memory_format=torch.channels_last)
            return luma(255 * self.normalise.undo(network(low)))

        with evaluating(self):
            return with_repaired(self.network, made, image, self.scale, 0)

    def configure_optimizers(self) -> Any:
        optimiser = torch.optim.Adam(self.learning.parameters(), lr=self.lr, fused=True)
        return scheduled(self.trainer, optimiser, "one_cycle", self.warmup)
