"""How a segmentation network learns and is scored."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from data import DataModule, LabelledImages
from models.interfaces import Network
from models.preprocess import Normalise
from models.tasks.auxiliary import AuxiliaryHead
from models.tasks.baseline import colour_counts, lookup_miou
from models.tasks.losses import LOSSES, dice_loss
from models.tasks.parameters import parameter_groups
from models.tasks.report import line_spectrum, mixed_window, segmentation_report
from models.tasks.scores import SegmentationScores
from models.tasks.task import Task
from upsample.checkerboard import Checkerboard

SHOWN = 128  # pixels a side of what a comparison shows of one test image


class Segmentation(Task):
    """A pixel loss plus Dice, AdamW with one cycle of learning rate; scores over whole data sets.

    network   maps (N, 3, H, W) normalised images to (N, K, H, W) logits
    The options are documented in conf/task/segmentation.yaml. A batch is {"image": (N, 3, H, W) uint8,
    "mask": (N, H, W) uint8} with labels below K or `info.ignore_index`.
    """

    kind = "labelled_images"
    monitor = "val/miou"

    def __init__(
        self,
        network: Network,
        info: LabelledImages,
        *,
        loss: str,
        dice: float,
        auxiliary: float,
        lr: float,
        schedule: str,
        warmup: float,
        weight_decay: float,
        layer_decay: float,
        checkerboard_images: int | None,
        gradient_checkerboard: bool,
    ) -> None:
        super().__init__()
        if loss not in LOSSES:
            raise ValueError(f"task.loss is '{loss}', which does not exist; choose from {', '.join(LOSSES)}")
        if schedule not in ("one_cycle", "poly"):
            raise ValueError(f"task.schedule is '{schedule}', which does not exist; choose from one_cycle, poly")
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
        self.val_scores = SegmentationScores(info.classes, info.ignore_index)
        self.test_scores = SegmentationScores(info.classes, info.ignore_index)
        self.checkerboard = Checkerboard(network.period, checkerboard_images)
        self.gradient_checkerboard = (
            Checkerboard(network.period, checkerboard_images) if gradient_checkerboard else None
        )
        self.example: dict[str, Tensor] | None = None

    def forward(self, image: Tensor) -> Tensor:
        """(N, 3, H, W) uint8, or floating in [0, 1], to float32 logits (N, K, H, W)."""
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
        self.val_scores.update(self(batch["image"]).argmax(1), batch["mask"].long())

    def on_validation_epoch_end(self) -> None:
        self.log("val/miou", self.val_scores.compute()["miou"], prog_bar=True)
        self.val_scores.reset()

    def test_step(self, batch: dict[str, Any], index: int) -> None:
        logits, mask = self(batch["image"]), batch["mask"].long()
        self.test_scores.update(logits.argmax(1), mask)
        self.checkerboard.update(logits)
        if self.gradient_checkerboard is not None:
            self.gradient_checkerboard.update(self.input_gradient(batch["image"], mask))
        if self.example is None:
            self.example = self.most_varied(batch["image"], mask, logits)

    def input_gradient(self, image: Tensor, mask: Tensor) -> Tensor:
        """The loss's gradient with respect to the image, (N, 3, H, W): strided convolutions print into it."""
        with torch.inference_mode(False), torch.enable_grad():
            x = (image.float() / 255).requires_grad_()
            return torch.autograd.grad(self.loss(self(x), mask.clone()), x)[0]

    def most_varied(self, image: Tensor, mask: Tensor, logits: Tensor) -> dict[str, Tensor]:
        """Of a batch, the image whose classes are most evenly mixed: it shows most."""
        shares = torch.stack([(mask == k).float().mean((1, 2)) for k in range(len(self.classes))], 1)
        best = torch.special.entr(shares).sum(1).argmax()
        return {"image": image[best].cpu(), "mask": mask[best].cpu(), "logits": logits[best].cpu()}

    def example_arrays(self) -> dict[str, NDArray[np.generic]]:
        """Image, truth and output, painted, where the report's image is most mixed; the spectrum of its logits."""
        assert self.example is not None
        image, mask, logits = (self.example[key] for key in ("image", "mask", "logits"))
        rows, columns = mixed_window(mask, len(self.classes), SHOWN)
        paint = torch.zeros(256, 3, dtype=torch.uint8)  # labels of no class stay black
        paint[: len(self.palette)] = torch.tensor(self.palette, dtype=torch.uint8)
        pictures = {"image": image.permute(1, 2, 0), "truth": paint[mask.long()], "output": paint[logits.argmax(0)]}
        return {key: each[rows, columns].numpy() for key, each in pictures.items()} | {
            "spectrum": line_spectrum(logits)
        }

    def example_input(self) -> Tensor:
        """One test image, (1, 3, H, W) uint8."""
        assert self.example is not None
        return self.example["image"][None]

    def results(self, data: DataModule) -> dict[str, Any]:
        """All scores of the test just run, and the baseline's on the same data, keyed as in metrics.json."""
        fitted, scored = (
            colour_counts(batches, len(self.classes)) for batches in (data.train_dataloader(), data.test_dataloader())
        )
        measures = {"": self.test_scores, "checkerboard/": self.checkerboard}
        if self.gradient_checkerboard is not None:
            measures["gradient_checkerboard/"] = self.gradient_checkerboard
        return {
            **{f"test/{at}{key}": value for at, metric in measures.items() for key, value in metric.compute().items()},
            "baseline": "colour table",
            "baseline/miou": lookup_miou(fitted, scored),
        }

    def report(self, path: Path, title: str) -> None:
        """Draw the most telling test image, as a PNG at `path`."""
        assert self.example is not None
        segmentation_report(
            path, title, self.example, self.classes, self.palette, self.ignore_index, self.network.period
        )

    def on_test_start(self) -> None:
        self.test_scores.reset()
        self.checkerboard.reset()
        if self.gradient_checkerboard is not None:
            self.gradient_checkerboard.reset()
        self.example = None

    def configure_optimizers(self) -> Any:
        total = int(self.trainer.estimated_stepping_batches)
        optimiser = torch.optim.AdamW(
            parameter_groups(self, self.lr, self.weight_decay, self.layer_decay), lr=self.lr, fused=True
        )
        rates = [group["lr"] for group in optimiser.param_groups]
        schedule: torch.optim.lr_scheduler.LRScheduler
        if self.schedule == "poly":  # Chen et al., DeepLab (2017), section 4.1
            schedule = torch.optim.lr_scheduler.PolynomialLR(optimiser, total, power=0.9)
        else:
            schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, rates, total_steps=total, pct_start=self.warmup)
        return {"optimizer": optimiser, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}
