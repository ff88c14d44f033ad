from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from omegaconf import OmegaConf
from scipy.ndimage import map_coordinates
from torch import Tensor

import data
from data.loading.augment import NODES, Augment
from data.loading.crop import PADDING
from data.loading.datamodule import Augmented, DataModule
from data.loading.loaded import LabelledImages, Loaded

PRESETS = Path(data.__file__).parents[1] / "conf" / "data" / "augment"
COLOURS = torch.tensor([[200, 30, 30], [30, 200, 30], [30, 30, 200], [PADDING] * 3], dtype=torch.uint8)
INFO = LabelledImages("squares", (0.5,) * 3, (0.5,) * 3, ["red", "green", "blue"], [(0, 0, 0)] * 3, [1.0] * 3, 3)
TURNS = {"vertical_flip": 0.5, "horizontal_flip": 0.5, "transpose": 0.5}


def preset(name: str) -> dict[str, Any]:
    """As Hydra composes it, each preset being none.yaml with some keys changed."""
    base, changed = (OmegaConf.load(PRESETS / f"{file}.yaml") for file in ("none", name))
    options = OmegaConf.to_container(OmegaConf.merge(base, changed))
    assert isinstance(options, dict)
    assert options.pop("defaults", ["none", "_self_"]) == ["none", "_self_"]
    return {str(key): value for key, value in options.items()}


class Squares:
    """Images whose colour is their label: random squares of red, green and blue, each image of its own size."""

    def __init__(self, count: int = 8, low: int = 40) -> None:
        random = np.random.default_rng(0)
        self.masks = []
        for i in range(count):
            blocks = torch.from_numpy(random.integers(0, 3, (9, 9), np.uint8))
            self.masks.append(blocks.repeat_interleave(15, 0).repeat_interleave(15, 1)[: low + 8 * i, : 100 - 7 * i])

    def __len__(self) -> int:
        return len(self.masks)

    def __getitem__(self, index: int) -> dict[str, Any]:
        mask = self.masks[index]
        return {"image": COLOURS[mask.long()].permute(2, 0, 1), "mask": mask, "name": str(index)}


def away_from_edges(mask: Tensor, radius: int) -> Tensor:
    """Where all pixels of the neighbourhood have one label and none lies beyond the mask, (H, W) bool."""
    x, size = F.pad(mask[None].float(), (radius,) * 4, value=-1), 2 * radius + 1
    return (F.max_pool2d(x, size, 1) == -F.max_pool2d(-x, size, 1))[0]


@pytest.mark.parametrize(
    "options",
    [
        {"scale": (0.5, 2.0), **TURNS},
        {"area": (0.1, 1.0), "aspect": (0.5, 2.0)},
        {"scale": (0.5, 2.0), "aspect": (0.8, 1.25), "rotation": 180.0, **TURNS},
        {"rotation": 20.0},
        {"elastic": 1.0},
        {"rotation": 20.0, "elastic": 1.0, "scale": (0.7, 1.5)},
    ],
)
@pytest.mark.parametrize("balance", [0.0, 1.0])
def test_image_and_mask_stay_together(options: dict[str, Any], balance: float) -> None:
    samples = Augmented(Squares(), Augment(options, 48, 3, balance), seed=1)
    seen: set[int] = set()
    compared = []
    for epoch in range(4):
        for index in range(8):
            image, mask = (samples[(epoch, index)][key] for key in ("image", "mask"))
            assert image.shape == (3, 48, 48)
            assert mask.shape == (48, 48)
            inside = away_from_edges(mask, 3)
            compared.append(inside.float().mean().item())
            error = (image.int() - COLOURS[mask.long()].permute(2, 0, 1).int()).abs()
            assert (error[:, inside] <= 1).all()
            seen |= set(mask.unique().tolist())
    assert seen >= {0, 1, 2}
    assert np.mean(compared) > 0.2


