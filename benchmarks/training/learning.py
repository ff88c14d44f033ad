"""What is learned in equally many steps."""

from collections.abc import Iterable, Iterator
from itertools import count, islice
from typing import Any

import torch
from torch import Tensor

from benchmarks.configuration import device
from benchmarks.measure import Line, ratios
from benchmarks.training.peers import smp_unet
from benchmarks.training.steps import RESNET18
from benchmarks.training.turns import built, train
from models.tasks.segmentation.scores import Confusion, iou
from models.tasks.segmentation.task import Segmentation


def ours(seed: int, steps: int) -> float:
    """Validation mIoU of the U-Net on a ResNet-18 that `train.py` ends with."""
    options, task, module = built(*RESNET18, seed=seed)
    limits = {"max_epochs": -1, "max_steps": steps, "val_check_interval": steps, "check_val_every_n_epoch": None}
    train(options | limits, task, module)
    return task.trainer.callback_metrics["val/miou"].item()


def epochs(loader: Any) -> Iterator[Any]:
    """The batches that Lightning would take."""
    for epoch in count():
        loader.sampler.set_epoch(epoch)
        yield from loader


def theirs(seed: int, steps: int) -> float:
    """That of segmentation-models-pytorch's, trained as in its CamVid example on the batches that ours sees."""
    _, task, module = built(*RESNET18, seed=seed)
    assert isinstance(task, Segmentation)
    task.to(device())
    network, loss, optimiser = smp_unet(len(task.classes), task.info.ignore_index)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps, eta_min=1e-5)
    for batch in islice(epochs(module.train_dataloader()), steps):
        value = loss(network(task.normalise(batch["image"].to(device()))), batch["mask"].long().to(device()))
        optimiser.zero_grad()
        value.backward()
        optimiser.step()
        schedule.step()
    return validated(network.eval(), task, module.val_dataloader())


@torch.no_grad()
def validated(network: torch.nn.Module, task: Segmentation, batches: Iterable[Any]) -> float:
    """mIoU over the images of a loader."""
    confusion = Confusion(len(task.classes), task.info.ignore_index).to(device())
    for batch in batches:
        logits: Tensor = network(task.normalise(batch["image"].to(device())))
        confusion.update(logits.argmax(1), batch["mask"].long().to(device()))
    return iou(confusion.compute()).nanmean().item()


def learning(seeds: int, steps: int) -> list[Line]:
    """2: whether what is faster learns as much."""
    found = [(ours(seed, steps), theirs(seed, steps)) for seed in range(seeds)]
    note = ", ".join(f"{one:.3f} against {other:.3f}" for one, other in found)
    one, other = zip(*found, strict=True)
    what = f"validation mIoU of the U-Net on ResNet-18 after {steps} steps"
    return [Line(what, "smp's Unet, fp32", ratios(one, other), 1.0, note=note)]
