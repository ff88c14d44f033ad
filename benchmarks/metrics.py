"""What the scores cost."""

from functools import partial

import torch
from torch import Tensor
from torchmetrics.classification import MulticlassConfusionMatrix
from torchmetrics.segmentation import MeanIoU

from benchmarks.configuration import autocast, configuration, device
from benchmarks.measure import Line, ratios, take_turns
from models.tasks.build import build_task
from models.tasks.segmentation.scores import Confusion
from models.tasks.segmentation.task import Segmentation
from upsample.instrument.checkerboard import Checkerboard, nulls


def miou(rounds: int) -> list[Line]:
    """7: an update at 19 classes, 4 x 512 x 1024."""
    random = torch.Generator().manual_seed(0)
    prediction, target = (torch.randint(19, (4, 512, 1024), generator=random).to(device()) for _ in range(2))
    metrics = (
        Confusion(19, 255),
        MeanIoU(19, per_class=True, input_format="index"),
        MulticlassConfusionMatrix(19, ignore_index=255, validate_args=False),
    )
    ours, *theirs = take_turns([partial(each.to(device()).update, prediction, target) for each in metrics], rounds)
    peers = zip(("torchmetrics' MeanIoU", "torchmetrics' confusion matrix"), theirs, (60, 2), strict=True)
    what = "mIoU update, 19 classes, 4x512x1024"
    return [
        Line(what, peer, ratios(each, ours), target, note=f"{1000 * min(each):.1f} → {1000 * min(ours):.1f} ms")
        for peer, each, target in peers
    ]


def epoch(rounds: int) -> list[Line]:
    """8: the scores of a test, checkerboards and their noise floors included, against the network's own time."""
    task, module = build_task(configuration())
    task.to(device()).eval()
    batches = [(batch["image"].to(device()), batch["mask"].long().to(device())) for batch in module.test_dataloader()]

    @torch.no_grad()
    def predict() -> list[Tensor]:
        with autocast():
            return [task(image) for image, _ in batches]

    assert isinstance(task, Segmentation)
    scores = task.labels.new_scores().to(device())
    board = Checkerboard(task.network.period, 64).to(device())

    def measure(logits: list[Tensor]) -> None:
        scores.reset()
        board.reset()
        nulls.cache_clear()
        for each, (_, mask) in zip(logits, batches, strict=True):
            scores.update(each.argmax(1), mask)
            board.update(each)
        scores.compute()
        board.compute()

    logits = predict()
    passes, measures = take_turns([predict, lambda: measure(logits)], rounds)
    note = f"{len(module.test)} images of 320 px: {min(passes):.2f} s of network, {min(measures):.2f} s of scores"
    return [
        Line(
            "all scores, checkerboards too", "the network's time in a test", ratios(measures, passes), 0.1, False, note
        )
    ]
