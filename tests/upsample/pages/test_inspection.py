"""`python -m upsample inspect` on files as people have them: what it finds, what it leaves out, what it refuses."""

import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from matplotlib.image import imread
from PIL import Image

from upsample.__main__ import main
from upsample.instrument.noise import pink_noise
from upsample.pages.image_files import LARGEST, find
from upsample.pages.inspection import inspect
from upsample.pages.pattern_picture import without


def save(folder: Path, images: torch.Tensor, suffix: str = ".png") -> None:
    """(N, H, W) or (N, H, W, 3) grey levels as files."""
    folder.mkdir(exist_ok=True)
    for number, image in enumerate(images):
        Image.fromarray(image.clamp(0, 255).to(torch.uint8).numpy()).save(folder / f"{number:02d}{suffix}", quality=80)


@pytest.fixture
def coloured() -> torch.Tensor:
    """(10, 120, 120, 3) noise with stripes of period 4 and an rms of 3 grey levels in green."""
    images = 128 + 30 * pink_noise(30, 120, 120, seed=3).view(10, 3, 120, 120).movedim(1, 3)
    images[..., 1] += 3 * torch.tensor([3.0, -1.0, -1.0, -1.0]).repeat(30) / 3**0.5
    return images


def test_a_grid_is_told_with_period_size_channel_and_picture(
    coloured: torch.Tensor, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save(tmp_path / "made", coloured)
    (tmp_path / "made" / "notes.txt").write_text("not an image")
    (tmp_path / "made" / "older").mkdir()
    picture = tmp_path / "new" / "grid.png"
    main(["inspect", str(tmp_path / "made"), "--periods", "8", "4", "2", "--output", str(picture)])
    printed = capsys.readouterr().out
    assert printed.startswith("10 images, red, green, blue: fixed pattern of 1.7 grey levels, ")
    assert "in green), period 4" in printed
    assert [line.split()[0] for line in printed.splitlines() if line.endswith("a grid")] == ["4", "2"]
    assert "upsample.repair mends them" in printed
    assert "1 other file in these folders left out" in printed
    assert "Folders below left out: older; name those that are meant." in printed
    assert imread(picture).shape[0] > 300
    assert [path.name for path in picture.parent.iterdir()] == ["grid.png"]


def test_the_pattern_is_taken_out_where_it_lies(coloured: torch.Tensor, tmp_path: Path) -> None:
    save(tmp_path, coloured)
    inspected = inspect([tmp_path], [8, 4, 2])
    found = inspected.result.pattern
    assert found is not None
    with_it, without_it = without(inspected.first, found)
    assert with_it.shape == (3, 48, 48)
    taken = with_it - without_it
    stripes = torch.tensor([3.0, -1.0, -1.0, -1.0]).repeat(12) * 3**0.5
    torch.testing.assert_close(taken[1], stripes.expand(48, 48), atol=0.5, rtol=0)  # of 1.7 to 5.2 grey levels
    assert taken[0].abs().max() < 0.5


def test_noise_has_none_and_says_below_what(tmp_path: Path) -> None:
    save(tmp_path / "clean", 128 + 30 * pink_noise(8, 96, 96, seed=1)[:, 0])
    page = str(inspect([tmp_path / "clean"], [4, 3, 2]))
    assert page.startswith("8 images, luma: none shown (below ")
    assert "a grid\n" not in page
    assert "upsample.repair" not in page
    assert "Assumed: what the images show has no place of its own on the grid." in page


def test_periods_and_images_too_small_are_named(tmp_path: Path) -> None:
    save(tmp_path / "small", 128 + 30 * pink_noise(8, 40, 40, seed=1)[:, 0])
    page = str(inspect([tmp_path / "small"], [16, 2, 15]))
    assert (
        "Not looked for: period 15, 16; period 15 needs at least 6 images of at least 116 px, has 0, and longer" in page
    )
    assert page.splitlines()[0].endswith("; looked for up to period 2, longer ones need larger images")
    page = str(inspect([tmp_path / "small" / "00.png"], [2]))
    assert page.startswith("1 image, luma: not measured: needs at least 6 images of at least 11 px, has 1")
    assert "a grid" not in page


def test_jpeg_files_are_seen_by_their_luma(coloured: torch.Tensor, tmp_path: Path) -> None:
    save(tmp_path / "photos", coloured, ".jpg")
    found = find([tmp_path / "photos"], 99)
    assert found.channels == ["luma"]
    assert "10 JPEG files: all images by their luma" in found.notes[0]
    stored = Image.open(tmp_path / "photos" / "00.jpg")
    stored.draft("YCbCr", None)
    luma = np.asarray(stored, dtype=np.float32)[..., 0]
    assert (next(iter(found))[0].numpy() == luma).all()


def test_what_is_changed_of_files_is_said(tmp_path: Path) -> None:
    values = (torch.arange(256.0).expand(256, 256) * 257).numpy().astype(np.uint16)
    Image.fromarray(values).save(tmp_path / "deep.png")
    Image.new("RGBA", (LARGEST + 8, 20), (255, 0, 0, 9)).save(tmp_path / "clear.png")
    found = find([tmp_path], 99)
    assert found.channels == ["luma"]
    assert found.notes == [
        "1 images without colour: all by their luma",
        "transparency left out",
        f"of larger images the middle {LARGEST} pixels a side",
    ]
    clear, deep = found
    assert clear.shape == (1, 20, LARGEST)
    assert clear[0, 0, 0].item() == pytest.approx(0.299 * 255)
    assert deep[0, 0].tolist() == pytest.approx(list(range(256)))
    assert find([tmp_path], 1).notes[0] == "the first 1 of 2 images, by name"


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda path: path / "nowhere", "there is no file or folder"),
        (lambda path: path, "there is no image in"),
        (lambda path: (path / "samples").mkdir() or path, "folders below are not searched: name samples in it"),
        (lambda path: written(path / "model.onnx", b"\x08\x07"), "models are for python -m upsample audit"),
        (lambda path: written(path / "torn.png", b"\x89PNG\r\n\x1a\n" + bytes(20)), "it is no image"),
    ],
)
def test_what_is_no_image_is_refused_in_one_sentence(
    make: object, sentence: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["inspect", str(make(tmp_path))])
    assert stopped.value.code == 2
    message = capsys.readouterr().err
    assert sentence in message
    assert message.count("\n") == 1


def test_what_does_not_exist_is_refused_before_what_measures_is_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("upsample.pages.inspection", "upsample.instrument.words"):
        monkeypatch.setitem(sys.modules, name, None)  # importing it now raises ImportError
    with pytest.raises(SystemExit) as stopped:
        main(["inspect", str(tmp_path), str(tmp_path / "nowhere")])
    assert stopped.value.code == 2
    assert capsys.readouterr().err.endswith(f"there is no file or folder {tmp_path / 'nowhere'}\n")


def test_an_image_cut_short_is_named(tmp_path: Path) -> None:
    Image.effect_noise((200, 200), 50).save(tmp_path / "whole.png")
    data = (tmp_path / "whole.png").read_bytes()
    written(tmp_path / "whole.png", data[: len(data) // 2])
    with pytest.raises(ValueError, match=r"whole\.png cannot be read: it is broken or cut short"):
        inspect([tmp_path / "whole.png"])


def written(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path
