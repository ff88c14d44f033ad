"""What repeats with the grid in many images alike: how large it is, with an interval, and whether it is shown at all.

Both measures, by shifting the input and on outputs alone, end in the coefficients of a pattern's harmonics in each
image. Here they are averaged, tested and told.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import lcm

import torch
from torch import Tensor

from upsample.instrument.coherence import DRAWS, Null, flips, probability
from upsample.instrument.harmonics import Harmonics

LEVEL = 0.03  # of what is called shown, so that images whose content bends the assumptions stay below 5 %
OUTSIDE = 0.05  # what an interval leaves out
MOST = 0.95  # of its power that names a pattern's period


@dataclass
class FixedPattern:
    """The pattern common to images, by channel and exclusive period. All in the images' own units.

    harmonics    the frequencies it is made of
    coefficient  (C, K) complex128, the mean over images
    rms          (C,) float64: the pattern's root mean square without what noise adds to it, of the periods that are
                 shown and their divisors, or of all where none is; low and high its 95 % interval (bootstrap over
                 images)
    by_period    (C, P) float64: the rms by exclusive period, in the order of harmonics.periods
    overall      (3,): the rms over all channels, and its interval
    limit        (C,): what the rms lies below with 95 % confidence, where no pattern is shown
    p            (C + 1, P): family-wise probability of as clear a pattern without any; the last row is of all channels
                 together. NaN where images are too few to tell
    images       that were averaged
    """

    harmonics: Harmonics
    coefficient: Tensor
    rms: Tensor
    low: Tensor
    high: Tensor
    by_period: Tensor
    overall: Tensor
    limit: Tensor
    p: Tensor
    images: int

    @property
    def shown(self) -> bool:
        """Whether there is a pattern in any channel at any period, at a family-wise level of 3 %."""
        return bool((self.p <= LEVEL).any())

    @property
    def periods(self) -> list[int]:
        """The periods whose own harmonics are shown, longest first."""
        shown = (self.p <= LEVEL).any(0).tolist()
        return sorted((q for q, yes in zip(self.harmonics.periods, shown, strict=True) if yes), reverse=True)

    @property
    def period(self) -> int:
        """Of the pattern as a whole, to MOST of its power, over the periods that are shown; 1 where none is."""
        power = self.by_period.square().sum(0)
        shown = sorted(self.periods, key=lambda q: -power[self.harmonics.periods.index(q)].item())
        whole = sum(power[self.harmonics.periods.index(q)].item() for q in shown)
        told, found = 0.0, 1
        for q in shown:
            if told >= MOST * whole:
                break
            told, found = told + power[self.harmonics.periods.index(q)].item(), lcm(found, q)
        return found

    @property
    def tested(self) -> bool:
        """Whether there were images enough to tell, at any period."""
        return not bool(self.p.isnan().all())

    def share(self, deviation: Tensor) -> float | None:
        """The rms over all channels as a share of the deviation (C,) over all channels; None where that is 0."""
        whole = deviation.square().mean().sqrt().item()
        return self.overall[0].item() / whole if whole else None

    def worst(self, deviation: Tensor) -> tuple[int, float] | None:
        """The channel with the largest rms as a share of its own deviation (C,), and that share."""
        shares = torch.where(deviation > 0, self.rms / deviation.clamp_min(1e-300), 0)
        return (int(shares.argmax()), shares.max().item()) if deviation.any() else None

    def scores(self, deviation: Tensor) -> dict[str, float]:
        """What was found as plain numbers, for images of this deviation (C,).

        `fixed` is the rms over all channels, with `/low` and `/high` (95 %), and `/share` of the deviation;
        `fixed/worst` the largest share in a channel; `fixed/p2` ... the rms by exclusive period; `fixed/period` of the
        pattern as a whole, 1 where none is shown; `fixed/probability` the family-wise one of as clear a pattern
        without any; `fixed/limit` what the rms of every channel lies below. What is not known is left out.
        """
        scores = dict(zip(("fixed", "fixed/low", "fixed/high"), self.overall.tolist(), strict=True))
        share, worst = self.share(deviation), self.worst(deviation)
        if share is not None and worst is not None:
            scores |= {"fixed/share": share, "fixed/worst": worst[1]}
        for q, power in zip(self.harmonics.periods, self.by_period.square().mean(0).tolist(), strict=True):
            scores[f"fixed/p{q}"] = power**0.5
        scores["fixed/limit"] = self.limit.max().item()
        if self.tested:
            known = self.p[~self.p.isnan()]
            scores |= {"fixed/period": float(self.period), "fixed/probability": known.min().item()}
        return scores

    def drawn(self, size: int, periods: Sequence[int] | None = None) -> Tensor:
        """(C, size, size) float64: the mean pattern itself, of the harmonics of these periods (None: of all)."""
        kept = torch.ones_like(self.harmonics.period, dtype=torch.bool)
        if periods is not None:
            kept = torch.isin(self.harmonics.period, torch.tensor(list(periods)))
        return self.harmonics.draw(torch.where(kept, self.coefficient, 0), size)


def fixed_pattern(
    coefficients: Tensor,
    harmonics: Harmonics,
    null: Null,
    gain: Tensor | None = None,
    beside: tuple[Tensor, Tensor] | None = None,
    floor: Tensor | None = None,
) -> FixedPattern:
    """Average, test and size the pattern of images.

    coefficients  (N, C, K) complex, of each image, as `Harmonics.read` gives them
    gain          (N, K): what share of the pattern each coefficient holds; None: all of it
    null          `rolls` or `flips`
    beside        what the images have beside each harmonic: coefficients (N, C, K, 4 * J) at J frequencies in each of
                  four directions, and how far aside those are, (N, P, 4 * J, 2), by period. A pattern must stand above
                  what the images have in common there, too, such as an outline that all of them share

    floor         (C,): a pattern of a smaller rms is not told from what else makes one, and so not shown

    The rms is unbiased before its root is taken: only products of different images enter it. Raises ValueError for
    fewer than two images.
    """
    count = len(coefficients)
    if count < 2:
        raise ValueError(f"a fixed pattern is what images have in common, so it takes at least two, not {count}")
    z = coefficients.to(torch.complex128).cpu()
    gain = torch.ones(count, z.shape[2], dtype=torch.float64) if gain is None else gain.double().cpu()
    generator = torch.Generator().manual_seed(0)
    total = gain.sum(0)
    pairs = (total.square() - gain.square().sum(0)) / (count * (count - 1))  # 1 where every gain is 1
    seen = pairs > 1e-6  # harmonics that the shifts chosen cannot tell are left out
    coefficient = torch.where(seen, z.sum(0) / total.clamp_min(1e-12), 0)
    scaled = torch.where(seen, z / pairs.clamp_min(1e-12).sqrt(), 0) * harmonics.multiple.sqrt()

    bands = [harmonics.of(q) for q in harmonics.periods]
    gram = torch.stack([_gram(scaled[..., band]) for band in bands], 1)  # (C, P, N, N)
    once = torch.ones(1, count, dtype=torch.float64)
    by_period = _root(_cross(gram, once)[..., 0])
    floor = torch.zeros(z.shape[1], dtype=torch.float64) if floor is None else floor.double().cpu()
    above = by_period > floor[:, None]
    p = probability(z, harmonics, gain, null, beside, generator)
    p = torch.where(p.isnan() | torch.cat([above, above.any(0, keepdim=True)]), p, 1)
    shown = [q for q, yes in zip(harmonics.periods, (p <= LEVEL).any(0).tolist(), strict=True) if yes]
    # Parts at shorter periods belong to the pattern, shown or not, and those at others do not.
    told = torch.tensor([lcm(*shown) % q == 0 for q in harmonics.periods])
    whole = gram.sum(1)
    kept = gram[:, told].sum(1) if told.any() else whole
    power, spread = _cross(kept, once)[..., 0], _cross(kept, _resampled(count, generator))
    low, high = _interval(spread)
    every = _interval(_cross(whole, _resampled(count, generator)))[1]
    nothing = _cross(whole, flips(DRAWS, once.T, torch.zeros(count, 0, 0, 2), generator)[0][0].real.double())
    return FixedPattern(
        harmonics,
        coefficient,
        _root(power),
        low,
        high,
        by_period,
        torch.stack([_root(power.mean()), *_interval(spread.mean(0))]),
        torch.stack([every, _root(nothing.quantile(1 - OUTSIDE, -1)), floor]).amax(0),
        p,
        count,
    )


def interval_of_mean(values: Tensor, seed: int = 0) -> Tensor:
    """(3,) float64: the mean of values (N,), and its 95 % interval (bootstrap)."""
    drawn = _resampled(len(values), torch.Generator().manual_seed(seed)) @ values / len(values)
    ends = drawn.quantile(torch.tensor([OUTSIDE / 2, 1 - OUTSIDE / 2], dtype=drawn.dtype))
    return torch.cat([values.mean()[None], ends])


def _resampled(count: int, generator: torch.Generator) -> Tensor:
    """(DRAWS, count) float64: how often each of `count` images is drawn in samples of as many."""
    again = torch.multinomial(torch.ones(count), count * DRAWS, replacement=True, generator=generator)
    return torch.nn.functional.one_hot(again.view(DRAWS, count), count).sum(1).double()


def _gram(x: Tensor) -> Tensor:
    """(C, N, N): real products of the images' patterns (N, C, K)."""
    flat = torch.view_as_real(x).movedim(1, 0).flatten(2)
    return flat @ flat.mT


def _cross(gram: Tensor, weights: Tensor) -> Tensor:
    """(..., D): the weighted mean of the products of different images, gram (..., N, N), for weights (D, N)."""
    diagonal = gram.diagonal(dim1=-2, dim2=-1)
    square = torch.einsum("...dn,dn->...d", weights @ gram, weights) - diagonal @ weights.square().T
    pairs = weights.abs().sum(1).square() - weights.square().sum(1)
    return square / pairs.clamp_min(1)  # 0 / 0 where one image was drawn every time


def _root(power: Tensor) -> Tensor:
    return power.clamp_min(0).sqrt()


def _interval(spread: Tensor) -> tuple[Tensor, Tensor]:
    low, high = spread.quantile(torch.tensor([OUTSIDE / 2, 1 - OUTSIDE / 2], dtype=spread.dtype), -1)
    return _root(low), _root(high)
