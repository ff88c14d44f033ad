"""How a network that makes a number of each pixel learns and is scored."""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from data.loading.datamodule import DataModule
from data.loading.loaded import Images, Samples, ValuedImages
from models.networks.interfaces import Network
from models.networks.normalise import Normalise
from models.tasks import task
from models.tasks.common_size import middle, spread
from models.tasks.pattern_picture import Patch, room, with_repaired
from models.tasks.regression.baseline import sums_by_code, table_scores
from models.tasks.regression.examination import Examination
from models.tasks.regression.losses import LOSSES
from models.tasks.regression.report import pairs_picture, regression_report
from models.tasks.regression.scores import ValueScores
from models.tasks.segmentation.baseline import table_name
from models.tasks.segmentation.inference import Inference
from models.training.parameter_groups import parameter_groups
from models.training.schedule import Schedule, scheduled
from models.training.task import Task
from plumbing.options import Count, Range, check_options
from upsample.instrument.shifts import ShiftResult
from upsample.models.evaluating import evaluating

SEEN = 128  # pixels a side of what a network that is repaired is fitted on


@task("regression")
class Regression(Task):
    """Huber, L1 or L2 loss on standardised values, AdamW with a schedule of the learning rate; scores over data sets.

    network   maps (N, C, H, W) normalised images to (N, 1, H, W): values less `info.values.mean`, over `.std`
    The options are documented in conf/task/regression.yaml. A batch is {"image": (N, C, H, W) uint8, or float32 of
    bands as they are stored, "target": (N, H, W) float32 in the data's units}, NaN where there is no value; validation,
    test and prediction take batches of any size, and go through `inference`.
    """

    kind = "images_with_values"
    monitor = "val/rmse"
    mode = "min"
    encodes = True

    def __init__(
        self,
        network: Network,
        info: ValuedImages,
        *,
        loss: Literal["huber", "l1", "l2"],
        lr: Annotated[float, Range(0, open="low")],
        schedule: Schedule,
        warmup: Annotated[float, Range(0, 1)],
        weight_decay: Annotated[float, Range(0)],
        layer_decay: Annotated[float, Range(0, 1, open="low")],
        ema: Annotated[float, Range(0, 1, open="high")],
        grid_images: Annotated[int, Range(0)],
        checkerboard_images: Count | None,
        inference: dict[str, Any],
    ) -> None:
        super().__init__()
        self.network = network.to(memory_format=torch.channels_last)
        self.keep_average(ema)
        self.normalise = Normalise(*(network.normalisation or (info.mean, info.std)))
        self.info, self.values = info, info.values
        self.pixel_loss = LOSSES[loss]
        self.lr, self.schedule, self.warmup = lr, schedule, warmup
        self.weight_decay, self.layer_decay = weight_decay, layer_decay
        check_options("task.inference", Inference, inference, given=("period",))
        self.inference = Inference(network.period, **inference)
        self.val_scores = ValueScores()
        self.examination = Examination(
            network.period, info, self.inference, grid_images=grid_images, checkerboard_images=checkerboard_images
        )

    @classmethod
    def outputs(cls, info: Images, options: Mapping[str, Any]) -> int:
        """One number a pixel."""
        return 1

    def forward(self, image: Tensor) -> Tensor:
        """Images (N, C, H, W), uint8, or floating in [0, 1], or bands as stored, to float32 values (N, 1, H, W) in the
        data's units, in one pass of the network."""
        return self.valued(self.network, image)

    def exact(self, image: Tensor) -> Tensor:
        """`forward` in float32, whatever the training computes in: bfloat16 holds 8 bits, and rounds to fractions of a
        percent."""
        with torch.autocast(image.device.type, enabled=False):
            return self(image)

    def valued(self, network: nn.Module, image: Tensor) -> Tensor:
        """What a network in the place of `network` makes of images: see `forward`."""
        return self.in_units(network(self.normalise(image).contiguous(memory_format=torch.channels_last)))

    def in_units(self, output: Tensor) -> Tensor:
        """What a network answers, in the data's units."""
        return output.float() * self.values.std + self.values.mean

    def training_step(self, batch: dict[str, Any], index: int) -> Tensor:
        x = self.normalise(batch["image"]).contiguous(memory_format=torch.channels_last)
        truth = (batch["target"] - self.values.mean) / self.values.std
        loss = self.pixel_loss(self.learning(x).float()[:, 0], truth)
        self.log("train/loss", loss, prog_bar=True)
        return loss

    def validation_step(self, batch: dict[str, Any], index: int) -> None:
        self.val_scores.update(self.inference.whole(self.exact, batch["image"])[:, 0], batch["target"])

    def on_validation_epoch_end(self) -> None:
        self.log(self.monitor, self.val_scores.compute()["rmse"], prog_bar=True, sync_dist=True)
        self.val_scores.reset()

    def predict_step(self, batch: dict[str, Any], index: int) -> Tensor:
        """The value of each pixel, (N, H, W) float32."""
        return self.inference.whole(self.exact, batch["image"])[:, 0]

    def on_test_start(self) -> None:
        data: DataModule = self.trainer.datamodule  # type: ignore[attr-defined]  # Lightning declares none
        self.examination.begin(data.test)

    def test_step(self, batch: dict[str, Any], index: int) -> None:
        self.examination(batch, self.exact)

    def on_test_epoch_end(self) -> None:
        counts = self.examination.pairs.counts.clone()
        self.examination.counts = self.trainer.strategy.reduce(counts, reduce_op="sum")

    def example_arrays(self) -> dict[str, NDArray[np.generic]]:
        """Image, truth and output, painted, where the truth varies most; the spectrum of the output."""
        return self.examination.example_arrays()

    def example_input(self) -> Tensor:
        """One test image, or a window of it, (1, C, H, W)."""
        assert self.examination.example is not None
        return self.examination.example["image"][None]

    def tested(self) -> dict[str, Any]:
        """The scores of the test just run, and the unit that they are in."""
        return self.examination.results() | {"unit": self.values.unit}

    def baseline(self, data: DataModule) -> dict[str, Any]:
        """What a table from colour to mean value scores, fitted on training images; nothing where there are none."""
        if not len(data.train):  # a folder that is scored whole has nothing to fit a table to
            return {}
        bands = self.info.channels
        sums = sums_by_code(data.train_dataloader(), self.info.levels, bands)
        sums = self.trainer.strategy.reduce(sums.to(self.device), reduce_op="sum").cpu()  # each process has its share
        scores = table_scores(sums, data.test_dataloader(), self.info.levels).to(self.device)
        return {"baseline": table_name(bands)} | {f"baseline/{key}": x for key, x in scores.compute().items()}

    def inputs(self, samples: Samples, count: int) -> list[Tensor]:
        """The middle SEEN pixels a side of `count` images, normalised, one by one: they may differ in size."""
        images = (samples[i]["image"] for i in spread(len(samples), count))
        crops = (middle(x, (min(x.shape[-2], SEEN), min(x.shape[-1], SEEN))) for x in images)
        return [self.normalise(x[None].to(self.device)) for x in crops]

    def grid_measure(self, samples: Samples, count: int) -> Callable[[nn.Module], ShiftResult]:
        """By shifting the first `count` images, as the test does it, in half as many places of the grid."""

        def measure(network: nn.Module) -> ShiftResult:
            grid = self.examination.new_grid(shifts=4)
            for i in range(min(count, len(samples))):
                grid.update(partial(self.valued, network), samples[i]["image"][None].to(self.device))
            return grid.result()

        return measure

    def report(self, path: Path, title: str) -> None:
        """Draw the most telling test image, as a PNG at `path`; beside it, in pairs.png, truth by output."""
        seen = self.examination
        assert seen.example is not None
        pattern = seen.pattern.pattern if seen.pattern is not None else None
        example = seen.example | {"image": self.info.picture(seen.example["image"])}
        regression_report(path, title, example, self.values, self.patches(seen.example), pattern)
        pairs_picture(path.with_name("pairs.png"), title, seen.counts, self.values)

    def patches(self, example: dict[str, Tensor]) -> list[Patch]:
        """The middle of the example, magnified: of the network and of what it is once repaired, where there is
        something to repair. Nothing where there is no grid, or the image has no room."""
        side = room(self.network.period)
        if self.network.period < 2 or min(example["image"].shape[-2:]) < side:
            return []
        image = middle(example["image"], (side, side)).to(self.device)
        with evaluating(self):
            return with_repaired(self.network, self.valued, image, self.network.period, 0)

    def notes(self) -> list[str]:
        """The network's notes, and what was rounded for its windows."""
        return [*self.network.notes(), *self.inference.notes()]

    def configure_optimizers(self) -> Any:
        groups = parameter_groups(self, self.lr, self.weight_decay, self.layer_decay)
        return scheduled(self.trainer, torch.optim.AdamW(groups, lr=self.lr, fused=True), self.schedule, self.warmup)
