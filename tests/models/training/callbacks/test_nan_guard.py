"""Networks that give numbers that are not finite."""

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from models.tasks.costs import incidents
from models.tasks.generation.task import GAN
from models.training.callbacks.nan_guard import NaNGuard
from models.training.task import Task
from tests.models.tasks.tiny_runs import EPOCHS, assert_same, assert_same_end, build, train, train_until


def poison(task: Task) -> str:
    """Have the first convolution that sees real images give infinity for the white one, then NaN; its name."""
    network = task.network.discriminator if isinstance(task, GAN) else task.network
    chosen = next(module for module in network.modules() if isinstance(module, nn.Conv2d))

    def hook(_: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
        return output * torch.where(inputs[0].flatten(1).std(1) == 0, torch.inf, 1.0)[:, None, None, None]

    chosen.register_forward_hook(hook)
    return next(name for name, module in task.named_modules() if module is chosen)


@pytest.mark.parametrize("kind", ["segmentation", "super_resolution", "gan"])
@pytest.mark.parametrize("minutes", [0, 60])
def test_a_step_that_goes_bad_is_not_applied_and_says_where_and_on_what(
    kind: str, minutes: float, tmp_path: Path
) -> None:
    sound, bad = tmp_path / "sound", tmp_path / "bad"
    train_until(2, build(kind), sound, **EPOCHS)  # two steps, the second of which last.ckpt keeps
    task = build(kind)
    name = poison(task)
    sentence = (
        f"step 3 gave numbers that are not finite, first in {name}, on the images 5, 11, 10, 7; it was not applied"
    )
    with pytest.raises(ValueError, match=sentence):
        train(task, bad, checkpoint_minutes=minutes, **EPOCHS)
    expected = torch.load(sound / "last.ckpt", weights_only=True)["state_dict"]
    found = dict(task.named_parameters()) if minutes else torch.load(bad / "last.ckpt", weights_only=True)["state_dict"]
    for key in found:
        # In memory the GAN's average goes on towards weights that stay, and its discriminator took the first half
        # of the step, which was sound.
        if not (minutes and kind == "gan" and key.startswith("network.")):
            assert torch.equal(found[key], expected[key]), key
    assert (bad / "last.ckpt").exists() != bool(minutes)


def test_a_bad_step_is_found_among_the_batches_it_was_gathered_from(tmp_path: Path) -> None:
    task = build("segmentation")
    name = poison(task)
    options = {"max_epochs": -1, "max_steps": 8, "check_val_every_n_epoch": None, "val_check_interval": 100}
    sentence = f"step 2 gave numbers that are not finite, first in {name}, on the images 5, 11, 10, 7; "
    with pytest.raises(ValueError, match=sentence):
        train(task, tmp_path, checkpoint_minutes=60, accumulate_grad_batches=2, **options)
    assert task.trainer.global_step == 8  # where it was looked for


def test_steps_of_sound_numbers_are_those_of_the_bare_optimiser() -> None:
    gradient, weights = torch.randn(50), []
    for masked in (False, True):
        weight = nn.Parameter(torch.linspace(-1, 1, 50))
        optimiser = torch.optim.AdamW([weight], 1e-2, fused=True)
        for step in range(5):
            weight.grad = gradient * (step - 1)
            if masked:
                NaNGuard(Path())._mask(optimiser)
            optimiser.step()
        weights.append(weight.detach())
    assert torch.equal(*weights)


def buffers_are_finite(path: Path) -> bool:
    weights = torch.load(path, weights_only=True)["state_dict"]
    return all(bool(value.isfinite().all()) for value in weights.values())


@pytest.mark.parametrize("kind", ["segmentation", "super_resolution", "gan"])
@pytest.mark.parametrize("on_nan", ["skip", "lower_lr"])
def test_a_bad_step_can_be_skipped_and_is_counted_also_where_the_run_was_interrupted(
    kind: str, on_nan: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    task, plain = build(kind), build(kind)
    poison(task)
    running = train(task, whole, on_nan=on_nan, **EPOCHS)
    assert incidents(running) == {"steps_not_applied": 3}  # one an epoch
    assert "Step 3 gave numbers that are not finite, on the images 5, 11, 10, 7: skipped" in capsys.readouterr().out
    assert buffers_are_finite(whole / "last.ckpt")
    healthy = train(plain, tmp_path / "healthy", **EPOCHS)
    assert incidents(healthy) == {}
    rates = [group["lr"] for optimiser in running.optimizers for group in optimiser.param_groups]
    expected = [group["lr"] for optimiser in healthy.optimizers for group in optimiser.param_groups]
    assert rates == pytest.approx([rate / (2 if on_nan == "lower_lr" else 1) for rate in expected])
    for step in (3, 5, 8):
        task = build(kind)
        poison(task)
        train_until(step, task, parts, on_nan=on_nan, **EPOCHS)
    task = build(kind)
    poison(task)
    assert incidents(train(task, parts, on_nan=on_nan, **EPOCHS)) == {"steps_not_applied": 3}
    assert_same_end(whole, parts)


def test_a_skipped_step_leaves_all_that_training_keeps_as_it_was(tmp_path: Path) -> None:
    task = build("segmentation")
    poison(task)
    train_until(3, task, tmp_path / "bad", on_nan="skip", **EPOCHS)
    train_until(2, build("segmentation"), tmp_path / "sound", **EPOCHS)
    bad, sound = (torch.load(tmp_path / each / "last.ckpt", weights_only=True) for each in ("bad", "sound"))
    for key, value in sound["state_dict"].items():
        assert torch.equal(bad["state_dict"][key], value), key
    assert_same(bad["optimizer_states"][0]["state"], sound["optimizer_states"][0]["state"])


def test_what_goes_bad_for_good_is_not_skipped_for_ever(tmp_path: Path) -> None:
    task = build("segmentation")
    next(task.network.parameters()).register_hook(lambda gradient: gradient * torch.inf)
    sentence = "step 1 gave numbers that are not finite, first in .*, nor were the 7 after it, and"
    with pytest.raises(ValueError, match=sentence):
        train(task, tmp_path, on_nan="skip", **EPOCHS)


def test_choices_that_do_not_exist_or_do_nothing_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"callbacks.on_nan is 'go on', .* choose from stop, skip, lower_lr"):
        train(build("segmentation"), tmp_path, on_nan="go on", **EPOCHS)
