from pathlib import Path

import pytest
import torch

from models.tasks.costs import incidents
from models.tasks.generation import watch
from models.tasks.generation.task import GAN
from models.tasks.generation.watch import GANWatch, spread
from tests.models.tasks.tiny_runs import EPOCHS, build, train

WON = "the discriminator has won: its loss stayed below 0.01 for 100 steps up to step 100"


def test_the_spread_is_the_mean_distance() -> None:
    images = torch.zeros(3, 1, 1, 2)
    images[1] = torch.tensor([3.0, 4.0])  # 5 from the others, which are alike
    assert spread(images) == pytest.approx(10 / 3)


def test_a_discriminator_has_won_after_a_hundred_steps_without_loss_in_a_row(
    capsys: pytest.CaptureFixture[str],
) -> None:
    watch, resumed, unbounded = GANWatch(True), GANWatch(True), GANWatch(False)
    for step in range(1, 301):
        loss = torch.tensor(0.5 if step == 150 else 0.001)
        watch.see_loss(loss, step)
        unbounded.see_loss(loss, step)
        if step == 60:
            resumed.load_state_dict(watch.state_dict())
        if step > 60:
            resumed.see_loss(loss, step)
        assert (WON in watch.sentences.get("won", "")) == (step >= 100)
    assert watch.sentences == resumed.sentences
    assert not unbounded.sentences
    assert capsys.readouterr().out.count(WON) == 2  # once each
    interrupted = GANWatch(True)
    for step in range(1, 200):
        interrupted.see_loss(torch.tensor(0.5 if step == 50 else 0.001), step)
    assert not interrupted.sentences


def test_samples_have_collapsed_below_a_tenth_of_the_distance_of_real_ones() -> None:
    real = 200 * torch.rand(70, 1, 8, 8)
    for share, collapsed in ((1.0, False), (0.11, False), (0.09, True), (0.0, True)):
        watch = GANWatch(True)
        watch.see_images(100 + share * real, real, 100)
        assert ("collapsed" in watch.sentences) == collapsed
        early = GANWatch(True)
        early.see_images(100 + share * real, real, 99)
        assert not early.sentences
    watch = GANWatch(True)
    watch.see_images(real[:1], real[:1], 100)  # of one image nothing can be said
    assert not watch.sentences


def test_a_run_keeps_what_was_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "STEPS", 3)
    task = build("gan")
    assert isinstance(task, GAN)
    task.lr = 0.0  # so that the images stay as good as alike
    found = incidents(train(task, tmp_path, **EPOCHS))
    (sentence,) = found["warnings"]
    assert sentence.startswith("the samples have collapsed: at step 3 generated images lay 0.")
    assert capsys.readouterr().out.count(f"Warning: {sentence}") == 1
