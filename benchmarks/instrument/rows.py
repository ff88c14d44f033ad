"""The rows of the calibration: what is tried, the target, and what was measured."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from statistics import median

import torch
import torch.nn.functional as F
from scipy.stats import beta
from torch import Tensor, nn

from benchmarks.instrument.images import contents, noise, photographs
from benchmarks.instrument.patterns import scattered
from benchmarks.instrument.trials import PERIODS, Answer, Trial, answers
from upsample.algebra.polyphase import polyphase
from upsample.instrument.shifts import GridByShifting, ShiftResult

ALL_PERIODS = tuple(range(2, 17))  # what `python -m upsample inspect` looks for
SHAPES = ("scattered", "lines", "diagonal")
PLACES = {  # where a pattern is planted: its share of the standard deviation, and channels
    "everywhere": (0.01, 0),
    "one channel": (0.02, 21),
    "a sixth of the area": (0.05, 0),
    "half of the images": (0.02, 0),
}
SMALL = 128  # pixels a side of the images without a grid, so that many sets can be tried
AMOUNTS = (0.005, 0.01, 0.02, 0.03, 0.05, 0.08, 0.12)  # tried for the smallest that is found


@dataclass(frozen=True)
class Row:
    """What was tried and what came of it; reached is None where there is no target."""

    tried: str
    target: str
    measured: str
    reached: bool | None
    note: str = ""


def upper(hits: int, trials: int) -> float:
    """The one-sided upper 95 % limit of a share (Clopper & Pearson, 1934)."""
    return 1.0 if hits == trials else float(beta.ppf(0.95, hits + 1, trials - hits))


def share(found: list[Answer]) -> float:
    """Of the trials in which a grid was shown."""
    return sum(each.shown for each in found) / len(found)


def false_alarms(photos: Path | None, trials: int) -> Iterator[Row]:
    """Images without a grid."""
    tried: list[tuple[str, tuple[int, ...]]] = [(name, PERIODS) for name in contents(photos)]
    tried += [(name, ALL_PERIODS) for name in ("1/f noise", "photographs") if name in contents(photos)]
    for name, periods in tried:
        found = answers([Trial(name, seed, photos, periods=periods, side=SMALL) for seed in range(trials)])
        hits = sum(each.shown for each in found)
        limit = upper(hits, trials)
        yield Row(
            f"no grid: {name}" + (", periods 2 to 16" if periods == ALL_PERIODS else ""),
            "≤ 5 %, limit ≤ 9 %",
            f"{100 * hits / trials:.1f} % of {trials}, limit {100 * limit:.1f} %",
            hits <= 0.05 * trials and limit <= 0.09,
        )


def planted(photos: Path | None, trials: int) -> Iterator[Row]:
    """A pattern in noise and in photographs: how often it is found."""
    for name in [name for name in ("1/f noise", "photographs") if name in contents(photos)]:
        for where, (amount, channels) in PLACES.items():
            cases = list(product(PERIODS, SHAPES))
            tried = [
                Trial(name, 1000 + seed, photos, amount, period, shape, where, channels)
                for seed in range(-(-trials // len(cases)))
                for period, shape in cases
            ]
            found = answers(tried)
            by_period = {q: share([a for a, t in zip(found, tried, strict=True) if t.period == q]) for q in PERIODS}
            least = min(by_period, key=lambda q: by_period[q])
            what = f"{100 * amount:.0f} % of SD, {where}" + (f" of {channels}" if channels else "")
            yield Row(
                f"a grid in {name}: {what}",
                "found ≥ 95 %",
                f"{100 * share(found):.1f} % of {len(tried)}",
                share(found) >= 0.95,
                f"least at period {least}: {100 * by_period[least]:.0f} %",
            )


def amounts(photos: Path | None, trials: int) -> Iterator[Row]:
    """How large patterns of 1 % are said to be. Each trial has images of its own: three shapes in the same images go
    wrong together, and a median of few sets says little at period 16, where images have much of their own."""
    for name in [name for name in ("1/f noise", "photographs") if name in contents(photos)]:
        for periods in (PERIODS[:-1], PERIODS[-1:]):
            cases = list(product(periods, SHAPES))
            tried = [
                Trial(name, 5000 + number, photos, 0.01, *cases[number % len(cases)])
                for number in range(-(-trials // len(cases)) * len(cases))
            ]
            span = f"{periods[0]}" + (f" to {periods[-1]}" if len(periods) > 1 else "")
            seen = [each for each in answers(tried) if each.shown]
            if not seen:
                continue
            middle = median(each.amount for each in seen)
            inside = sum(each.low <= 1 <= each.high for each in seen) / len(seen)
            spread = torch.tensor([each.amount for each in seen]).quantile(torch.tensor([0.05, 0.95])).tolist()
            yield Row(
                f"its amount, period {span}, in {name}",
                "within 10 %",
                f"{middle:.3f} of what was planted, median of {len(seen)}",
                abs(middle - 1) <= 0.1,
                f"nine in ten between {spread[0]:.2f} and {spread[1]:.2f}; 95 % intervals hold it in "
                f"{100 * inside:.0f} %",
            )


def smallest_found(photos: Path | None, trials: int) -> Iterator[Row]:
    """Where content is hard: the smallest amount that is found nineteen times in twenty."""
    for name, shapes, periods in (
        ("rectangles, sharp", SHAPES, PERIODS),
        ("1/f noise", ("wave",), (16,)),
        ("photographs", ("wave",), (16,)),
    ):
        if name not in contents(photos):
            continue
        cases = list(product(periods, shapes))
        for amount in AMOUNTS:
            found = answers(
                [
                    Trial(name, 2000 + seed, photos, amount, period, shape)
                    for seed in range(-(-trials // len(cases)))
                    for period, shape in cases
                ]
            )
            if share(found) >= 0.95:
                break
        what = "one cosine of period 16" if shapes == ("wave",) else "any shape and period"
        measured = f"{100 * amount:g} % of SD, found {100 * share(found):.0f} % of {len(found)}"
        yield Row(f"smallest grid found in {name}: {what}", "", measured, None)


def enlarged(mode: str, factor: int) -> Callable[[Tensor], Tensor]:
    """A network that reduces, smoothly, and enlarges again."""

    def network(x: Tensor) -> Tensor:
        small = F.interpolate(x, scale_factor=1 / factor, mode="bicubic", antialias=True)
        return F.interpolate(small, scale_factor=factor, mode=mode)

    return network


def shifted(network: Callable[[Tensor], Tensor], images: Tensor, period: int) -> ShiftResult:
    """The causal measure."""
    metric = GridByShifting(period)
    metric.update(network, images)
    return metric.result()


def by_shifting(photos: Path | None, trials: int) -> Iterator[Row]:
    """The causal measure where the answer is known."""
    torch.manual_seed(0)
    make = photographs(photos) if photos is not None else noise
    images = make(16, 256, torch.Generator().manual_seed(0)).mean(1, keepdim=True)
    content = {}
    for mode, factor in (("nearest", 2), ("nearest", 8), ("bilinear", 2)):
        found = shifted(enlarged(mode, factor), images, factor)
        assert found.content_interval is not None
        assert found.pattern is not None
        assert found.deviation is not None
        content[mode, factor] = found.content_interval[0].item()
        whole = found.deviation.square().mean().sqrt().item()
        yield Row(
            f"by shifting: {mode} x{factor} of {'photographs' if photos else '1/f noise'}",
            "content-locked" if mode == "nearest" else "",
            f"content-locked {100 * content[mode, factor] / whole:.2g} % of SD, "
            f"fixed {100 * found.pattern.overall[0].item() / whole:.2g} %",
            content[mode, factor] > 10 * found.pattern.overall[0].item() if mode == "nearest" else None,
        )
    ratio = (content["nearest", 2] / content["bilinear", 2]) ** 2
    yield Row("by shifting: power of nearest x2 over bilinear x2, content-locked", "≥ 10", f"{ratio:.1f}", ratio >= 10)
    yield linear()
    hits, largest = 0, 0.0
    for seed in range(trials):
        random = torch.Generator().manual_seed(seed)
        layers = nn.Sequential(nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.Conv2d(6, 2, 3, padding=1))
        with torch.no_grad():
            found = shifted(layers, noise(8, 96, random) / 50, 4)
        assert found.pattern is not None
        assert found.total is not None
        assert found.deviation is not None
        hits += found.pattern.shown
        largest = max(largest, (found.total / found.deviation).max().item())
    yield Row(
        "by shifting: a shift-equivariant network",
        "0 to rounding",
        f"{largest:.1g} of SD at most in {trials}, {hits} shown",
        hits == 0 and largest < 1e-5,
    )
    yield from stairs_and_pattern(trials)


def linear() -> Row:
    """Constants through a linear layer, whose phases' answers are exact algebra."""
    worst = 0.0
    for stride in (2, 3, 4, 8):
        layer = nn.ConvTranspose2d(2, 3, stride + 2, stride=stride, padding=1).double()
        levels = torch.rand(8, 2, dtype=torch.float64)
        images = levels[:, :, None, None].expand(-1, -1, 96, 96)

        def network(x: Tensor, s: int = stride, layer: nn.Module = layer) -> Tensor:
            return layer(x[..., ::s, ::s])

        with torch.no_grad():
            metric = GridByShifting(stride, shifts=stride**2)
            metric.update(network, images)
            found = metric.result().pattern
        assert found is not None
        exact = torch.zeros(3, stride, stride, dtype=torch.float64)
        for (a, b), part in polyphase(layer).phases.items():
            assert part.bias is not None
            exact[:, a, b] = part.kernel.sum((2, 3)) @ levels.mean(0) + part.bias
        exact -= exact.mean((1, 2), keepdim=True)
        worst = max(worst, (found.drawn(stride) - exact).abs().max().item())
    return Row(
        "by shifting: linear layers, strides 2, 3, 4, 8, against polyphase", "≤ 1e-6", f"{worst:.1g}", worst <= 1e-6
    )


