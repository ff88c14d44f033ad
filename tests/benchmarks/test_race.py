"""Two networks race to a score: the clock stops where it is reached, and both begin alike."""

from pathlib import Path

import pytest
import torch

from benchmarks.training import race
from benchmarks.training.turns import built
from models.networks.depthwise import Depthwise
from tests.tiny import UNET


@pytest.mark.parametrize(("score", "ended"), [(0.0, True), (1.1, False)])
def test_a_race_ends_where_its_score_is_reached(score: float, ended: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    few = [*UNET, "data.batch_size=4", "trainer.max_epochs=1", "data.test_crop=64", "+trainer.limit_train_batches=4"]
    tiny = race.Race("tiny", lambda seed: built(*few, seed=seed), lambda seed: built(*few, seed=seed), "val", score, 2)
    monkeypatch.setattr(race, "races", lambda _: [tiny])
    (line,) = race.race(None, 1)
    if ended:
        assert 0 < line.median < 100
    else:
        assert line.note == "inf s against inf s"


def test_smp_races_on_camvid_from_the_same_weights(camvid: Path) -> None:
    _, ours, _ = race.recipe(str(camvid), 0)
    _, theirs, _ = race.recipe_of_smp(str(camvid), 0)
    own, peer = (dict(task.network.encoder.named_parameters()) for task in (ours, theirs))
    first = next(name for name in own if name.endswith("conv_stem.weight"))
    assert torch.equal(own[first], peer[first.replace("body.", "model.")])
    assert not any(isinstance(module, Depthwise) for module in theirs.network.modules())
    assert theirs.network.eval()(torch.zeros(1, 3, 64, 64)).shape == (1, 11, 64, 64)
