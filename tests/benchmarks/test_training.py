"""Every loop that the trainer's steps are compared with takes steps, and those that train learn."""

from itertools import repeat
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from torch import nn

from benchmarks.measure import seconds
from benchmarks.profile import OneStep
from benchmarks.training import encoders, lightning, peers, roofline, steps
from benchmarks.training.turns import WARM, Clock, InTurns, Loop, against, built, steps_alone, train

TINY = ["encoder.width=4", "encoder.depth=2", "data.crop=64", "data.step=256", "data.batch_size=2"]
TINY_GAN = ["model=dcgan", "model.width=4", "upsample=deconv", "data.step=256", "task.batch_size=4"]
LOOPS: dict[str, tuple[list[str], list[Loop]]] = {
    "framework": (TINY, [peers.bare_loop, peers.loop_with_norm, peers.fed_loop]),
    "unet": (TINY, [peers.smp_loop, peers.smp_at_its_best]),
    "dcgan": ([*TINY_GAN, "model.size=64"], [peers.textbook_dcgan]),
}


@pytest.mark.parametrize("name", LOOPS)
def test_loops_take_turns_with_the_trainer(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    overrides, loops = LOOPS[name]
    turns = against(overrides, loops, rounds=2, turn=1)
    assert len(turns.ours) == 2
    assert [len(each) for each in turns.theirs] == [2] * len(loops)
    monkeypatch.setattr(steps, "against", lambda *_, **__: turns)
    for line in getattr(steps, name)(2):
        assert len(line.ratios) == 2


def test_the_loop_by_hand_learns_the_batch_it_sees() -> None:
    _, task, module = built(*TINY)
    batch = peers.prepared(task, next(iter(module.train_dataloader())))
    seen: list[float] = []

    class Watched(nn.Module):
        def forward(self, logits: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
            value = nn.functional.cross_entropy(logits, mask.clamp(max=2))
            seen.append(value.item())
            return value

    class Toy:
        network, loss = task.network, Watched()

    seconds(peers.by_hand(Toy, repeat(batch)), 20)
    assert seen[-1] < seen[0]


def test_an_encoder_is_compared_with_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encoders, "SHAPE", (2, 3, 64, 64))
    (line,) = encoders.encoders(2)
    assert len(line.ratios) == 2
    assert "2 x 3 x 64 x 64" in line.note


def test_a_clock_times_the_steps_of_a_plain_training_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lightning, "TURN", 2)
    monkeypatch.setattr(lightning, "built", lambda: built(*TINY))
    (line,) = lightning.lightning(1)
    assert 0 < line.median < 100


def test_a_share_of_the_machines_rate_is_arithmetic_over_time_over_rate(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(roofline, "SIDE", 64)

    class Even(InTurns):
        """As if each step had taken two milliseconds, and each product one."""

        def on_train_end(self, trainer: pl.Trainer, *_: Any) -> None:
            self.ours, self.theirs = [0.002] * 2, [[0.001] * 2]

    monkeypatch.setattr(roofline, "InTurns", Even)
    shares, note = roofline.measured(roofline.Job(tuple(TINY), 0.5, 2), rounds=2)
    operations = float(note.partition(" GFLOP")[0]) * 1e9
    assert shares == [pytest.approx(operations / 0.002 / (2 * 64**3 / 0.001), rel=0.01)] * 2
    assert note.count("%") == roofline.SHOWN


def test_one_step_is_profiled() -> None:
    options, task, module = built(*TINY)
    step, clock = OneStep(WARM), Clock()
    train(options | steps_alone(WARM + 1), task, module, [step, clock])
    backward = [each.count for each in step.profile.key_averages() if each.key == "aten::convolution_backward"]
    convolutions = sum(isinstance(each, nn.Conv2d) for each in task.network.modules())
    assert backward[0] >= convolutions
    assert clock.seconds > 0
