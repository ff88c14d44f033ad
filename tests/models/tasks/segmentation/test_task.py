"""The task on images of differing sizes, seen through windows: what is counted, measured and shown."""

from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
import torch.nn.functional as F
import yaml
from torch import Tensor
from torchmetrics.functional import jaccard_index

import models
from data.loading.augment import Augment
from data.loading.datamodule import DataModule
from data.loading.loaded import LabelledImages, Loaded
from models.networks.interfaces import Network
from models.tasks.segmentation.examination import Examination
from models.tasks.segmentation.inference import Inference
from models.tasks.segmentation.labels.exclusive import Exclusive
from models.tasks.segmentation.task import Segmentation
from upsample.instrument.checkerboard import Checkerboard

INFO = LabelledImages("noise", (0.5,) * 3, (0.3,) * 3, ["a", "b", "c"], [(0, 0, 0)] * 3, [1.0] * 3)
CONF = Path(models.__file__).parents[1] / "conf/task/segmentation.yaml"
SIZES = [(48, 33), (27, 70), (40, 40)]
WINDOWS = {"window": 24, "overlap": 0.5, "flip": True, "scales": [1.0]}


class Noise:
    """One image of each size, with labels 0 to 2 and a stripe that is ignored."""

    def __init__(self, seed: int) -> None:
        random = torch.Generator().manual_seed(seed)
        self.images = [torch.randint(0, 256, (3, *size), dtype=torch.uint8, generator=random) for size in SIZES]
        self.masks = [torch.randint(0, 3, size, dtype=torch.uint8, generator=random) for size in SIZES]
        for mask in self.masks:
            mask[:5] = 255

    def __len__(self) -> int:
        return len(SIZES)

    def __getitem__(self, key: int | tuple[int, int]) -> dict[str, Any]:
        index = key[1] if isinstance(key, tuple) else key
        return {"image": self.images[index], "mask": self.masks[index], "name": str(index)}


def segmentation(inference: dict[str, Any], **options: Any) -> Segmentation:
    torch.manual_seed(0)
    given = yaml.safe_load(CONF.read_text())
    for key in ("defaults", "name", "crop", "test_crop", "batch_size"):
        del given[key]
    config = {
        "model": {"name": "unet"},
        "encoder": {"family": "plain", "width": 4, "depth": 1},
        "upsample": {"name": "deconv"},
    }
    return Segmentation(models.build(config, 3, 3), INFO, **(given | {"inference": inference} | options))


def data() -> DataModule:
    return DataModule(Loaded(INFO, Noise(0), Noise(1), Noise(2), augment=Augment({}, 16), batch_size=1, seed=0))


def trainer() -> pl.Trainer:
    return pl.Trainer(accelerator="cpu", logger=False, enable_progress_bar=False, enable_checkpointing=False)


def mean_iou(predictions: list[Tensor], masks: list[Tensor]) -> float:
    predicted, true = (torch.cat([each.flatten().long() for each in several]) for several in (predictions, masks))
    return jaccard_index(predicted, true, "multiclass", num_classes=3, ignore_index=255).item()


@pytest.mark.parametrize("windows", [WINDOWS, WINDOWS | {"window": None, "flip": False}])
def test_validation_test_and_prediction_see_every_image_through_the_same_windows(windows: dict[str, Any]) -> None:
    task, module = segmentation(windows).eval(), data()
    whole = windows["window"] is None
    for run, samples in (("validate", module.val), ("test", module.test)):
        images, masks = ([samples[i][key] for i in range(3)] for key in ("image", "mask"))
        with torch.no_grad():
            predicted = [
                task(image[None]).argmax(1) if whole else task.inference.classes(task, image[None]) for image in images
            ]
        getattr(trainer(), run)(task, module, verbose=False)
        found = task.results(module)["test/miou"] if run == "test" else task.trainer.callback_metrics["val/miou"]
        assert float(found) == pytest.approx(mean_iou(predicted, masks), abs=1e-6)
    answers = trainer().predict(task, module.test_dataloader())
    assert answers is not None
    assert all(torch.equal(a, b) for a, b in zip(answers, predicted, strict=True))


