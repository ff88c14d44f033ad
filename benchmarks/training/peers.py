"""Training as people write it by hand, and as other libraries show it: each a `Loop` of `benchmarks.training.turns`."""

from collections.abc import Iterator
from copy import deepcopy
from itertools import repeat
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.configuration import autocast, device
from benchmarks.training.turns import Batch, Step


def by_hand(task: Any, batches: Iterator[Batch], norm: bool = False) -> Step:
    """The task's network, loss, precision and memory format in a loop by hand, AdamW and one cycle.

    norm  whether each step also takes the norm of all gradients, as what lets no bad step through does
    """
    network, loss = deepcopy(task.network), task.loss
    optimiser = torch.optim.AdamW(network.parameters(), 1e-3, fused=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 1e-3, 10_000)

    def step() -> None:
        batch = next(batches)
        with autocast():
            value = loss(network(batch["image"]).float(), batch["mask"])
        optimiser.zero_grad()
        value.backward()
        if norm:
            torch.nn.utils.get_total_norm([p.grad for p in network.parameters() if p.grad is not None])
        optimiser.step()
        schedule.step()

    return step


def prepared(task: Any, batch: Batch) -> Batch:
    """A loader's batch as the network and the loss take it."""
    image = task.normalise(batch["image"]).contiguous(memory_format=torch.channels_last)
    return {"image": image, "mask": batch["mask"].long()}


def bare_loop(task: Any, batches: Iterator[Batch]) -> Step:
    """By hand, on one batch that lies on the device."""
    return by_hand(task, repeat(prepared(task, next(batches))))


def loop_with_norm(task: Any, batches: Iterator[Batch]) -> Step:
    """The bare loop and the norm of its gradients."""
    return by_hand(task, repeat(prepared(task, next(batches))), norm=True)


def fed_loop(task: Any, batches: Iterator[Batch]) -> Step:
    """The bare loop on batches that the loader makes, crops and augments between its steps."""
    return by_hand(task, (prepared(task, batch) for batch in batches))


def smp_unet(classes: int, ignore_index: int) -> tuple[nn.Module, nn.Module, torch.optim.Optimizer]:
    """segmentation-models-pytorch's U-Net on ResNet-18, untrained, with the Dice loss and the Adam of its examples."""
    import segmentation_models_pytorch as smp

    network = smp.Unet("resnet18", encoder_weights=None, in_channels=3, classes=classes).to(device())
    loss = smp.losses.DiceLoss(smp.losses.MULTICLASS_MODE, from_logits=True, ignore_index=ignore_index)
    return network, loss, torch.optim.Adam(network.parameters(), 2e-4)


def smp_loop(task: Any, batches: Iterator[Batch]) -> Step:
    """Its training, in float32 and PyTorch's own memory format, as its examples do it."""
    network, loss, optimiser = smp_unet(len(task.classes), task.info.ignore_index)
    batch = next(batches)
    image, mask = batch["image"].float() / 255, batch["mask"].long()

    def step() -> None:
        value = loss(network(image), mask)
        optimiser.zero_grad()
        value.backward()
        optimiser.step()

    return step


def smp_at_its_best(task: Any, batches: Iterator[Batch]) -> Step:
    """Its training with what PyTorch offers: the precision and the memory format that ours has, a fused Adam."""
    network, loss, _ = smp_unet(len(task.classes), task.info.ignore_index)
    network.to(memory_format=torch.channels_last)
    optimiser = torch.optim.Adam(network.parameters(), 2e-4, fused=True)
    batch = next(batches)
    image = (batch["image"].float() / 255).contiguous(memory_format=torch.channels_last)
    mask = batch["mask"].long()

    def step() -> None:
        with autocast():
            value = loss(network(image).float(), mask)
        optimiser.zero_grad()
        value.backward()
        optimiser.step()

    return step


def textbook_dcgan(task: Any, batches: Iterator[Batch]) -> Step:
    """PyTorch's DCGAN tutorial: 64 px, 64 channels next to the image, in float32 and PyTorch's own memory format."""

    def initialise(module: nn.Module) -> None:
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            nn.init.normal_(module.weight, 0, 0.02)

    up: list[nn.Module] = [nn.ConvTranspose2d(100, 512, 4, 1, 0, bias=False)]
    for before, after in ((512, 256), (256, 128), (128, 64), (64, 3)):
        up += [nn.BatchNorm2d(before), nn.ReLU(True), nn.ConvTranspose2d(before, after, 4, 2, 1, bias=False)]
    down: list[nn.Module] = [nn.Conv2d(3, 64, 4, 2, 1, bias=False), nn.LeakyReLU(0.2, True)]
    for before, after in ((64, 128), (128, 256), (256, 512)):
        down += [nn.Conv2d(before, after, 4, 2, 1, bias=False), nn.BatchNorm2d(after), nn.LeakyReLU(0.2, True)]
    generator = nn.Sequential(*up, nn.Tanh()).apply(initialise).to(device())
    discriminator = nn.Sequential(*down, nn.Conv2d(512, 1, 4), nn.Flatten(0)).apply(initialise).to(device())
    adam = [torch.optim.Adam(part.parameters(), 2e-4, (0.5, 0.999)) for part in (discriminator, generator)]
    real = next(batches)["image"].float() / 127.5 - 1
    ones, zeros = (torch.full((len(real),), value, device=real.device) for value in (1.0, 0.0))

    def entropy(images: Tensor, label: Tensor) -> Tensor:
        return F.binary_cross_entropy_with_logits(discriminator(images), label)

    def step() -> None:
        discriminator.zero_grad()
        entropy(real, ones).backward()
        fake = generator(torch.randn(len(real), 100, 1, 1, device=real.device))
        entropy(fake.detach(), zeros).backward()
        adam[0].step()
        generator.zero_grad()
        entropy(fake, ones).backward()
        adam[1].step()

    return step
