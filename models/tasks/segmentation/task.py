"""How a segmentation network learns and is scored."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from data.loading.datamodule import DataModule
from data.loading.loaded import LabelledImages, Samples
from models.networks.interfaces import Network
from models.networks.normalise import Normalise
from models.tasks import task
from models.tasks.common_size import middle, spread
from models.tasks.pattern_picture import Patch, channel_of, patch, repaired, room
from models.tasks.segmentation.auxiliary_head import AuxiliaryHead
from models.tasks.segmentation.baseline import code_counts, lookup_miou, table_name
from models.tasks.segmentation.confusion_picture import confusion_picture
from models.tasks.segmentation.examination import Examination
from models.tasks.segmentation.inference import Inference
from models.tasks.segmentation.losses import LOSSES, dice_loss
from models.tasks.segmentation.report import mixed_window, segmentation_report
from models.tasks.segmentation.scores import Confusion, iou
from models.training.parameter_groups import parameter_groups
from models.training.schedule import Schedule, scheduled
from models.training.task import Task
from plumbing.options import Count, Range, check_options
from upsample.instrument.shifts import ShiftResult
from upsample.models.evaluating import evaluating

SEEN = 128  # pixels a side of what a network that is repaired is fitted on


@task("segmentation")
class Segmentation(Task):
    """A pixel loss plus Dice, AdamW with a schedule of the learning rate; scores over whole data sets.

    network   maps (N, C, H, W) normalised images to (N, K, H, W) logits
    The options are documented in conf/task/segmentation.yaml. A batch is {"image": (N, C, H, W) uint8, or float32 of
    bands as they are stored, "mask": (N, H, W) uint8} with labels below K or `info.ignore_index`; validation, test and
    prediction take batches of any size, and go through `inference`.
    """

    kind = "labelled_images"
    monitor = "val/miou"

    def __init__(
        self,
        network: Network,
        info: LabelledImages,
        *,
        loss: Literal["cross_entropy", "ohem", "focal", "lovasz"],
        dice: Annotated[float, Range(0)],
        auxiliary: Annotated[float, Range(0)],
        lr: Annotated[float, Range(0, open="low")],
        schedule: Schedule,
        warmup: Annotated[float, Range(0, 1)],
        weight_decay: Annotated[float, Range(0)],
        layer_decay: Annotated[float, Range(0, 1, open="low")],
        checkerboard_images: Count | None,
        gradient_checkerboard: bool,
        inference: dict[str, Any],
        grid_images: Annotated[int, Range(0)] = 12,
        ema: Annotated[float, Range(0, 1, open="high")] = 0.0,
    ) -> None:
        super().__init__()
        self.network = network.to(memory_format=torch.channels_last)
        self.keep_average(ema)
        self.normalise = Normalise(*(network.normalisation or (info.mean, info.std)))
        self.info = info
        self.classes, self.palette, self.ignore_index = info.classes, info.palette, info.ignore_index
        self.class_weights: Tensor
        self.register_buffer("class_weights", torch.tensor(info.class_weights, dtype=torch.float32), persistent=False)
        self.pixel_loss, self.dice = LOSSES[loss], dice
        self.auxiliary, self.auxiliary_head = (
            auxiliary,
            AuxiliaryHead(self.learning, len(info.classes)) if auxiliary else None,
        )
        self.lr, self.schedule, self.warmup = lr, schedule, warmup
        self.weight_decay, self.layer_decay = weight_decay, layer_decay
        check_options("task.inference", Inference, inference, given=("period",))
        self.inference = Inference(network.period, **inference)
        self.val_confusion = Confusion(len(info.classes), info.ignore_index)
        self.examination = Examination(
            network.period,
            info,
            self.inference,
            grid_images=grid_images,
            checkerboard_images=checkerboard_images,
            gradient_checkerboard=gradient_checkerboard,
        )

    def forward(self, image: Tensor) -> Tensor:
        """Images (N, C, H, W), uint8, or floating in [0, 1], or bands as stored, to float32 logits (N, K, H, W), in one
        pass of the network."""
        return self.logits(self.network, image)

    def logits(self, network: nn.Module, image: Tensor) -> Tensor:
        """What a network in the place of `network` makes of images: see `forward`."""
        x = self.normalise(image).contiguous(memory_format=torch.channels_last)
        logits: Tensor = network(x)
        return logits.float()

    def loss(self, logits: Tensor, mask: Tensor) -> Tensor:
        """The chosen pixel loss plus `dice` times the Dice loss, a scalar."""
        loss = self.pixel_loss(logits, mask, self.class_weights, self.ignore_index)
        return loss + self.dice * dice_loss(logits, mask, self.ignore_index) if self.dice else loss

    def training_step(self, batch: dict[str, Any], index: int) -> Tensor:
        mask = batch["mask"].long()
        loss = self.loss(self.logits(self.learning, batch["image"]), mask)
        self.log("train/loss", loss, prog_bar=True)
        if self.auxiliary_head is not None:
            loss = loss + self.auxiliary * self.loss(self.auxiliary_head(mask.shape[-2:]), mask)
        return loss

    def validation_step(self, batch: dict[str, Any], index: int) -> None:
        self.val_confusion.update(self.inference.classes(self, batch["image"]), batch["mask"].long())

    def on_validation_epoch_end(self) -> None:
        self.log("val/miou", iou(self.val_confusion.compute()).nanmean(), prog_bar=True, sync_dist=True)
        self.val_confusion.reset()

    def predict_step(self, batch: dict[str, Any], index: int) -> Tensor:
        """The likeliest class of each pixel, (N, H, W) int64."""
        return self.inference.classes(self, batch["image"])

    def baseline(self, data: DataModule) -> dict[str, Any]:
        """What a table from colour to class scores, fitted on training images; nothing where there are none."""
        if not len(data.train):  # a folder that is scored whole has nothing to fit a table to
            return {}
        loaders, bands = (data.train_dataloader(), data.test_dataloader()), self.info.channels
        counts = torch.stack([code_counts(batches, len(self.classes), self.info.levels, bands) for batches in loaders])
        # Each process has counted its share.
        fitted, scored = self.trainer.strategy.reduce(counts.to(self.device), reduce_op="sum").cpu()
        return {"baseline": table_name(bands), "baseline/miou": lookup_miou(fitted, scored)}

    def on_test_start(self) -> None:
        data: DataModule = self.trainer.datamodule  # type: ignore[attr-defined]  # Lightning declares none
        self.examination.begin(data.test)

    def test_step(self, batch: dict[str, Any], index: int) -> None:
        self.examination(batch, self, self.loss)

    def on_test_epoch_end(self) -> None:
        counts = self.examination.scores.confusion.clone()
        self.examination.confusion = self.trainer.strategy.reduce(counts, reduce_op="sum")

    def example_arrays(self) -> dict[str, NDArray[np.generic]]:
        """Image, truth and output, painted, where the report's image is most mixed; the spectrum of its logits."""
        return self.examination.example_arrays()

    def example_input(self) -> Tensor:
        """One test image, or a window of it, (1, C, H, W)."""
        assert self.examination.example is not None
        return self.examination.example["image"][None]

    def results(self, data: DataModule) -> dict[str, Any]:
        """All scores of the test just run, and the baseline's on the same data, keyed as in metrics.json."""
        return self.tested() | self.baseline(data)

    def tested(self) -> dict[str, Any]:
        """The scores of the test just run."""
        return self.examination.results()

    def inputs(self, samples: Samples, count: int) -> list[Tensor]:
        """The middle SEEN pixels a side of `count` images, normalised, one by one: they may differ in size."""
        images = (samples[i]["image"] for i in spread(len(samples), count))
        crops = (middle(x, (min(x.shape[-2], SEEN), min(x.shape[-1], SEEN))) for x in images)
        return [self.normalise(x[None]).to(self.device) for x in crops]

    def grid_measure(self, samples: Samples, count: int) -> Callable[[nn.Module], ShiftResult]:
        """By shifting the first `count` images, as the test does it, in half as many places of the grid."""

        def measure(network: nn.Module) -> ShiftResult:
            grid = self.examination.new_grid(shifts=4)

            def logits(x: Tensor) -> Tensor:
                return network(self.normalise(x).contiguous(memory_format=torch.channels_last))

            for i in range(min(count, len(samples))):
                for part in self.examination.parts(samples[i]["image"][None].to(self.device), grid):
                    grid.update(logits, part)
            return grid.result()

        return measure

    def report(self, path: Path, title: str) -> None:
        """Draw the most telling test image, as a PNG at `path`; beside it, in confusion.png, the confusion matrix."""
        seen = self.examination
        assert seen.example is not None
        pattern = seen.pattern.pattern if seen.pattern is not None else None
        largest = int(torch.bincount(seen.example["prediction"].flatten(), minlength=len(self.classes)).argmax())
        channel = channel_of(seen.pattern, otherwise=largest)
        patches = self.patches(seen.example, channel)
        told = (self.classes, self.palette, self.ignore_index)
        example = seen.example | {"image": self.info.picture(seen.example["image"])}
        segmentation_report(path, title, example, *told, patches, pattern, channel)
        confusion_picture(path.with_name("confusion.png"), title, seen.confusion, self.classes)

    def patches(self, example: dict[str, Tensor], channel: int) -> list[Patch]:
        """Where the example's classes are most mixed, magnified: of the network and of what it is once repaired, where
        there is something to repair. Nothing where there is no grid, or the image has no room."""
        side = room(self.network.period)
        if self.network.period < 2 or min(example["image"].shape[-2:]) < side:
            return []
        rows, columns = mixed_window(example["mask"], len(self.classes), side)
        image = example["image"][:, rows, columns].to(self.device)
        with evaluating(self):
            networks = {"the output": self.network, "repaired": repaired(self.network)}
            return [
                patch(title, partial(self.logits, network), image, self.network.period, channel)
                for title, network in networks.items()
                if network is not None
            ]

    def notes(self) -> list[str]:
        """The network's notes, and what was rounded for its windows."""
        return [*self.network.notes(), *self.inference.notes()]

    def configure_optimizers(self) -> Any:
        optimiser = torch.optim.AdamW(
            parameter_groups(self, self.lr, self.weight_decay, self.layer_decay), lr=self.lr, fused=True
        )
        return scheduled(self.trainer, optimiser, self.schedule, self.warmup)
