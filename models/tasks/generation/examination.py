"""What the test of a GAN gathers, for tables and pictures."""

from collections.abc import Iterable, Mapping
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torchvision.utils import make_grid

from models.networks.adversarial import Generator, one_hot
from models.tasks.common_size import spread
from models.tasks.drawing import line_spectrum
from models.tasks.generation import feature_networks
from models.tasks.generation.collected_images import FirstImages
from models.tasks.generation.generate import FIELDS, SAMPLES, TEST, generate, in_order, random
from models.tasks.generation.scores import GenerationScores, checkerboards, grid_of
from models.tasks.grid import told
from models.tasks.input_gradient import discriminator_checkerboards
from models.tasks.pattern_picture import SIDE, Patch, printed, repaired
from upsample.instrument.outputs import OutputResult

FIELD_COUNT, FIELD_GRID = 16, 19  # large fields whose checkerboard is measured, and latents a side: 16 periods
SHOWN = 16  # images that a comparison shows
ROWS, SIX = 10, 6  # classes that a report shows a row of each, at most, and images of each, at least


class Examination(nn.Module):
    """Scores of as many generated as real images, the pattern of the grid in them and in larger fields, and the images.

    forward(images, index, classes) takes in a batch of real test images, (N, C, S, S) uint8, with their places in the
    test and, where the generator is of classes, theirs, (N,) int64; `begin()` comes first, `score` last.
    shown  by name, (N, C, S, S) uint8: `real`, and what each generator that was scored has made
    asked  of a generator of classes, the class of each image of `shown`: of the real ones their own, and as many of
           each among those that are made
    fields, patterns  by name: one large field (1, C, T, T) uint8, and the grid measured in all of them
    """

    def __init__(
        self,
        latent: int,
        period: int,
        *,
        images: int,
        gradient_checkerboard: bool,
        seed: int,
        classes: int | None = None,
    ) -> None:
        super().__init__()
        self.latent, self.period, self.images, self.seed, self.classes = latent, period, images, seed, classes
        self.gradient_checkerboard = gradient_checkerboard
        self.found = feature_networks.find()
        self.real, self.others, self.real_classes = FirstImages(images), FirstImages(images), FirstImages(images)
        self.against: GenerationScores  # the real images of the last test
        self.scores: dict[str, Any] = {}
        self.shown: dict[str, Tensor] = {}
        self.asked: dict[str, Tensor] = {}
        self.fields: dict[str, Tensor] = {}
        self.patterns: dict[str, OutputResult] = {}

    def begin(self) -> None:
        """Forget the last test."""
        self.real.reset()
        self.real_classes.reset()

    def forward(self, images: Tensor, index: Tensor, classes: Tensor | None = None) -> None:
        """Take in a batch of the test."""
        self.real.update(images, index)
        if self.classes is not None:
            assert classes is not None
            self.real_classes.update(classes, index)

    def latents(self, purpose: int, count: int, *grid: int) -> Tensor:
        """(count, latent, *grid) float32 of standard normal noise, the same in every test of this seed."""
        return torch.randn(count, self.latent, *grid, generator=random(self.seed, purpose))

    def score(self, generators: Mapping[str, Generator], discriminator: nn.Module) -> None:
        """Score what each generator makes, under its name, against all real images that were taken in."""
        real, labels = self.real.compute(), None
        self.against = GenerationScores(real, self.found)
        self.asked = {}
        if self.classes is not None:
            self.asked["real"] = labels = self.real_classes.compute()
            labels = labels[torch.arange(self.images, device=labels.device) % len(labels)]
        self.begin()
        self.scores = {"real_images": len(real), "generated_images": self.images}
        self.shown = {"real": real}
        for name, generator in generators.items():
            images = generate(generator, self.latents(TEST, self.images), labels)
            if labels is not None:
                self.asked[name] = labels
            large = generate(generator, self.latents(FIELDS, FIELD_COUNT, FIELD_GRID, FIELD_GRID))
            measured = self.against(images) | checkerboards(images, large, self.period)
            self.scores |= {f"{name}/{key}": value for key, value in measured.items()}
            self.patterns[name] = grid_of(large, self.period)
            self.scores |= told(self.patterns[name], "grey levels", name)
            self.fields[name] = large[:1].cpu()
            self.shown[name] = images
        if self.gradient_checkerboard:
            with torch.autocast(real.device.type, enabled=False):
                known = None if self.classes is None else one_hot(self.asked["real"], self.classes)
                measured = discriminator_checkerboards(discriminator, real, known)
            self.scores |= {f"test/gradient_{key}": value for key, value in measured.items()}

    def rows(self) -> dict[str, Tensor] | None:
        """Of a generator of classes, which images of `shown` a picture shows, a row of each class: places (rows,
        columns); None of another."""
        return {name: by_class(asked) for name, asked in self.asked.items()} or None

    def grid(self, generator: Generator) -> OutputResult:
        """The grid in the large fields that a generator makes."""
        return grid_of(generate(generator, self.latents(FIELDS, FIELD_COUNT, FIELD_GRID, FIELD_GRID)), self.period)

    def patches(self, generator: Generator) -> list[Patch]:
        """The middle of a large field, the mean of its colours, and the fixed pattern there: of the generator scored as
        `test` and of what it is once repaired, where there is something to repair."""
        found = [cut("the output", self.fields["test"], self.patterns["test"])]
        if (even := repaired(generator)) is not None:
            latents = self.latents(FIELDS, FIELD_COUNT, FIELD_GRID, FIELD_GRID)
            large = generate(cast(Generator, even), latents)
            found.append(cut("repaired", large[:1].cpu(), grid_of(large, self.period)))
        return [each for each in found if each is not None]

    def results(self, others: Iterable[dict[str, Any]]) -> dict[str, Any]:
        """All scores of the test just run, keyed as in metrics.json.

        others  batches of other real images; `real/...` is what these score against the ones that were tested on: where
                a perfect generator would be
        """
        self.others.reset()
        device = self.shown["real"].device
        for batch in others:
            self.others.update(batch["image"].to(device), batch["index"].to(device))
        images = self.others.compute()
        measured = self.against(images) | checkerboards(images, None, self.period)
        return self.scores | {f"real/{key}": value for key, value in measured.items()}

    def example_arrays(self, generator: Generator) -> dict[str, NDArray[np.generic]]:
        """Real images, and generated ones of the same noise in every run of this seed; the generated ones' spectrum; a
        patch of a large field, in grey levels of 255, and the pattern there."""
        real, labels = self.shown["real"][:SHOWN], None
        if self.classes is not None:
            labels = in_order(SHOWN, self.classes)
            real = self.shown["real"][self.asked["real"].argsort(stable=True)][spread(len(self.shown["real"]), SHOWN)]
        pictures = {"real": real, "output": generate(generator, self.latents(SAMPLES, SHOWN), labels)}
        shown = cut("", self.fields["test"], self.patterns["test"])
        return {
            **{key: make_grid(each.cpu(), nrow=4).permute(1, 2, 0).numpy() for key, each in pictures.items()},
            "spectrum": line_spectrum(self.shown["test"].flatten(0, 1)),
            **({"patch": shown.output.numpy(), "grid": shown.grid.numpy()} if shown else {}),
        }


def by_class(asked: Tensor) -> Tensor:
    """The places of the first images of each class, (rows, columns) int64: ROWS classes at most, SIX of each or, where
    there are more classes, as many as rows; all classes have as many as the one that has fewest.

    asked  the class of each image, (N,) int64
    """
    places = [(asked == each).nonzero()[:, 0].cpu() for each in asked.unique()[:ROWS]]
    columns = min(max(SIX, len(places)), *(len(each) for each in places), len(asked))
    return torch.stack([each[:columns] for each in places])


def cut(title: str, field: Tensor, result: OutputResult) -> Patch | None:
    """The patch of a field (1, C, T, T) uint8 in its middle; None where no pattern was measured."""
    length = field.shape[-1]
    if (pattern := printed(result, length)) is None:
        return None
    whole = pattern.mean(0)
    at = slice((length - SIDE) // 2, (length - SIDE) // 2 + SIDE)
    return Patch(title, field.float()[0].mean(0)[at, at], whole[at, at])