def stairs_and_pattern(trials: int) -> Iterator[Row]:
    """Content-locked error alone, and with a pattern of a hundredth of the deviation."""
    for share_of_sd in (0.0, 0.01):
        hits, ratios = 0, []
        for seed in range(trials):
            random = torch.Generator().manual_seed(seed)
            pattern = share_of_sd * scattered(4, random)
            stairs = enlarged("nearest", 4)

            def network(x: Tensor, pattern: Tensor = pattern, stairs: Callable[[Tensor], Tensor] = stairs) -> Tensor:
                return stairs(x) + pattern.repeat(x.shape[-2] // 4, x.shape[-1] // 4)

            found = shifted(network, noise(16, 160, random) / 50, 4).pattern
            assert found is not None
            hits += found.shown
            ratios.append(found.overall[0].item() / share_of_sd if share_of_sd else 0.0)
        if not share_of_sd:
            limit = upper(hits, trials)
            yield Row(
                "by shifting: no pattern, nearest x4 of 1/f noise",
                "≤ 5 %, limit ≤ 9 %",
                f"{100 * hits / trials:.1f} % of {trials}, limit {100 * limit:.1f} %",
                hits <= 0.05 * trials and limit <= 0.09,
            )
        else:
            yield Row(
                "by shifting: a pattern of 1 % of SD beside that",
                "found ≥ 95 %, amount within 10 %",
                f"{100 * hits / trials:.1f} % of {trials}, {median(ratios):.3f} of what was planted",
                hits >= 0.95 * trials and abs(median(ratios) - 1) <= 0.1,
            )
