"""How a segmentation network learns and is scored."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from data.loading.datamodule import DataModule
from data.loading.loaded import Images, LabelledImages, Samples
from models.networks.interfaces import Network
from models.networks.normalise import Normalise
from models.tasks import task
from models.tasks.common_size import middle, spread
from models.tasks.pattern_picture import Patch, channel_of, room, with_repaired
from models.tasks.segmentation.auxiliary_head import AuxiliaryHead
from models.tasks.segmentation.baseline import table_name
from models.tasks.segmentation.confusion_picture import confusion_picture
from models.tasks.segmentation.examination import Examination
from models.tasks.segmentation.inference import Inference
from models.tasks.segmentation.labels import Wish, chosen
from models.tasks.segmentation.labels.exclusive import Exclusive
from models.tasks.segmentation.labels.overlapping import Overlapping
from models.tasks.segmentation.report import mixed_window, segmentation_report
from models.tasks.segmentation.scores import Confusion
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
    classes, palette  of the logits: all of the data's or, of binary labels, the foreground's
    The options are documented in conf/task/segmentation.yaml. A batch is {"image": (N, C, H, W) uint8, or float32 of
    bands as they are stored, "mask": (N, H, W) uint8} with labels below K or `info.ignore_index`; validation, test and
    prediction take batches of any size, and go through `inference`. Where masks overlap, "mask" is (N, K, H, W).
    """

    kind = "labelled_images"
    monitor = "val/miou"
    encodes = True

    def __init__(
        self,
        network: Network,
        info: LabelledImages,
        *,
        loss: Literal["cross_entropy", "ohem", "focal", "lovasz", "tversky"],
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
        labels: Wish = "auto",
    ) -> None:
        super().__init__()
        self.network = network.to(memory_format=torch.channels_last)
        self.keep_average(ema)
        self.normalise = Normalise(*(network.normalisation or (info.mean, info.std)))
        self.info = info
        self.labels = chosen(labels, info, loss, dice)
        self.monitor = f"val/{self.labels.score}"
        self.classes, self.palette = self.labels.names, self.labels.palette
        self.class_weights: Tensor
        self.register_buffer("class_weights", torch.tensor(info.class_weights, dtype=torch.float32), persistent=False)
        self.auxiliary, self.auxiliary_head = (
            auxiliary,
            AuxiliaryHead(self.learning, len(self.classes)) if auxiliary else None,
        )
        self.lr, self.schedule, self.warmup = lr, schedule, warmup
        self.weight_decay, self.layer_decay = weight_decay, layer_decay
        check_options("task.inference", Inference, inference, given=("period", "margin"))
        self.inference = Inference(network.period, **inference)
        self.examination = Examination(
            network.period,
            info,
            self.labels,
            self.inference,
            grid_images=grid_images,
            checkerboard_images=checkerboard_images,
            gradient_checkerboard=gradient_checkerboard,
        )

    @classmethod
    def outputs(cls, info: Images, options: Mapping[str, Any]) -> int:
        """A logit for each class, or of binary labels one."""
        assert isinstance(info, LabelledImages)
        return 1 if options.get("labels") == "binary" else len(info.classes)

    def forward(self, image: Tensor) -> Tensor:
        """Images (N, C, H, W), uint8, or floating in [0, 1], or bands as stored, to float32 logits (N, K, H, W), in one
        pass of the network."""
        return self.logits(self.network, image)

    def logits(self, network: nn.Module, image: Tensor) -> Tensor:
        """What a network in the place of `network` makes of images: see `forward`."""
        x = self.normalise(image).contiguous(memory_format=torch.channels_last)
        logits: Tensor = network(x)
        return logits.float()

    def loss(self, logits: Tensor, truth: Tensor) -> Tensor:
        """The chosen pixel loss plus `dice` times the Dice loss, a scalar."""
        return self.labels.loss(logits, truth, self.class_weights)

    def training_step(self, batch: dict[str, Any], index: int) -> Tensor:
        truth = self.labels.truth(batch["mask"])
        loss = self.loss(self.logits(self.learning, batch["image"]), truth)
        self.log("train/loss", loss, prog_bar=True)
        if self.auxiliary_head is not None:
            loss = loss + self.auxiliary * self.loss(self.auxiliary_head(truth.shape[-2:]), truth)
        return loss

    def validation_step(self, batch: dict[str, Any], index: int) -> None:
        self.labels.validate(self.inference.strips(self, batch["image"]), self.labels.truth(batch["mask"]))

    def on_validation_epoch_end(self) -> None:
        self.log(self.monitor, self.labels.validated(), prog_bar=True, sync_dist=True)

    def predict_step(self, batch: dict[str, Any], index: int) -> Tensor:
        """The likeliest class of each pixel, (N, H, W) int64, or where each is, (N, K, H, W) uint8."""
        return self.inference.classes(self, batch["image"], self.labels.decide)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """As of any task; of classes that may overlap with their thresholds."""
        super().on_save_checkpoint(checkpoint)
        if self.config is not None and isinstance(self.labels, Overlapping):
            own = {
                "thresholds": self.labels.thresholds.tolist(),
                "task": self.config["task"] | {"labels": self.labels.name},
            }
            checkpoint["config"] = self.config | own

    def baseline(self, data: DataModule) -> dict[str, Any]:
        """What a table from colour to class scores, fitted on training images; nothing where there are none."""
        if not len(data.train):  # a folder that is scored whole has nothing to fit a table to
            return {}
        loaders, bands = (data.train_dataloader(), data.test_dataloader()), self.info.channels
        counts = torch.stack([self.labels.counts(batches, self.info.levels, bands) for batches in loaders])
        # Each process has counted its share.
        fitted, scored = self.trainer.strategy.reduce(counts.to(self.device), reduce_op="sum").cpu()
        score = self.labels.table_score(fitted, scored)
        return {"baseline": table_name(bands), f"baseline/{self.labels.score}": score}

    def on_test_start(self) -> None:
        data: DataModule = self.trainer.datamodule  # type: ignore[attr-defined]  # Lightning declares none
        self.examination.begin(data.test)

    def test_step(self, batch: dict[str, Any], index: int) -> None:
        self.examination(batch, self, self.loss)

    def on_test_epoch_end(self) -> None:
        if isinstance(self.examination.scores, Confusion):
            counts = self.examination.scores.confusion.clone()
            self.examination.confusion = self.trainer.strategy.reduce(counts, reduce_op="sum")

    def example_arrays(self) -> dict[str, NDArray[np.generic]]:
        """Image, truth and output, painted, where the report's image is most mixed; the spectrum of its logits."""
        return self.examination.example_arrays()

    def example_input(self) -> Tensor:
        """One test image, or a window of it, (1, C, H, W)."""
        assert self.examination.example is not None
        return self.examination.example["image"][None]

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

            def margins(x: Tensor) -> Tensor:
                return self.labels.margins(self.logits(network, x))

            for i in range(min(count, len(samples))):
                for part in self.examination.parts(samples[i]["image"][None].to(self.device), grid):
                    grid.update(margins, part)
            return grid.result()

        return measure

    def report(self, path: Path, title: str) -> None:
        """Draw the most telling test image, as a PNG at `path`; beside it, in confusion.png, the confusion matrix of
        exclusive classes."""
        seen = self.examination
        assert seen.example is not None
        pattern = seen.pattern.pattern if seen.pattern is not None else None
        largest = int(self.labels.members(seen.example["prediction"]).sum((1, 2))[: len(self.classes)].argmax())
        channel = channel_of(seen.pattern, otherwise=largest)
        patches = self.patches(seen.example, channel)
        example = seen.example | {"image": self.info.picture(seen.example["image"])}
        segmentation_report(path, title, example, self.labels, patches, pattern, channel)
        if isinstance(self.labels, Exclusive):
            confusion_picture(path.with_name("confusion.png"), title, seen.confusion, self.classes)

    def patches(self, example: dict[str, Tensor], channel: int) -> list[Patch]:
        """Where the example's classes are most mixed, magnified: of the network and of what it is once repaired, where
        there is something to repair. Nothing where there is no grid, or the image has no room."""
        side = room(self.network.period)
        if self.network.period < 2 or min(example["image"].shape[-2:]) < side:
            return []
        rows, columns = mixed_window(self.labels.members(example["mask"]), side)
        image = example["image"][:, rows, columns].to(self.device)
        with evaluating(self):
            return with_repaired(self.network, self.logits, image, self.network.period, channel)

    def notes(self) -> list[str]:
        """The network's notes, and what was rounded for its windows."""
        return [*self.network.notes(), *self.inference.notes()]

    def configure_optimizers(self) -> Any:
        optimiser = torch.optim.AdamW(
            parameter_groups(self, self.lr, self.weight_decay, self.layer_decay), lr=self.lr, fused=True
        )
        return scheduled(self.trainer, optimiser, self.schedule, self.warmup)
