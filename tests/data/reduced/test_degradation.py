"""Blur, noise and JPEG against other libraries and their statistics; the same whoever prepares them, and when."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.transforms.functional import gaussian_blur

import data
from data.degrade_options import DegradeOptions, read_degrade
from data.loading.loaded import ReducedImages
from data.reduced.bicubic import resize, shrink, to_uint8
from data.reduced.degradation import degraded
from plumbing.options import OptionError
from tests.tiny import configuration

ALL = {"blur": [0.2, 3.0], "noise": [1.0, 30.0], "jpeg": [30, 95]}


def picture(height: int = 48, width: int = 60, seed: int = 0) -> torch.Tensor:
    coarse = np.random.default_rng(seed).integers(0, 256, (9, 9, 3), np.uint8)
    large = Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)
    return torch.from_numpy(np.array(large)).permute(2, 0, 1)


def made(options: DegradeOptions, image: torch.Tensor, scale: int = 2, seed: int = 0) -> torch.Tensor:
    return degraded(image, scale, options, np.random.default_rng(seed))


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_with_all_off_it_is_the_bicubic_reduction(scale: int) -> None:
    assert torch.equal(made(DegradeOptions(), picture(), scale), shrink(picture()[None], scale)[0])


def test_a_blur_is_the_gaussian_of_torchvision() -> None:
    """Whose border is reflected without its last pixel: so the middle is compared."""
    found = made(DegradeOptions(blur=[1.5, 1.5]), picture())
    side = 2 * int(3 * 1.5 + 0.5) + 1
    blurred = gaussian_blur(picture()[None].double(), [side, side], [1.5, 1.5])
    expected = to_uint8(resize(blurred, 24, 30))[0]
    assert torch.equal(found[:, 4:-4, 4:-4], expected[:, 4:-4, 4:-4])


def test_noise_has_the_deviation_that_was_asked_for_in_each_pixel_of_the_small_image() -> None:
    grey = torch.full((3, 200, 200), 128, dtype=torch.uint8)
    found = made(DegradeOptions(noise=[10, 10]), grey).double() - 128
    assert found.std().item() == pytest.approx(10, rel=0.03)
    assert abs(found.mean().item()) < 0.3
    neighbours = (found[..., 1:] * found[..., :-1]).mean() / found.var()
    colours = (found[0] * found[1]).mean() / found.var()
    assert abs(neighbours.item()) < 0.03
    assert abs(colours.item()) < 0.03


def test_jpeg_is_that_of_another_library() -> None:
    found = made(DegradeOptions(jpeg=[40, 40]), picture())
    codecs = pytest.importorskip("imagecodecs", reason="the extra `tiff` brings another JPEG codec")
    small = shrink(picture()[None], 2)[0].permute(1, 2, 0).contiguous().numpy()
    expected = codecs.jpeg8_decode(codecs.jpeg8_encode(small, level=40, subsampling="420")).astype(int)
    assert np.abs(found.permute(1, 2, 0).int().numpy() - expected).max() <= 2  # whose decoder may round otherwise
    assert not torch.equal(found, shrink(picture()[None], 2)[0])


def test_amounts_are_drawn_between_the_two_numbers() -> None:
    grey = torch.full((3, 96, 96), 128, dtype=torch.uint8)
    deviations = [made(DegradeOptions(noise=[2, 8]), grey, seed=i).double().std().item() for i in range(60)]
    assert 1.8 < min(deviations) < 3
    assert 7 < max(deviations) < 8.3


def test_what_cannot_be_is_refused() -> None:
    wrong: dict[str, Any]
    for wrong in (
        {"blur": [3, 1]},
        {"noise": 5},
        {"jpeg": [0, 50]},
        {"jpeg": [1.5, 9]},
        {"blur": [0, 99]},
        {"noise": []},
    ):
        (key,) = wrong
        with pytest.raises(OptionError, match=rf"data\.degrade\.{key} must be"):
            read_degrade(wrong)
    with pytest.raises(OptionError, match=r"data\.degrade\.blurr does not exist; did you mean blur\?"):
        read_degrade({"blurr": [0, 1]})
    assert not read_degrade(None)
    words = "blur of SD 0.2 to 3 px, bicubic, noise of SD 1 to 30 grey levels, JPEG of quality 30 to 95"
    assert str(read_degrade(ALL)) == words


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for i in range(10):
        Image.fromarray(picture(49, 61, i).permute(1, 2, 0).numpy()).save(tmp_path / f"{i}.png")
    return tmp_path


def module_of(root: Path, *overrides: str, seed: int = 0) -> Any:
    common = ["data=photos", "model=espcn", f"data.root='{root}'", "data.crops_per_image=2", "task.batch_size=4"]
    section = configuration(*common, *overrides)["data"]
    return data.build(section, "high_resolution_images", seed)


def test_training_sees_new_crops_made_small_and_tests_the_same_images_in_every_run(root: Path) -> None:
    module = module_of(root, "data/degrade=camera")
    assert isinstance(module.info, ReducedImages)
    batches = list(module.train_dataloader())
    assert [tuple(batch["low"].shape) for batch in batches] == [(4, 3, 24, 24)] * 4
    assert not any(torch.equal(batch["low"], shrink(batch["image"], 2)) for batch in batches)
    found, again = module.test[0]["low"], module_of(root, "data/degrade=camera", seed=5).test[0]["low"]
    assert torch.equal(found, again)
    assert found.shape == (3, 24, 30)
    assert "low" not in module_of(root).test[0]
    assert not isinstance(module_of(root).info, ReducedImages)


def test_batches_are_the_same_in_workers_and_after_an_interruption(root: Path) -> None:
    alone = list(module_of(root, "data/degrade=camera").train_dataloader())
    workers = list(module_of(root, "data/degrade=camera", "data.workers=1").train_dataloader())
    loader = module_of(root, "data/degrade=camera").train_dataloader()
    given = iter(loader)
    next(given), next(given)
    resumed = module_of(root, "data/degrade=camera").train_dataloader()
    resumed.load_state_dict(loader.state_dict())
    for found in (workers, [*alone[:2], *resumed]):
        assert len(found) == len(alone) == 4
        for one, other in zip(alone, found, strict=True):
            assert torch.equal(one["low"], other["low"])
            assert torch.equal(one["image"], other["image"])


def test_without_a_scale_nothing_can_be_made_small(root: Path) -> None:
    with pytest.raises(OptionError, match=r"data\.degrade makes small images, and data\.scale does not say how small"):
        module_of(root, "data/degrade=camera", "data.scale=null")
