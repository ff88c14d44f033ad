"""How a segmentation network learns and is scored."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from data.loading.datamodule import DataModule
from data.loading.loaded import LabelledImages
from models.networks.interfaces import Network
from models.networks.normalise import Normalise
from models.tasks import task
from models.tasks.common_size import first_of, middle
from models.tasks.drawing import line_spectrum
from models.tasks.input_gradient import input_gradient
from models.tasks.segmentation.auxiliary_head import AuxiliaryHead
from models.tasks.segmentation.baseline import colour_counts, lookup_miou
from models.tasks.segmentation.confusion_picture import confusion_picture
from models.tasks.segmentation.inference import Inference
from models.tasks.segmentation.losses import LOSSES, dice_loss
from models.tasks.segmentation.report import mixed_window, segmentation_report
from models.tasks.segmentation.scores import Confusion, SegmentationScores, iou
from models.training.parameter_groups import parameter_groups
from models.training.schedule import Schedule, scheduled
from models.training.task import Task
from plumbing.options import Count, Range, check_options
from upsample.instrument.checkerboard import Checkerboard

SHOWN = 128  # pixels a side of what a comparison shows of one test image


@task("segmentation")
class Segmentation(Task):
    """A pixel loss plus Dice, AdamW with a schedule of the learning rate; scores over whole data sets.

    network   maps (N, 3, H, W) normalised images to (N, K, H, W) logits
    The options are documented in conf/task/segmentation.yaml. A batch is {"image": (N, 3, H, W) uint8,
    "mask": (N, H, W) uint8} with labels below K or `info.ignore_index`; validation, test and prediction take batches
    of any size, and go through `inference`.
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
    ) -> None:
        super().__init__()
        self.network = network.to(memory_format=torch.channels_last)
        self.normalise = Normalise(*(network.normalisation or (info.mean, info.std)))
        self.classes, self.palette, self.ignore_index = info.classes, info.palette, info.ignore_index
        self.class_weights: Tensor
        self.register_buffer("class_weights", torch.tensor(info.class_weights, dtype=torch.float32), persistent=False)
        self.pixel_loss, self.dice = LOSSES[loss], dice
        self.auxiliary, self.auxiliary_head = (
            auxiliary,
            AuxiliaryHead(network, len(info.classes)) if auxiliary else None,
        )
        self.lr, self.schedule, self.warmup = lr, schedule, warmup
        self.weight_decay, self.layer_decay = weight_decay, layer_decay
        check_options("task.inference", Inference, inference, given=("period",))
        self.inference = Inference(network.period, **inference)
        self.val_confusion = Confusion(len(info.classes), info.ignore_index)
        self.test_scores = SegmentationScores(info.classes, info.ignore_index)
        self.checkerboard = Checkerboard(network.period, checkerboard_images)
        self.gradient_checkerboard = (
            Checkerboard(network.period, checkerboard_images) if gradient_checkerboard else None
        )
        self.measured_images, self.measured_size = 0, (0, 0)
        self.example: dict[str, Tensor] | None = None
        self.confusion: Tensor  # of the last test, of all processes

    def forward(self, image: Tensor) -> Tensor:
        """(N, 3, H, W) uint8, or floating in [0, 1], to float32 logits (N, K, H, W), in one pass of the network."""
        x = self.normalise(image).contiguous(memory_format=torch.channels_last)
        return self.network(x).float()

    def loss(self, logits: Tensor, mask: Tensor) -> Tensor:
        """The chosen pixel loss plus `dice` times the Dice loss, a scalar."""
        loss = self.pixel_loss(logits, mask, self.class_weights, self.ignore_index)
        return loss + self.dice * dice_loss(logits, mask, self.ignore_index) if self.dice else loss

    def training_step(self, batch: dict[str, Any], index: int) -> Tensor:
        mask = batch["mask"].long()
        loss = self.loss(self(batch["image"]), mask)
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

    def test_step(self, batch: dict[str, Any], index: int) -> None:
        image, mask = batch["image"], batch["mask"].long()
        logits = self(image) if self.inference.one_pass(image.shape[-2:]) else None
        prediction = self.inference.classes(self, image) if logits is None else logits.argmax(1)
        self.test_scores.update(prediction, mask)
        if self.example is None:
            self.example = self.most_varied(image, mask, prediction)
        measured = batch["index"] < self.measured_images
        if measured.any():
            seen = logits[measured] if logits is not None and image.shape[-2:] == self.measured_size else None
            image, mask = (middle(each[measured], self.measured_size) for each in (image, mask))
            self.measure(image, mask, seen)

    def on_test_epoch_end(self) -> None:
        confusion = self.trainer.strategy.reduce(self.test_scores.confusion.clone(), reduce_op="sum")
        assert isinstance(confusion, Tensor)
        self.confusion = confusion

    def measure(self, image: Tensor, mask: Tensor, logits: Tensor | None) -> None:
        """Measure checkerboards on what one pass makes of images of one size: the logits, where they are at hand.

        Not on what `inference` makes of them: blended windows, scales and flips average a pattern away that the
        network still prints.
        """
        self.checkerboard.update(self(image) if logits is None else logits)
        if self.gradient_checkerboard is not None:
            # The clone, made where gradients are on, can take part in them; what Lightning's test makes cannot.
            gradient = input_gradient(lambda x: self.loss(self(x), mask.clone()), image.float() / 255)
            self.gradient_checkerboard.update(gradient)

    def most_varied(self, image: Tensor, mask: Tensor, prediction: Tensor) -> dict[str, Tensor]:
        """Of a batch, the image whose classes are most evenly mixed: it shows most. At most one window of it."""
        shares = torch.stack([(mask == k).float().mean((1, 2)) for k in range(len(self.classes))], 1)
        best = torch.special.entr(shares).sum(1).argmax()
        seen = {"image": image[best], "mask": mask[best], "prediction": prediction[best]}
        seen = {name: middle(x, self.seen_at_once(x.shape[-2:])) for name, x in seen.items()}
        seen["logits"] = self(seen["image"][None])[0]
        return {name: x.cpu() for name, x in seen.items()}

    def seen_at_once(self, size: Sequence[int]) -> tuple[int, int]:
        """How much of an image of (height, width) one pass of the network sees."""
        height, width = (min(length, self.inference.window or length) for length in size)
        return height, width

    def example_arrays(self) -> dict[str, NDArray[np.generic]]:
        """Image, truth and output, painted, where the report's image is most mixed; the spectrum of its logits."""
        assert self.example is not None
        image, mask, prediction, logits = (self.example[key] for key in ("image", "mask", "prediction", "logits"))
        rows, columns = mixed_window(mask, len(self.classes), SHOWN)
        paint = torch.zeros(256, 3, dtype=torch.uint8)  # labels of no class stay black
        paint[: len(self.palette)] = torch.tensor(self.palette, dtype=torch.uint8)
        pictures = {"image": image.permute(1, 2, 0), "truth": paint[mask.long()], "output": paint[prediction]}
        return {key: each[rows, columns].numpy() for key, each in pictures.items()} | {
            "spectrum": line_spectrum(logits)
        }

    def example_input(self) -> Tensor:
        """One test image, or a window of it, (1, 3, H, W) uint8."""
        assert self.example is not None
        return self.example["image"][None]

    def results(self, data: DataModule) -> dict[str, Any]:
        """All scores of the test just run, and the baseline's on the same data, keyed as in metrics.json."""
        measures = {"": self.test_scores, "checkerboard/": self.checkerboard}
        if self.gradient_checkerboard is not None:
            measures["gradient_checkerboard/"] = self.gradient_checkerboard
        scores = {
            f"test/{at}{key}": value for at, metric in measures.items() for key, value in metric.compute().items()
        }
        return scores | self.baseline(data)

    def baseline(self, data: DataModule) -> dict[str, Any]:
        """What a table from colour to class scores, fitted on training images; nothing where there are none."""
        if not len(data.train):
            return {}
        loaders = (data.train_dataloader(), data.test_dataloader())
        counts = torch.stack([colour_counts(batches, len(self.classes)) for batches in loaders])
        # Each process has counted its share.
        fitted, scored = self.trainer.strategy.reduce(counts.to(self.device), reduce_op="sum").cpu()
        return {"baseline": "colour table", "baseline/miou": lookup_miou(fitted, scored)}

    def notes(self) -> list[str]:
        """The network's notes, and what was rounded for its windows."""
        return [*self.network.notes(), *self.inference.notes()]

    def report(self, path: Path, title: str) -> None:
        """Draw the most telling test image, as a PNG at `path`; beside it, in confusion.png, the confusion matrix."""
        assert self.example is not None
        segmentation_report(
            path, title, self.example, self.classes, self.palette, self.ignore_index, self.network.period
        )
        confusion_picture(path.with_name("confusion.png"), title, self.confusion, self.classes)

    def on_test_start(self) -> None:
        self.test_scores.reset()
        self.checkerboard.reset()
        if self.gradient_checkerboard is not None:
            self.gradient_checkerboard.reset()
        self.example = None
        data: DataModule = self.trainer.datamodule  # type: ignore[attr-defined]  # Lightning declares none
        self.measured_images, size = first_of(data.test, self.checkerboard.max_images)
        self.measured_size = self.seen_at_once(size)

    def configure_optimizers(self) -> Any:
        optimiser = torch.optim.AdamW(
            parameter_groups(self, self.lr, self.weight_decay, self.layer_decay), lr=self.lr, fused=True
        )
        return scheduled(self.trainer, optimiser, self.schedule, self.warmup)
