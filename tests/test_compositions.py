"""Random configurations are built or refused in a sentence; tests/stress/test_compositions.py draws many."""

import random
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import data
from models.tasks.build import build_task
from models.training.trainer import build_trainer
from tests.compositions import drawn, outcome
from tests.tiny import configuration


@settings(max_examples=8, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.randoms(use_true_random=False))
def test_a_configuration_is_built_or_refused_in_a_sentence(tmp_path: Path, draw: random.Random) -> None:
    overrides = drawn(draw, tmp_path)
    assert outcome(overrides, tmp_path) in ("built", "refused", "by Hydra")


@pytest.mark.parametrize(
    ("overrides", "sentence"),
    [
        ("model=espcn model.scale=1", "scale"),
        ("model=deeplab encoder.output_stride=5", "output_stride"),
        ("upsample=deconv upsample.kernel_size=1", "kernel_size=1"),
        (
            "encoder.depth=6 task.crop=32",
            "data.crop=32 holds no whole period of the network, which is 64 pixels",
        ),
        ("encoder.depth=16", "the network has .* parameters, which take .* GB of memory in training"),
        ("encoder.depth=100", "the network has more weights than any memory holds"),
        ("+upsample.nobody=1", "upsample.nobody does not exist; choose from kernel_size"),
        ("encoder.width=wide", "encoder.width must be a whole number of at least 1, not 'wide'"),
        ("task.dice=true", "task.dice must be a number of at least 0, not True"),
        ("model.channels=[a,b]", r"model.channels must be a list \(a whole number of at least 1 each\) or null, not"),
        ("callbacks.on_nan=go_on", "callbacks.on_nan is 'go_on', which does not exist"),
    ],
)
def test_what_cannot_be_is_refused_before_data_are_touched(
    overrides: str, sentence: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def touched(*_: object) -> None:
        raise AssertionError("data were touched")

    if not overrides.startswith("trainer"):  # the trainer needs to know what it trains
        monkeypatch.setattr(data, "build", touched)
    config = configuration("data.step=256", *overrides.split())
    with pytest.raises(ValueError, match=sentence):
        build_trainer(config["trainer"], tmp_path, build_task(config)[0])


def test_crops_larger_than_the_images_are_refused() -> None:
    with pytest.raises(ValueError, match="crops of 400 pixels do not fit a band of 360 pixels"):
        build_task(configuration("task.crop=400"))
