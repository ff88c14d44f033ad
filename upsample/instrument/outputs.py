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

from upsample.instrument.coherence import MINIMUM_IMAGES, rolls
from upsample.instrument.detail import detail
from upsample.instrument.fixed_pattern import FixedPattern, fixed_pattern
from upsample.instrument.harmonics import Harmonics, harmonics
from upsample.instrument.records import Field, read, record

PERIODS = 4  # that must be left of an image at each side
BORDER = 8, 1 / 16  # pixels left out at each side, and the largest share of the side: padding marks every image alike
# Of what lies beside a harmonic: share of the way to the next one, and the most bins of an image's spectrum.
BESIDE = ((0.3, 5), (0.42, 7))
DIRECTIONS = ((1, 0), (0, 1), (1, 1), (1, -1))
AROUND = len(DIRECTIONS) * 2 * len(BESIDE)
ROUNDING = 1e-6  # of an image's root mean square: below lies what float32 makes of a constant


def border(side: int) -> int:
    """Pixels at each end of a side that are left out."""
    return min(BORDER[0], int(BORDER[1] * side))


def fits(side: int, period: int) -> bool:
    """Whether a pattern of this period is looked for on images whose shorter side has so many pixels."""
    return side - 2 * border(side) >= PERIODS * period + 3 * (period - 1)


def smallest(period: int) -> int:
    """Pixels a side of the smallest image on which a pattern of this period is looked for."""
    return next(side for side in range(period, 9 * period + 16) if fits(side, period))


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
        count = len(self.harmonics.index)
        self.fields: dict[str, Field] = {
            "coefficient": ("C", count, 2),
            "beside": ("C", count, AROUND, 2),
            "aside": (len(periods), AROUND, 2),
            "gain": (count,),
            "mean": ("C",),
            "spread": ("C",),
            "flat": (1,),
        }
        self.add_state("records", default=[], dist_reduce_fx="cat")
        self.add_state("images", default=torch.tensor(0), dist_reduce_fx="sum")
        self.records: list[Tensor]
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
        generator = torch.Generator().manual_seed(int(self.images))
        edge = border(min(y.shape[-2:]))
        inner = centred[:, edge : y.shape[1] - edge, edge : y.shape[2] - edge]
        own, beside, asides, gains = [], [], [], []
        for q in self.harmonics.periods:
            at = self.harmonics.index[self.harmonics.of(q)]
            large = fits(min(y.shape[-2:]), q)
            gains.append(torch.full((len(at),), float(large)))
            if not large:
                own.append(torch.zeros(len(y), len(at), dtype=torch.complex64))
                beside.append(torch.zeros(len(y), len(at), AROUND, dtype=torch.complex64))
                asides.append(torch.zeros(AROUND, 2))
                continue
            # From a place of its own in every image: what an image's border does then has no place on the grid.
            start = torch.randint(q, (2,), generator=generator)
            fine = detail(inner, q)[:, start[0] :, start[1] :]
            height, width = (length // q * q for length in fine.shape[-2:])
            spectrum = torch.fft.fft2(fine[:, :height, :width]).cpu() / (height * width)
            size = torch.tensor([height, width])
            bins = at * (size // q)
            steps = torch.stack([(size / q * share).long().clamp(1, most) for share, most in BESIDE])
            aside = torch.cat([steps, -steps])  # (J, 2)
            aside = (torch.tensor(DIRECTIONS)[:, None] * aside).flatten(0, 1)  # (4 * J, 2)
            origin = (edge + start + q - 1).double()

            def at_bins(
                where: Tensor, size: Tensor = size, origin: Tensor = origin, spectrum: Tensor = spectrum
            ) -> Tensor:
                turns = (where / size.double() * origin).sum(-1)
                picked = spectrum[:, where[..., 0] % size[0], where[..., 1] % size[1]]
                return picked * torch.exp(-2j * torch.pi * turns).to(picked.dtype)

            own.append(at_bins(bins))
            beside.append(at_bins(bins[:, None] + aside))
            asides.append(aside / size.float())
        coefficient, gain = torch.cat(own, -1), torch.cat(gains)
        power = (coefficient.abs().square() * self.harmonics.multiple).sum(-1)
        # float32 leaves a constant with a residue, which is no detail and may repeat.
        silent = power <= ROUNDING**2 * y.double().square().mean((1, 2)).cpu()
        coefficient[silent] = 0
        values = {
            "coefficient": torch.view_as_real(coefficient),
            "beside": torch.view_as_real(torch.cat(beside, 1)),
            "aside": torch.stack(asides),
            "gain": gain,
            "mean": mean,
            "spread": spread,
            "flat": silent.all(),
        }
        self.records.append(record(values, self.fields).to(self.images.device))

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
        values = read(dim_zero_cat(self.records), count, self.fields)
        mean = values["mean"]
        result.deviation = (values["spread"].mean(0) + mean.var(0, correction=0)).sqrt()
        result.channels = list(self.channels or map(str, range(mean.shape[1])))
        result.flat = int(values["flat"].sum())
        for q in self.harmonics.periods:
            large = int((values["gain"][:, self.harmonics.of(q)][:, 0] > 0).sum())
            if large < MINIMUM_IMAGES:
                result.unmeasured[q] = (
                    f"needs at least {MINIMUM_IMAGES} images of at least {smallest(q)} px, has {large}"
                )
        if len(result.unmeasured) < len(self.harmonics.periods):
            coefficient, beside = (
                torch.view_as_complex(values[name].contiguous()) for name in ("coefficient", "beside")
            )
            result.pattern = fixed_pattern(
                coefficient, self.harmonics, rolls, values["gain"], beside=(beside, values["aside"])
            )
        return result
