"""A small version of every row of the calibration: the whole of it is `python -m benchmarks instrument`."""

from pathlib import Path

import pytest
import torch

from benchmarks.instrument import rows
from benchmarks.instrument.images import contents, noise
from benchmarks.instrument.patterns import PATTERNS, plant
from benchmarks.instrument.roc import curve
from benchmarks.instrument.trials import Answer, Trial, answer
from upsample.instrument.outputs import GridInOutputs

PHOTOS = Path(__file__).parents[3] / "shared" / "data" / "photos" / "bsd100"
NAMES = list(contents(Path()))


@pytest.mark.parametrize("name", NAMES)
def test_contents_without_a_grid_show_none(name: str) -> None:
    if "photographs" in name and not PHOTOS.is_dir():
        pytest.skip("needs the photographs of BSD100, which are not part of this project, in ../shared/data")
    make = contents(PHOTOS)[name]
    shown = []
    for seed in range(3):
        metric = GridInOutputs([8, 4, 3, 2])
        metric.update(make(12, 128, torch.Generator().manual_seed(seed)))
        found = metric.result().pattern
        assert found is not None
        shown.append(found.shown)
    assert sum(shown) <= 1  # one in twenty is shown by chance


@pytest.mark.parametrize("where", rows.PLACES)
def test_planted_patterns_are_found(where: str) -> None:
    amount, channels = rows.PLACES[where]
    for shape in rows.SHAPES:
        trial = Trial("1/f noise", 1, None, 1.5 * amount, 4, shape, where, min(channels, 6), (8, 4, 2), 192)
        assert answer(trial).shown


@pytest.mark.parametrize("shape", PATTERNS)
def test_patterns_have_rms_one_and_lie_where_they_should(shape: str) -> None:
    pattern = PATTERNS[shape](8, torch.Generator().manual_seed(0))
    assert pattern.square().mean().item() == pytest.approx(1)
    assert pattern.mean().item() == pytest.approx(0, abs=1e-6)
    blank = torch.zeros(4, 5, 96, 96)
    assert plant(blank, pattern, 2.0).square().mean().item() == pytest.approx(4)
    assert plant(blank, pattern, 2.0, "one channel").abs().amax((0, 2, 3)).count_nonzero() == 1
    assert plant(blank, pattern, 2.0, "half of the images").abs().amax((1, 2, 3)).count_nonzero() == 2
    covered = plant(blank, torch.ones(8, 8), 1.0, "a sixth of the area").mean().item()
    assert covered == pytest.approx(1 / 6, rel=0.05)


def test_images_of_noise_are_independent() -> None:
    """The mean of sixteen has a sixteenth of their power at every frequency, along the axes as well."""
    images = noise(512, 64, torch.Generator().manual_seed(0))[:, 0]
    along = torch.fft.fft2(images)[:, 4:32:2, 0]
    ratio = 16 * along.unflatten(0, (-1, 16)).mean(1).abs().square().mean(0) / along.abs().square().mean(0)
    assert ratio.mean().item() == pytest.approx(1, abs=0.2)


def test_amounts_are_told_of_each_period(monkeypatch: pytest.MonkeyPatch) -> None:
    def exact(trials: list[Trial]) -> list[Answer]:
        assert len({trial.seed for trial in trials}) == len(trials) == 12
        assert {trial.share for trial in trials} == {0.01}
        return [Answer(True, 0.002, 1 + 0.01 * trial.period, 0.9, 1.1, 0) for trial in trials]

    monkeypatch.setattr(rows, "answers", exact)
    short, long = rows.amounts(None, 12)
    assert short.tried == "its amount, period 2 to 8, in 1/f noise"
    assert long.tried == "its amount, period 16, in 1/f noise"
    assert short.measured == "1.035 of what was planted, median of 12"
    assert (short.reached, long.reached) == (True, False)


def test_rows_by_shifting_reach_their_targets() -> None:
    found = list(rows.by_shifting(None, 8))
    # Of eight trials none may be a false alarm, whose limit is far above its target then.
    assert [row.tried for row in found if row.reached is False and not row.measured.startswith("0.0 % of 8")] == []
    assert len(found) == 8


def test_the_upper_limit_of_a_share() -> None:
    assert rows.upper(0, 200) == pytest.approx(1 - 0.05 ** (1 / 200))
    assert rows.upper(10, 200) == pytest.approx(0.0831, abs=1e-3)
    assert rows.upper(5, 5) == 1


def test_a_curve_of_finds_against_false_alarms_by_hand() -> None:
    assert curve([1.0, 2.0], [2.0, 3.0]) == ([0, 0, 0.5, 1], [0, 0.5, 1, 1])


def test_a_share_counts_what_is_shown() -> None:
    some = [Answer(shown, 0.5, 1, 1, 1, 1) for shown in (True, False, False, True)]
    assert rows.share(some) == 0.5
    assert noise(3, 32, torch.Generator().manual_seed(0)).std().item() == pytest.approx(50, rel=0.1)
