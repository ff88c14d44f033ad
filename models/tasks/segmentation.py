"""How a segmentation network learns and is scored."""

from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from data import DataModule, LabelledImages
from models.interfaces import Network
from models.preprocess import Normalise
from models.tasks.baseline import colour_counts, lookup_miou
from models.tasks.losses import dice_loss
from models.tasks.report import segmentation_report
from models.tasks.scores import SegmentationScores
from models.tasks.task import Task
from upsample.checkerboard import Checkerboard


class Segmentation(Task):
    """Cross-entropy plus Dice, AdamW with one cycle of learning rate; scores over whole data sets.

    network   maps (N, 3, H, W) normalised images to (N, K, H, W) logits and has `period`
    A batch is {"image": (N, 3, H, W) uint8, "mask": (N, H, W) uint8} with labels below K or `ignore_index`.
    """

    kind = "labelled_images"
    monitor = "val/miou"

    def __init__(
        self,
        network: Network,
        info: LabelledImages,
        *,
        lr: float,
        weight_decay: float,
        warmup: float,
        dice: float,
        checkerboard_images: int | None,
    ) -> None:
        super().__init__()
        self.network = network.to(memory_format=torch.channels_last)
        self.normalise = Normalise(info.mean, info.std)
        self.classes, self.palette, self.ignore_index = info.classes, info.palette, info.ignore_index
        self.class_weights: Tensor
        self.register_buffer("class_weights", torch.tensor(info.class_weights, dtype=torch.float32), persistent=False)
        self.lr, self.weight_decay, self.warmup, self.dice = lr, weight_decay, warmup, dice
        self.val_scores = SegmentationScores(info.classes, info.ignore_index)
        self.test_scores = SegmentationScores(info.classes, info.ignore_index)
        self.checkerboard = Checkerboard(network.period, checkerboard_images)
        self.example: dict[str, Tensor] | None = None

    def forward(self, image: Tensor) -> Tensor:
        """(N, 3, H, W) uint8, or floating in [0, 1], to float32 logits (N, K, H, W)."""
        x = self.normalise(image).contiguous(memory_format=torch.channels_last)
        return self.network(x).float()

    def loss(self, logits: Tensor, mask: Tensor) -> Tensor:
        """Class-weighted cross-entropy plus `dice` times the Dice loss, a scalar."""
        entropy = F.cross_entropy(logits, mask, self.class_weights, ignore_index=self.ignore_index)
        return entropy + self.dice * dice_loss(logits, mask, self.ignore_index) if self.dice else entropy

    def training_step(self, batch: dict[str, Any], index: int) -> Tensor:
        loss = self.loss(self(batch["image"]), batch["mask"].long())
        self.log("train/loss", loss, prog_bar=True)
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
        if self.example is None:
            self.example = self.most_varied(batch["image"], mask, logits)

    def most_varied(self, image: Tensor, mask: Tensor, logits: Tensor) -> dict[str, Tensor]:
        """Of a batch, the image whose classes are most evenly mixed: it shows most."""
        shares = torch.stack([(mask == k).float().mean((1, 2)) for k in range(len(self.classes))], 1)
        best = torch.special.entr(shares).sum(1).argmax()
        return {"image": image[best].cpu(), "mask": mask[best].cpu(), "logits": logits[best].cpu()}

    def example_input(self) -> Tensor:
        """One test image, (1, 3, H, W) uint8."""
        assert self.example is not None
        return self.example["image"][None]

    def results(self, data: DataModule) -> dict[str, float]:
        """All scores of the test just run, and the baseline's on the same data, keyed as in metrics.json."""
        fitted, scored = (
            colour_counts(batches, len(self.classes)) for batches in (data.train_dataloader(), data.test_dataloader())
        )
        return {
            **{f"test/{key}": value for key, value in self.test_scores.compute().items()},
            **{f"test/checkerboard/{key}": value for key, value in self.checkerboard.compute().items()},
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
        self.example = None

    def configure_optimizers(self) -> Any:
        decayed = [p for p in self.parameters() if p.ndim > 1]
        plain = [p for p in self.parameters() if p.ndim <= 1]  # norms and biases gain nothing from decay
        groups: list[dict[str, Any]] = [{"params": decayed}, {"params": plain, "weight_decay": 0.0}]
        optimiser = torch.optim.AdamW(groups, lr=self.lr, weight_decay=self.weight_decay, fused=True)
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimiser, self.lr, total_steps=int(self.trainer.estimated_stepping_batches), pct_start=self.warmup
        )
        return {"optimizer": optimiser, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}