@pytest.mark.parametrize("size", [48, 64, 100, 37])
def test_edges_lie_between_the_same_pixels_in_image_and_mask(size: int) -> None:
    """A bilinear step is half way up exactly where the nearest label changes; half a pixel off would show."""
    mask = (torch.arange(32) // 5 % 2).to(torch.uint8).expand(32, 32)
    augment = Augment({"area": (1.0, 1.0), **TURNS}, size, 3)
    for seed in range(8):
        image = 255 * mask.expand(3, 32, 32)
        found = augment({"image": image, "mask": mask, "name": ""}, np.random.default_rng(seed))
        clear = (found["image"][0].float() - 127.5).abs() > 1  # a pixel right on an edge belongs to neither side
        assert torch.equal((found["image"][0] > 127)[clear], (found["mask"] == 1)[clear])
        assert clear.float().mean() > 0.85


@pytest.mark.parametrize("angle", [10.0, 45.0, 90.0, 180.0])
def test_a_turned_crop_has_no_empty_corner_where_the_image_goes_on(angle: float) -> None:
    plain = {"image": torch.full((3, 99, 99), 200, dtype=torch.uint8), "mask": torch.zeros(99, 99, dtype=torch.uint8)}
    for options in ({"rotation": angle}, {"rotation": angle, "scale": (1.5, 2.0)}):
        augment = Augment(options, 24, 3, balance=1.0)
        for seed in range(20):
            found = augment(plain | {"name": ""}, np.random.default_rng(seed))
            touched = (found["mask"] == 3).float().mean()
            assert touched < 0.2  # windows at the image's border do reach beyond
    middle = augment._crop(
        {"image": plain["image"][:, :58, :58], "mask": plain["mask"][:58, :58]}, np.random.default_rng(0)
    )
    assert middle["image"].shape[-1] == 24 + 2 * augment.margin


def test_a_deformed_crop_is_what_scipy_makes_of_the_same_displacements() -> None:
    augment = Augment({"elastic": 3.0}, 40, 255)
    random = np.random.default_rng(0)
    side = 40 + 2 * augment.margin
    image = torch.from_numpy(random.integers(0, 256, (1, 3, side, side), np.uint8))
    drawn = augment._draw(random)
    found = augment.finish({"image": image, "augment": drawn[None]})["image"][0]
    nodes = drawn[8:].view(1, 2, NODES, NODES)
    moved = F.interpolate(nodes, (40, 40), mode="bicubic", align_corners=True)[0].clamp(-6, 6).numpy()
    assert np.abs(moved).max() > 3
    places = np.mgrid[:40, :40] + augment.margin + moved
    expected = np.stack([map_coordinates(plane.astype(float), places, order=1) for plane in image[0].numpy()])
    assert np.abs(found.numpy() - expected).max() <= 0.51  # rounded


def test_a_deformed_crop_reaches_no_pixel_beyond_its_margin() -> None:
    augment = Augment({"elastic": 5.0, "rotation": 30.0}, 32, 3)
    side = 32 + 2 * augment.margin
    for seed in range(50):
        drawn = augment._draw(np.random.default_rng(seed))[None]
        found = augment.finish({
            "image": torch.full((1, 3, side, side), 200, dtype=torch.uint8),
            "mask": torch.zeros(1, side, side, dtype=torch.uint8), "augment": drawn,
        })  # fmt: skip
        assert found["image"].unique().tolist() == [200]
        assert found["mask"].unique().tolist() == [0]


def module(options: dict[str, Any], workers: int = 0) -> DataModule:
    squares = Squares()
    augment = Augment(options, 32, 3, 0.5)
    return DataModule(Loaded(INFO, squares, squares, squares, augment=augment, batch_size=4, seed=5, workers=workers))


def epochs(module: DataModule, finish: bool = False) -> list[dict[str, Any]]:
    loader, batches = module.train_dataloader(), []
    for epoch in range(2):
        loader.sampler.set_epoch(epoch)
        batches += [module.on_after_batch_transfer(batch, 0) if finish else batch for batch in loader]
    return batches


@pytest.mark.parametrize("name", sorted(path.stem for path in PRESETS.iterdir()))
def test_a_batch_is_the_same_from_the_loader_and_from_the_device(name: str) -> None:
    for a, b in zip(
        epochs(module(preset(name))), epochs(module(preset(name) | {"device": "device"}), finish=True), strict=True
    ):
        assert a.keys() == b.keys() == {"image", "mask", "name"}
        assert a["image"].shape == b["image"].shape == (4, 3, 32, 32)
        assert a["image"].dtype == b["image"].dtype == b["mask"].dtype == torch.uint8
        assert (a["image"].int() - b["image"].int()).abs().max() <= 1
        assert torch.equal(a["mask"], b["mask"])


def test_samples_depend_on_seed_epoch_and_index_alone() -> None:
    first, others = epochs(module(preset("strong"))), epochs(module(preset("strong"), workers=2))
    assert all(torch.equal(a["image"], b["image"]) for a, b in zip(first, others, strict=True))
    augment = Augment(preset("strong"), 32, 3)
    one, again = (Augmented(Squares(), augment, seed=0) for _ in range(2))
    backwards = [again[(1, i)]["image"] for i in reversed(range(8))][::-1]
    assert all(torch.equal(one[(1, i)]["image"], backwards[i]) for i in range(8))
    assert not torch.equal(one[(1, 0)]["image"], one[(2, 0)]["image"])
    assert not torch.equal(one[(1, 0)]["image"], Augmented(Squares(), augment, seed=1)[(1, 0)]["image"])


def test_images_without_masks_are_cut_and_turned_too_and_never_padded() -> None:
    image = torch.arange(20 * 30).remainder(251).to(torch.uint8).view(1, 20, 30)
    found = Augment(TURNS, 20)({"image": image, "name": "a"}, np.random.default_rng(0))
    assert found.keys() == {"image", "name"}
    assert found["image"].shape == (1, 20, 20)
    with pytest.raises(ValueError, match="a crop of 21 x 21 pixels does not fit an image of 20 x 30"):
        Augment({}, 21)({"image": image, "name": "a"}, np.random.default_rng(0))


def test_rare_classes_are_met_in_every_crop_where_that_is_asked_for() -> None:
    mask = torch.zeros(200, 200, dtype=torch.uint8)
    mask[150, 160] = 1
    sample = {"image": torch.zeros(3, 200, 200, dtype=torch.uint8), "mask": mask, "name": ""}
    met = {}
    for balance in (0.0, 1.0):
        augment = Augment({"scale": (1.0, 2.0)}, 64, 3, balance, np.array([39999.0, 1.0]))
        crops = [augment(sample, np.random.default_rng(seed))["mask"] for seed in range(100)]
        met[balance] = sum(bool((crop == 1).any()) for crop in crops)
    assert met[0.0] < 25
    assert 35 < met[1.0] < 75  # half are laid around class 0


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"zoom": 1}, r"data.augment.zoom does not exist; choose from scale, area, aspect, .*, device"),
        (
            {"scale": (2.0, 0.5)},
            r"data.augment.scale must be two numbers above 0, low and high, not \(2.0, 0.5\)",
        ),
        ({"scale": 1.5}, r"data.augment.scale must be a list \(a number each\), not 1.5"),
        ({"scale": None}, r"data.augment.scale must be a list \(a number each\), not None"),
        ({"area": (0.5, 1.5)}, r"data.augment.area must be two numbers above 0 and at most 1"),
        ({"rotation": 200}, r"data.augment.rotation must be a number from 0 to 180, not 200"),
        ({"elastic": -1}, r"data.augment.elastic must be a number of at least 0, not -1"),
        ({"hue": 0.6}, r"data.augment.hue must be a number from 0 to 0.5, not 0.6"),
        ({"horizontal_flip": -1}, r"data.augment.horizontal_flip must be a number from 0 to 1, not -1"),
        ({"contrast": "much"}, r"data.augment.contrast must be a number from 0 to 1, not 'much'"),
        ({"device": "gpu"}, r"data.augment.device is 'gpu', which does not exist; choose from loader, device"),
    ],
)
def test_options_that_mean_nothing_are_refused(options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        Augment(options, 8, 255)


@pytest.mark.parametrize("device", ["loader", "device"])
def test_planes_and_numbers_move_as_the_mask_does(device: str) -> None:
    """Of one mask a plane for each class, and its labels as numbers: drawn alike, they stay these, NaN where it is
    ignored; whatever is scaled, padded, turned and flipped."""
    options = {**TURNS, "scale": (0.5, 2.0), "rotation": 30.0, "brightness": 0.3, "device": device}
    samples = Squares()
    for index in range(len(samples)):
        sample = samples[index]
        mask = sample["mask"]
        forms: dict[str, dict[str, Tensor]] = {
            "labels": {"mask": mask},
            "planes": {"mask": torch.stack([(mask == k).to(torch.uint8) for k in range(3)])},
            "numbers": {"target": mask.float()},
        }
        made = {}
        for name, truth in forms.items():
            augment = Augment(options, 48, 3 if name != "numbers" else None, beyond=True)
            drawn = augment({"image": sample["image"], **truth}, np.random.default_rng(index))
            batch = augment.finish({key: torch.as_tensor(value)[None] for key, value in drawn.items()})
            made[name] = batch.get("mask", batch.get("target"))[0]
        labels, planes, numbers = made["labels"], made["planes"], made["numbers"]
        assert labels.shape == numbers.shape == (48, 48)
        assert planes.shape == (3, 48, 48)
        for k in range(3):
            assert torch.equal(planes[k] == 1, labels == k)
        assert torch.equal(planes == 3, (labels == 3).expand(3, -1, -1))
        assert torch.equal(numbers.isnan(), labels == 3)
        assert torch.equal(numbers.nan_to_num(3).to(torch.uint8), labels)


def test_a_crop_is_laid_around_a_pixel_of_a_plane() -> None:
    plane = torch.zeros(2, 60, 60, dtype=torch.uint8)
    plane[1, 50, 7] = 1  # the only pixel of any class
    augment = Augment({}, 16, 255, balance=1.0)
    for seed in range(10):
        sample = augment(
            {"image": torch.zeros(3, 60, 60, dtype=torch.uint8), "mask": plane}, np.random.default_rng(seed)
        )
        assert sample["mask"][1].sum() == 1