@pytest.mark.parametrize(("window", "measured"), [(None, (27, 33)), (24, (24, 24))])
def test_checkerboards_are_of_one_pass_over_the_middle_that_all_images_have(
    window: int | None, measured: tuple[int, int]
) -> None:
    """27 x 33 pixels, less where a window is smaller; windows and flips would average the pattern away."""
    task, module = segmentation(WINDOWS | {"window": window}, gradient_checkerboard=True).eval(), data()
    board = Checkerboard(2, None)
    for i in range(3):
        image = module.test[i]["image"]
        height, width = measured
        top, left = (image.shape[1] - height) // 2, (image.shape[2] - width) // 2
        with torch.no_grad():
            board.update(task(image[None, :, top : top + height, left : left + width]))
    trainer().test(task, module, verbose=False)
    found = task.results(module)
    for key, value in board.compute().items():
        assert found[f"test/checkerboard/{key}"] == pytest.approx(value, rel=1e-4)
    assert found["test/gradient_checkerboard/phase_variance"] > 0


def test_only_as_many_images_are_measured_as_asked() -> None:
    """The first two here, so the size is what those two have in common."""
    task, module = segmentation(WINDOWS | {"window": None}, checkerboard_images=1).eval(), data()
    trainer().test(task, module, verbose=False)
    assert task.examination.measured_size == SIZES[0]
    assert int(task.examination.checkerboard.images) == 1


def test_what_is_shown_is_at_most_one_window(tmp_path: Path) -> None:
    task, module = segmentation(WINDOWS).eval(), data()
    trainer().test(task, module, verbose=False)
    assert task.example_input().shape == (1, 3, 24, 24)
    task.report(tmp_path / "report.png", "title")
    assert (tmp_path / "report.png").stat().st_size > 20_000


def test_rounded_windows_are_told() -> None:
    assert segmentation(WINDOWS).notes() == []
    assert segmentation(WINDOWS | {"window": 25}).notes() == [
        "Windows of 24 pixels every 12: rounded down to multiples of 2"
    ]


class Planted(Network):
    """Logits of a smooth function of the image, and a checkerboard of period 2 and of a known amplitude on class 1."""

    period, amplitude = 2, 0.05

    def forward(self, x: Tensor) -> Tensor:
        smooth = F.avg_pool2d(x.mean(1, keepdim=True), 5, 1, 2)
        signs = (torch.arange(x.shape[-2])[:, None] + torch.arange(x.shape[-1])) % 2 * 2.0 - 1
        return torch.cat([smooth, self.amplitude * signs.expand_as(smooth) - smooth, 0 * smooth], 1)


@pytest.mark.parametrize("count", [8, 4])  # four are too few, and are measured in quarters
def test_a_planted_pattern_is_told_in_logits_with_its_period(count: int) -> None:
    images = torch.randint(0, 256, (count, 3, 96, 96), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    labels = Exclusive(INFO, "cross_entropy", 1.0)
    examination = Examination(
        2, INFO, labels, Inference(2), grid_images=8, checkerboard_images=None, gradient_checkerboard=False
    )
    samples = [{"image": image} for image in images]
    examination.begin(samples)
    batch = {"image": images, "mask": torch.zeros(count, 96, 96, dtype=torch.uint8), "index": torch.arange(count)}
    network = Planted()
    examination(batch, lambda x: network(x.float() / 255), lambda *_: torch.zeros(()))
    found = examination.results()
    # A checkerboard of +-a has an rms of a in its channel, and of a / sqrt(3) over three.
    assert found["test/grid/fixed"] == pytest.approx(Planted.amplitude / 3**0.5, rel=0.02)
    assert found["test/grid/fixed/period"] == 2
    assert found["test/pattern"].startswith("fixed pattern of 0.029 logits")
    assert "in b" in found["test/pattern"] or INFO.classes[1] in found["test/pattern"]
