"""callbacks.compile, in training alone."""

from functools import partial
from pathlib import Path

import pytest
import torch
import torch._inductor.config

from models.training.task import Task
from tests.models.tasks.tiny_runs import EPOCHS, Dropping, build, train

STEP_AND_VALIDATION = {"max_epochs": -1, "max_steps": 3, "check_val_every_n_epoch": None, "val_check_interval": 2}


@pytest.mark.parametrize("kind", ["segmentation", "super_resolution", "gan"])
def test_training_goes_through_compiled_forms_and_validation_does_not(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend="aot_eager"))  # a second instead of twenty
    # Compiled, it would draw other random numbers.
    monkeypatch.setattr(Dropping, "forward", lambda self, x: self.layer[3](self.layer[:2](x)))
    plain, compiled = build(kind), build(kind)
    seen: dict[str, set[bool]] = {"training": set(), "validation": set()}
    for network in compiled.trained():
        network.register_forward_pre_hook(
            lambda module, _: seen["training" if torch.is_grad_enabled() else "validation"].add(
                "forward" in vars(module)
            )
        )
    train(plain, tmp_path / "plain", **STEP_AND_VALIDATION)
    trainer = train(compiled, tmp_path / "compiled", **STEP_AND_VALIDATION, compile=True)
    assert trainer.global_step == 3
    assert seen["training"] == {True}
    assert seen["validation"] <= ({True, False} if kind == "gan" else {False})  # a critic's fakes are without gradient
    assert not any("forward" in vars(module) for module in compiled.modules())
    written = compiled.state_dict()
    for key, value in plain.state_dict().items():
        torch.testing.assert_close(written[key], value, rtol=1e-4, atol=1e-5, msg=key)


def test_what_cannot_be_compiled_is_said_in_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXX", "no-such-compiler")
    monkeypatch.setattr(torch._inductor.config.cpp, "cxx", (None, "no-such-compiler"))
    task: Task = build("super_resolution")
    with pytest.raises(ValueError, match=r"callbacks.compile=true: torch cannot compile this network \(.*compiler"):
        train(task, tmp_path, **EPOCHS, compile=True)
    assert not any("forward" in vars(module) for module in task.modules())
