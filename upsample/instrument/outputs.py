"""Is there a grid in these images? A test on outputs alone, for GANs and anyone's files.

A decoder's pattern lies at the same place in every image; content does not. Of each image the coefficients at the
pattern's harmonics are taken. If they have a phase in common over the images, beyond what images moved by random whole
pixels would have, there is a grid. It assumes that content is not fixed to the frame *with that period*: an outline
that all images share is told apart by what it puts beside the harmonics; printed rules at the same place, or a page
of text whose lines start at the same height, are not.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.utilities.data import dim_zero_cat

from upsample.instrument.detail import detail
from upsample.instrument.fixed_pattern import MINIMUM_IMAGES, FixedPattern, fixed_pattern, rolls
from upsample.instrument.harmonics import Harmonics, harmonics

PERIODS = 4  # that must be left of an image at each side
BESIDE = (0.3, 0.42)  # of the way to the next harmonic: what an image has there is content
DIRECTIONS = ((1, 0), (0, 1), (1, 1), (1, -1))
AROUND = len(DIRECTIONS) * 2 * len(BESIDE)
ROUNDING = 1e-6  # of an image's root mean square: below lies what float32 makes of a constant


def smallest(period: int) -> int:
    """Pixels a side of the smallest image on which a pattern of this period is looked for."""
    return PERIODS * period + 3 * (period - 1)


@dataclass
class OutputResult:
    """What images have of a grid, in their own units. C channels.

    images      that were measured, `flat` of them without any detail, in which there is nothing to see
    unmeasured  the reason for each period that was not looked for
    channels    their names, C of them
    pattern     the fixed pattern at the periods that were; None where there are none
    deviation   (C,) float64: the images' standard deviation
    """

    images: int
    flat: int
    channels: list[str]
    unmeasured: dict[int, str] = field(default_factory=dict)
    pattern: FixedPattern | None = None
    deviation: Tensor | None = None

    def scores(self) -> dict[str, float]:
        """What was found as plain numbers, `FixedPattern.scores`; nothing where nothing was measured."""
        return {} if self.pattern is None or self.deviation is None else self.pattern.scores(self.deviation)


class GridInOutputs(Metric):
    """Accumulates the test over images: `update(images)`, then `result()`, or `compute()` for plain numbers.

    periods   that are looked for, each by the harmonics that no shorter period has
    images    at most so many are measured; None: all
    channels  names of the images' channels; None: their numbers
    """

    full_state_update = False

    def __init__(
        self, periods: Sequence[int], *, images: int | None = None, channels: Sequence[str] | None = None
    ) -> None:
        super().__init__()
        self.harmonics: Harmonics = harmonics(periods)
        self.most, self.channels = images, channels
        for name in ("coefficient", "beside", "offset", "gain", "moments", "flat"):
            self.add_state(name, default=[], dist_reduce_fx="cat")
        self.add_state("images", default=torch.tensor(0), dist_reduce_fx="sum")
        self.coefficient: list[Tensor]
        self.beside: list[Tensor]
        self.offset: list[Tensor]
        self.gain: list[Tensor]
        self.moments: list[Tensor]
        self.flat: list[Tensor]
        self.images: Tensor

    @property
    def full(self) -> bool:
        """Whether as many images as it takes are measured."""
        return self.most is not None and int(self.images) >= self.most

    @torch.no_grad()
    def update(self, images: Tensor) -> None:
        """Measure images (N, C, H, W), uint8 or floating, of any size."""
        for image in images:
            if self.full:
                return
            self.measure(image)
            self.images += 1

    def measure(self, image: Tensor) -> None:
        """Take one image (C, H, W) into the states."""
        y = image.float()
        mean = y.double().mean((1, 2))
        centred = y - mean[:, None, None].float()
        spread = centred.double().square().mean((1, 2))
        self.moments.append(torch.stack([mean, spread], -1)[None])
        generator = torch.Generator().manual_seed(int(self.images))
        read, beside, offsets, gains = [], [], [], []
        for q in self.harmonics.periods:
            at = self.harmonics.index[self.harmonics.of(q)]
            fits = min(y.shape[-2:]) >= smallest(q)
            gains.append(torch.full((len(at),), float(fits)))
            if not fits:
                read.append(torch.zeros(len(y), len(at), dtype=torch.complex64))
                beside.append(torch.zeros(len(y), len(at), AROUND, dtype=torch.complex64))
                offsets.append(torch.zeros(AROUND, 2))
                continue
            # From a place of its own in every image: what an image's border does then has no place on the grid.
            start = torch.randint(q, (2,), generator=generator)
            fine = detail(centred, q)[:, start[0] :, start[1] :]
            height, width = (length // q * q for length in fine.shape[-2:])
            spectrum = torch.fft.fft2(fine[:, :height, :width]).cpu() / (height * width)
            size = torch.tensor([height, width])
            bins = at * (size // q)
            steps = torch.stack([(size / q * share).long().clamp_min(1) for share in BESIDE])
            aside = torch.cat([steps, -steps])  # (J, 2)
            aside = (torch.tensor(DIRECTIONS)[:, None] * aside).flatten(0, 1)  # (4 * J, 2)
            origin = (start + q - 1).double()

            def values(
                where: Tensor, size: Tensor = size, origin: Tensor = origin, spectrum: Tensor = spectrum
            ) -> Tensor:
                turns = (where / size.double() * origin).sum(-1)
                picked = spectrum[:, where[..., 0] % size[0], where[..., 1] % size[1]]
                return picked * torch.exp(-2j * torch.pi * turns).to(picked.dtype)

            read.append(values(bins))
            beside.append(values(bins[:, None] + aside))
            offsets.append(aside / size.float())
        coefficient, gain = torch.cat(read, -1), torch.cat(gains)
        power = (coefficient.abs().square() * self.harmonics.multiple).sum(-1)
        # float32 leaves a constant with a residue, which is no detail and may repeat.
        silent = power <= ROUNDING**2 * y.double().square().mean((1, 2)).cpu()
        coefficient[silent] = 0
        states = {
            "coefficient": torch.view_as_real(coefficient),
            "beside": torch.view_as_real(torch.cat(beside, 1)),
            "offset": torch.stack(offsets),
            "gain": gain,
            "flat": silent.all(),
        }
        for name, value in states.items():
            getattr(self, name).append(value[None].to(self.images.device))

    def result(self) -> OutputResult:
        """The test over all images, of all processes: tensors, intervals and the pattern itself."""
        with self.sync_context(should_sync=self.sync_on_compute):
            return self.summary()

    def compute(self) -> dict[str, float]:
        """The numbers of `result` in a flat dict, keyed as `OutputResult.scores` says."""
        return self.summary().scores()

    def summary(self) -> OutputResult:
        """`result` of the states as they are."""
        count = int(self.images)
        result = OutputResult(count, 0, list(self.channels or []))
        if not count:
            result.unmeasured = dict.fromkeys(self.harmonics.periods, "there are no images")
            return result
        stored = {
            name: dim_zero_cat(getattr(self, name)).cpu()
            for name in ("coefficient", "beside", "offset", "gain", "flat", "moments")
        }
        mean, spread = stored["moments"].mean(0).unbind(-1)
        between = (stored["moments"][..., 0] - mean).square().mean(0)
        result.deviation = (spread + between).sqrt()
        result.channels = list(self.channels or map(str, range(len(mean))))
        result.flat = int(stored["flat"].sum())
        for q in self.harmonics.periods:
            large = int((stored["gain"][:, self.harmonics.of(q)][:, 0] > 0).sum())
            if large < MINIMUM_IMAGES:
                result.unmeasured[q] = (
                    f"needs at least {MINIMUM_IMAGES} images of at least {smallest(q)} px, has {large}"
                )
        if len(result.unmeasured) < len(self.harmonics.periods):
            coefficient, beside = (torch.view_as_complex(stored[name]) for name in ("coefficient", "beside"))
            result.pattern = fixed_pattern(
                coefficient, self.harmonics, rolls, stored["gain"], beside=(beside, stored["offset"])
            )
        return result
