"""Training steps through `train.py`'s trainer, data loading and all, against loops that people write by hand."""

import tempfile
import time
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
import torch.nn.functional as F
from pytorch_lightning.callbacks import Callback
from torch import Tensor, nn

from benchmarks.configuration import autocast, configuration, device
from benchmarks.measure import Line, ratios, seconds
from data.loading.datamodule import DataModule
from models.tasks.build import build_task
from models.training.task import Task
from models.training.trainer import build_trainer, fit

WARM = 3  # steps of both before the first that count

Step = Callable[[], object]


class InTurns(Callback):
    """Has a loop of someone else's take `turn` steps after each `turn` steps of the trainer's, and times both.

    The loop is made when training begins, by then the task is where it is trained.
    """

    def __init__(self, make: Callable[[], Step], turn: int) -> None:
        self.make, self.turn = make, turn
        self.ours: list[float] = []
        self.theirs: list[float] = []

    def on_train_start(self, *_: Any) -> None:
        self.step, self.taken, self.began = self.make(), 0, 0.0

    def on_train_batch_end(self, *_: Any) -> None:
        self.taken += 1
        if self.taken == WARM:
            seconds(self.step, WARM)
        elif self.taken > WARM and (self.taken - WARM) % self.turn == 0:
            if torch.cuda.is_available():
                torch.cuda.synchronize()
            self.ours.append((time.perf_counter() - self.began) / self.turn)
            self.theirs.append(seconds(self.step, self.turn))
        else:
            return
        self.began = time.perf_counter()


def forward_backward(network: nn.Module, form: Callable[[Tensor], Tensor], x: Tensor) -> Step:
    """A pass of `form`, which is the network or computes with its weights, and its gradients, without an optimiser."""

    def run() -> None:
        network.zero_grad()
        with autocast():
            y = form(x)
        y.float().square().mean().backward()

    return run


def built(*overrides: str, seed: int = 0) -> tuple[dict[str, Any], Task, DataModule]:
    """The trainer's options, the task and the data that `train.py` begins with."""
    pl.seed_everything(seed, workers=True, verbose=False)
    config = configuration(*overrides, f"seed={seed}", "resume=never")
    return config["trainer"], *build_task(config)


def on_device(batch: dict[str, Any]) -> dict[str, Tensor]:
    """What of a loader's batch is computed with, where it is."""
    return {key: value.to(device()) for key, value in batch.items() if isinstance(value, Tensor)}


def train(options: dict[str, Any], task: Task, module: DataModule, callback: Callback | None = None) -> None:
    """Train as `train.py` does, as many steps as `options` say, in a folder that is then removed."""
    with tempfile.TemporaryDirectory() as folder:
        trainer = build_trainer(options, Path(folder), task)
        if callback is not None:
            trainer.callbacks.append(callback)  # type: ignore[attr-defined]  # a list that Lightning types as none
        fit(trainer, task, module, Path(folder))


def against(overrides: list[str], make: Callable[[Any, dict[str, Tensor]], Step], rounds: int, turn: int) -> InTurns:
    """Train as `train.py` does with these overrides, in turns with the loop that `make` makes of task and batch."""
    options, task, module = built(*overrides)
    batch = next(iter(module.train_dataloader()))
    turns = InTurns(lambda: make(task, on_device(batch)), turn)
    limits = {"max_epochs": -1, "max_steps": WARM + rounds * turn, "limit_val_batches": 0}
    train(options | limits, task, module, turns)
    return turns


def bare_loop(task: Any, batch: dict[str, Tensor]) -> Step:
    """The same network, loss, precision and memory format in a loop by hand, on a batch that lies on the device."""
    network, loss = deepcopy(task.network), task.loss
    image = task.normalise(batch["image"]).contiguous(memory_format=torch.channels_last)
    mask = batch["mask"].long()
    optimiser = torch.optim.AdamW(network.parameters(), 1e-3, fused=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 1e-3, 10_000)

    def step() -> None:
        with autocast():
            value = loss(network(image).float(), mask)
        optimiser.zero_grad()
        value.backward()
        optimiser.step()
        schedule.step()

    return step


