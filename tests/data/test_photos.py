from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import data
from data.photos import Photos, RandomCrops, WholeImages, moments, paths, read


def folder_of(tmp_path: Path, count: int, name: str = "photos") -> Path:
    """A folder of small colour images, each of its own size and content."""
    folder = tmp_path / name
    folder.mkdir()
    random = np.random.default_rng(count)
    for i in range(count):
        pixels = random.integers(0, 256, (30 + i, 40 - i, 3), np.uint8)
        Image.fromarray(pixels).save(folder / f"img_{i:03d}.png")
    return folder


def source(root: Path, test_root: Path | None = None) -> Photos:
    return Photos(
        str(root), None if test_root is None else str(test_root), crop=16, crops_per_image=5, batch_size=4, seed=0
    )


def test_every_image_is_in_one_split_and_a_folder_to_test_on_frees_its_share(tmp_path: Path) -> None:
    root, other = folder_of(tmp_path, 20), folder_of(tmp_path, 3, "other")
    alone = source(root)
    names = alone.train.whole.names, alone.val.names, alone.test.names
    assert [len(n) for n in names] == [16, 2, 2]
    assert sorted(names[0] + names[1] + names[2]) == [f"img_{i:03d}" for i in range(20)]
    tested = source(root, other)
    assert tested.train.whole.names == sorted(names[0] + names[2])
    assert tested.val.names == names[1]
    assert [tuple(image.shape) for image in tested.test.images] == [(3, 30 + i, 40 - i) for i in range(3)]


def test_batches_are_crops_in_training_and_single_whole_images_elsewhere(tmp_path: Path) -> None:
    root = folder_of(tmp_path, 10)
    config = {
        "name": "photos", "root": str(root), "test_root": None, "crop": 16, "crops_per_image": 5, "batch_size": 4
    }  # fmt: skip
    module = data.build(config, "high_resolution_images", seed=0)
    assert [tuple(b["image"].shape) for b in module.train_dataloader()] == [(4, 3, 16, 16)] * (8 * 5 // 4)
    (test,) = module.test_dataloader()
    with Image.open(root / "img_004.png") as picture:
        assert np.array_equal(test["image"][0].permute(1, 2, 0).numpy(), np.array(picture))
    assert test["name"] == ["img_004"]
    assert module.info.channels == 3
    with pytest.raises(ValueError, match="data=photos has no labelled images"):
        data.build(config, "labelled_images", seed=0)


def test_crops_depend_on_seed_epoch_and_index_alone_and_are_pieces_of_the_image(tmp_path: Path) -> None:
    whole = WholeImages(paths(str(folder_of(tmp_path, 2)), "data.root"))
    crops = RandomCrops(whole, 16, 40, seed=0)
    first = [crops[(1, i)]["image"] for i in range(80)]
    again = [RandomCrops(whole, 16, 40, seed=0)[(1, i)]["image"] for i in reversed(range(80))][::-1]
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert not torch.equal(first[0], crops[(2, 0)]["image"])
    assert not torch.equal(first[0], RandomCrops(whole, 16, 40, seed=1)[(1, 0)]["image"])

    seen = set()
    for i, crop in enumerate(first):
        pieces = whole.images[i // 40].unfold(1, 16, 1).unfold(2, 16, 1)
        turns = [t.flip(d) for t in (crop, crop.transpose(1, 2)) for d in ((), (1,), (2,), (1, 2))]
        found = [k for k, t in enumerate(turns) if (pieces == t[:, None, None]).all(-1).all(-1).all(0).any()]
        assert len(found) == 1
        seen |= set(found)
    assert len(seen) == 8  # all eight symmetries of the square


def test_mean_and_deviation_are_those_of_all_pixels(tmp_path: Path) -> None:
    images = WholeImages(paths(str(folder_of(tmp_path, 3)), "data.root")).images
    pixels = torch.cat([image.flatten(1) for image in images], 1).double().numpy() / 255
    mean, std = moments(images)
    assert mean == pytest.approx(pixels.mean(1))
    assert std == pytest.approx(pixels.std(1))


def test_grey_and_rotated_files_come_upright_in_colour(tmp_path: Path) -> None:
    pixels = np.arange(12, dtype=np.uint8).reshape(3, 4)
    rotated = Image.Exif()
    rotated[0x0112] = 6  # the camera was held upright: turn clockwise to view
    Image.fromarray(pixels).save(tmp_path / "a.png", exif=rotated)
    image = read(tmp_path / "a.png")
    assert torch.equal(image, torch.from_numpy(np.rot90(pixels, -1).copy()).expand(3, 4, 3))


def test_what_cannot_be_read_is_refused_in_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"data.root is not set; .* data.root=path/to/images"):
        paths(None, "data.root")
    with pytest.raises(ValueError, match=r"data.test_root=.*gone is no folder"):
        paths(str(tmp_path / "gone"), "data.test_root")
    (tmp_path / "notes.txt").write_text("no image")
    with pytest.raises(ValueError, match=r"holds no image; these are read: .bmp, .jpeg, .jpg, .png"):
        paths(str(tmp_path), "data.root")
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nand no more")
    with pytest.raises(ValueError, match=r"broken.png cannot be read as an image"):
        read(tmp_path / "broken.png")
    Image.fromarray(np.zeros((4, 4), np.uint16)).save(tmp_path / "deep.png")
    with pytest.raises(ValueError, match=r"deep.png has more than 8 bits a channel"):
        read(tmp_path / "deep.png")
    root = folder_of(tmp_path, 4)
    with pytest.raises(ValueError, match="holds too few images: none is left for val; give it at least ten"):
        source(root)
    with pytest.raises(ValueError, match=r"data.crop=33 does not fit the image img_000 of 30 x 40 pixels; .* 1 to 30"):
        RandomCrops(WholeImages(paths(str(root), "data.root")), 33, 1, 0)
    with pytest.raises(ValueError, match=r"data.crops_per_image must be 1 or more, not 0"):
        RandomCrops(WholeImages(paths(str(root), "data.root")), 16, 0, 0)
