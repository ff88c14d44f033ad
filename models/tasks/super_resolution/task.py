"""How a super-resolution network learns and is scored."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from data.loading.datamodule import DataModule
from data.loading.loaded import Images
from models.networks.interfaces import Network
from models.networks.normalise import Normalise
from models.tasks import task
from models.tasks.common_size import first_of, middle
from models.tasks.drawing import line_spectrum
from models.tasks.super_resolution.bicubic import enlarge, shrink, to_uint8
from models.tasks.super_resolution.report import WINDOW, Example, super_resolution_report, telling_example
from models.tasks.super_resolution.scores import ImageScores, luma
from models.training.schedule import scheduled
from models.training.task import Task
from plumbing.options import Count, Range
from upsample.instrument.checkerboard import Checkerboard


def charbonnier(output: Tensor, truth: Tensor) -> Tensor:
    """Mean of sqrt(d**2 + 1e-6) over all values, images in [0, 1]: L1 without its kink (Lai et al., 2017)."""
    return ((output - truth).square() + 1e-6).sqrt().mean()


LOSSES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {"l1": F.l1_loss, "charbonnier": charbonnier}


@task("super_resolution")
class SuperResolution(Task):
    """L1 or Charbonnier loss, Adam with one cycle of learning rate; scores on luma as the benchmarks do.

    network   maps (N, C, H, W) normalised images to (N, C, p*H, p*W), normalised alike; its period p is the scale
    A batch is {"image": (N, C, H, W) uint8}, the high-resolution truth, C 1 or 3. It is cropped at the right and
    bottom to whole multiples of the scale; what the network sees is MATLAB's bicubic reduction of that, in uint8.
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
    ) -> None:
        super().__init__()
        self.network = network.to(memory_format=torch.channels_last)
        self.normalise = Normalise(info.mean, info.std)
        self.scale = network.period
        self.loss, self.lr, self.warmup = LOSSES[loss], lr, warmup
        self.val_scores, self.test_scores, self.baseline = (ImageScores(border=self.scale) for _ in range(3))
        self.checkerboard = Checkerboard(network.period, checkerboard_images)
        self.measured_images, self.measured_size = 0, (0, 0)
        self.example: Example | None = None

    def forward(self, image: Tensor) -> Tensor:
        """(N, C, H, W) uint8, or floating in [0, 1], to float32 (N, C, scale*H, scale*W), about in [0, 1]."""
        x = self.normalise(image).contiguous(memory_format=torch.channels_last)
        return self.normalise.undo(self.network(x))

    def exact(self, image: Tensor) -> Tensor:
        """`forward` in float32, whatever the training computes in: bfloat16 holds 8 bits, as many as the image, and
        what it rounds repeats with the scale."""
        with torch.autocast(image.device.type, enabled=False):
            return self(image)

    def pair(self, batch: dict[str, Any]) -> tuple[Tensor, Tensor]:
        """The low-resolution input and the truth, both uint8, of a batch."""
        truth = batch["image"]
        height, width = (length // self.scale * self.scale for length in truth.shape[-2:])
        truth = truth[..., :height, :width]
        return shrink(truth, self.scale), truth

    def training_step(self, batch: dict[str, Any], index: int) -> Tensor:
        low, truth = self.pair(batch)
        loss = self.loss(self(low), truth.float() / 255)
        self.log("train/loss", loss, prog_bar=True)
        return loss

    def validation_step(self, batch: dict[str, Any], index: int) -> None:
        low, truth = self.pair(batch)
        self.val_scores.update(to_uint8(255 * self.exact(low)), truth)

    def on_validation_epoch_end(self) -> None:
        self.log("val/psnr_y", self.val_scores.compute()["psnr_y"], prog_bar=True, sync_dist=True)
        self.val_scores.reset()

    def on_test_start(self) -> None:
        for scores in (self.test_scores, self.baseline, self.checkerboard):
            scores.reset()
        self.example = None
        data: DataModule = self.trainer.datamodule  # type: ignore[attr-defined]  # Lightning declares none
        self.measured_images, (height, width) = first_of(data.test, self.checkerboard.max_images)
        self.measured_size = (height // self.scale * self.scale, width // self.scale * self.scale)

    def test_step(self, batch: dict[str, Any], index: int) -> None:
        low, truth = self.pair(batch)
        output, bicubic = 255 * self.exact(low), enlarge(low, self.scale)
        self.test_scores.update(to_uint8(output), truth)
        self.baseline.update(to_uint8(bicubic), truth)
        measured = batch["index"] < self.measured_images
        if measured.any():
            self.checkerboard.update(middle((output - bicubic.float())[measured], self.measured_size))
        found = telling_example(low, truth, output, bicubic)
        if self.example is None or found.error > self.example.error:
            self.example = found

    def on_test_epoch_end(self) -> None:
        """Have the example of the process that found the most telling one in all."""
        assert self.example is not None
        errors = self.all_gather(torch.tensor(self.example.error))
        assert isinstance(errors, Tensor)
        self.example = self.trainer.strategy.broadcast(self.example, int(errors.argmax()))

    def example_arrays(self) -> dict[str, NDArray[np.generic]]:
        """Bicubic, truth and output where bicubic errs most; the spectrum of what the output adds to bicubic."""
        assert self.example is not None
        shown = self.example
        rows, columns = slice(shown.top, shown.top + WINDOW), slice(shown.left, shown.left + WINDOW)
        pictures = {"bicubic": to_uint8(shown.bicubic), "truth": shown.truth, "output": to_uint8(shown.output)}
        added = luma(shown.output[None]) - luma(shown.bicubic[None])
        return {
            **{
                key: each[:, rows, columns].expand(3, -1, -1).permute(1, 2, 0).numpy() for key, each in pictures.items()
            },
            "spectrum": line_spectrum(added[0]),
        }

    def example_input(self) -> Tensor:
        """The input of one test image, (1, C, H, W) uint8."""
        assert self.example is not None
        return self.example.low[None]

    def results(self, data: DataModule) -> dict[str, Any]:
        """All scores of the test just run, and bicubic's on the same data, keyed as in metrics.json."""
        return {
            **{f"test/{key}": value for key, value in self.test_scores.compute().items()},
            **{f"test/checkerboard/{key}": value for key, value in self.checkerboard.compute().items()},
            "baseline": "bicubic",
            **{f"baseline/{key}": value for key, value in self.baseline.compute().items()},
        }

    def report(self, path: Path, title: str) -> None:
        """Draw the most telling test image, as a PNG at `path`."""
        assert self.example is not None
        super_resolution_report(path, title, self.example, self.scale)

    def configure_optimizers(self) -> Any:
        optimiser = torch.optim.Adam(self.parameters(), lr=self.lr, fused=True)
        return scheduled(self.trainer, optimiser, "one_cycle", self.warmup)