def smp_unet(classes: int, ignore_index: int) -> tuple[nn.Module, nn.Module, torch.optim.Optimizer]:
    """segmentation-models-pytorch's U-Net on ResNet-18, untrained, with the Dice loss and the Adam of its examples."""
    import segmentation_models_pytorch as smp

    network = smp.Unet("resnet18", encoder_weights=None, in_channels=3, classes=classes).to(device())
    loss = smp.losses.DiceLoss(smp.losses.MULTICLASS_MODE, from_logits=True, ignore_index=ignore_index)
    return network, loss, torch.optim.Adam(network.parameters(), 2e-4)


def smp_loop(task: Any, batch: dict[str, Tensor]) -> Step:
    """Its training, in float32 and PyTorch's own memory format, as its examples do it."""
    network, loss, optimiser = smp_unet(len(task.classes), task.ignore_index)
    image, mask = batch["image"].float() / 255, batch["mask"].long()

    def step() -> None:
        value = loss(network(image), mask)
        optimiser.zero_grad()
        value.backward()
        optimiser.step()

    return step


def textbook_dcgan(task: Any, batch: dict[str, Tensor]) -> Step:
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
    real = batch["image"].float() / 127.5 - 1
    ones, zeros = (torch.full((len(real),), value, device=real.device) for value in (1.0, 0.0))

    def step() -> None:
        discriminator.zero_grad()
        F.binary_cross_entropy_with_logits(discriminator(real), ones).backward()
        fake = generator(torch.randn(len(real), 100, 1, 1, device=real.device))
        F.binary_cross_entropy_with_logits(discriminator(fake.detach()), zeros).backward()
        adam[0].step()
        generator.zero_grad()
        F.binary_cross_entropy_with_logits(discriminator(fake), ones).backward()
        adam[1].step()

    return step


# What is trained, and what it is compared with. The U-Net is on a ResNet-18 at 4 x 3 x 256 x 256.
RESNET18 = [
    *("model=unet", "encoder=resnet", "encoder.name=resnet18", "encoder.output_stride=32"),
    *("model.channels=[256,128,64,32,16]", "upsample=nearest", "task.crop=256", "task.batch_size=4"),
]
COMPARED: dict[str, tuple[list[str], Callable[[Any, dict[str, Tensor]], Step]]] = {
    "framework": ([], bare_loop),
    "unet": (RESNET18, smp_loop),
    "dcgan": (["model=dcgan", "model.size=64", "model.width=64", "upsample=deconv"], textbook_dcgan),
}


def framework(rounds: int) -> list[Line]:
    """1: what Lightning, the loader, the logging and the callbacks cost."""
    turns = against(*COMPARED["framework"], rounds, turn=10)
    note = f"{1000 * min(turns.ours):.0f} ms a step at best; theirs neither loads nor augments"
    gains = ratios(turns.theirs, turns.ours)
    return [Line("training step, default U-Net", "a bare PyTorch loop", gains, 0.98, note=note)]


def unet(rounds: int) -> list[Line]:
    """2: against segmentation-models-pytorch."""
    turns = against(*COMPARED["unet"], rounds, turn=2)
    note = f"{1000 * min(turns.theirs):.0f} → {1000 * min(turns.ours):.0f} ms a step at best; ours loads and augments"
    target = 2.5 if torch.cuda.is_available() else 4.0
    return [Line("U-Net on ResNet-18", "smp's Unet, fp32", ratios(turns.theirs, turns.ours), target, note=note)]


def dcgan(rounds: int) -> list[Line]:
    """3: at 64 px, batch 64."""
    turns = against(*COMPARED["dcgan"], rounds, turn=2)
    note = f"{1000 * min(turns.theirs):.0f} → {1000 * min(turns.ours):.0f} ms a step at best; ours averages weights"
    target = 3.0 if torch.cuda.is_available() else 3.5
    gains = ratios(turns.theirs, turns.ours)
    return [Line("DCGAN, 64 px, batch 64", "PyTorch's tutorial, fp32", gains, target, note=note)]
