"""Odd and bad input, one row a case, given to train.py and to check_data.py: it works, it warns, or it is refused in
one sentence that both say alike."""

import os
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

import check_data
import models.training.trainer
import train
from study import run_folder
from study.identity import plain
from study.score_table import print_table
from tests.tiny import composed

TINY = [
    "data=folder",
    "encoder.width=2",
    "encoder.depth=2",
    "data.crop=16",
    "data.batch_size=2",
    "trainer.max_epochs=1",
    "trainer.precision=32-true",
    "+trainer.limit_train_batches=1",
]
RANDOM = np.random.default_rng(0)


def noise(*shape: int) -> NDArray[np.uint8]:
    return RANDOM.integers(0, 256, shape, np.uint8)


def halves(height: int = 20, width: int = 24) -> NDArray[np.uint8]:
    """A mask of class 0 above class 1."""
    return (np.arange(height) >= height // 2).astype(np.uint8)[:, None].repeat(width, 1)


def save(pixels: NDArray[Any], path: Path, mode: str | None = None, **options: Any) -> None:
    picture = Image.fromarray(pixels)
    (picture if mode is None else picture.convert(mode)).save(path, **options)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Eight sound pairs of two classes, 20 x 24 pixels, split by hand so that train holds what a case adds."""
    top = tmp_path / "set"
    for split, count in (("train", 4), ("val", 2), ("test", 2)):
        for part in ("images", "masks"):
            (top / split / part).mkdir(parents=True)
        for i in range(count):
            save(noise(20, 24, 3), top / split / "images" / f"{i}.png")
            save(halves(), top / split / "masks" / f"{i}.png")
    (top / "classes.txt").write_text("low\nhigh\n")
    return top


def configuration(name: str, root: Path, *overrides: str) -> dict[str, Any]:
    return plain(composed(name, *TINY, f"data.root='{root}'", *overrides))


def trained(root: Path, folder: Path, *overrides: str) -> dict[str, Any]:
    """What train.py measures; refusals as its `main` tells them."""
    folder.mkdir()
    config = configuration("config", root, *overrides)
    with run_folder.one_sentence(config["debug"]):
        return train.run(config, folder)


def checked(root: Path, folder: Path, *overrides: str) -> bool:
    """Whether check_data.py is content; refusals as its `main` tells them."""
    folder.mkdir()
    config = configuration("check_data", root, *overrides)
    try:
        with run_folder.one_sentence(config["debug"]):
            return check_data.run(config, folder)
    except SystemExit:  # what concerns no single file ends it at once
        return False


def add(root: Path, name: str = "odd.png") -> tuple[Path, Path]:
    """Where another training image and its mask go."""
    return root / "train" / "images" / name, root / "train" / "masks" / (Path(name).stem + ".png")


# --- it works ---------------------------------------------------------------------------------------------------------


def sixteen_bits(root: Path) -> None:
    image, mask = add(root)
    save(np.arange(480, dtype=np.uint16).reshape(20, 24) * 136, image)
    save(halves().astype(np.uint16), mask)


def sixteen_bit_tiff(root: Path) -> None:
    image, mask = add(root, "odd.tiff")
    save(np.arange(480, dtype=np.uint16).reshape(20, 24) * 136, image)
    save(halves(), mask)


def cmyk(root: Path) -> None:
    image, mask = add(root, "odd.jpg")
    save(noise(20, 24, 3), image, "CMYK")
    save(halves(), mask)


def webp(root: Path) -> None:
    image, mask = add(root, "odd.webp")
    save(noise(20, 24, 3), image)
    save(halves(), mask)


def one_pixel(root: Path) -> None:
    image, mask = add(root)
    save(noise(1, 1, 3), image)
    save(halves(1, 1), mask)


def one_pixel_to_test(root: Path) -> None:
    save(noise(1, 1, 3), root / "test" / "images" / "1.png")
    save(halves(1, 1), root / "test" / "masks" / "1.png")


def rotated(root: Path) -> None:
    image, mask = add(root, "odd.jpg")
    tag = Image.Exif()
    tag[0x0112] = 6
    save(noise(20, 24, 3), image, exif=tag)
    save(halves(24, 20), mask)  # drawn on the upright image


def odd_names(root: Path) -> None:
    for name in ("with space.png", "[brackets] {and} (more).png", "naïve Straße 写真.png", "50%,=#&'.png"):
        image, mask = add(root, name)
        save(noise(20, 24, 3), image)
        save(halves(), mask)


def palette_mask(root: Path) -> None:
    image, mask = add(root)
    save(noise(20, 24, 3), image)
    picture = Image.fromarray(halves()).convert("P")
    picture.putdata(halves().ravel().tolist())
    picture.putpalette([200, 10, 10, 10, 200, 10])
    picture.save(mask)


@pytest.mark.parametrize(
    "case",
    [
        sixteen_bits, sixteen_bit_tiff, cmyk, webp, one_pixel, one_pixel_to_test, rotated, odd_names, palette_mask,
    ],
    ids=lambda case: case.__name__,
)  # fmt: skip
def test_works(case: Callable[[Path], None], root: Path, tmp_path: Path) -> None:
    case(root)
    # A batch of all training images, so that the odd one is among them.
    size = len(list((root / "train" / "images").iterdir()))
    metrics = trained(root, tmp_path / "run", f"data.batch_size={size}")
    assert 0 <= metrics["test/miou"] <= 1
    assert checked(root, tmp_path / "check")
    assert (tmp_path / "check" / "contact_sheet.png").stat().st_size > 10_000


# --- it warns ---------------------------------------------------------------------------------------------------------


KEPT = ["data.unlabelled=skip", "data.absent_classes=keep"]


def absent_class(root: Path) -> str:
    (root / "classes.txt").write_text("low\nhigh\nnowhere\n")
    return "Warning: 1 of 3 classes never occur in the 4 training images: nowhere"


def all_ignored(root: Path) -> str:
    save(np.full((20, 24), 255, np.uint8), root / "train" / "masks" / "1.png")
    return "Warning: all pixels are ignored in 1 of the 4 training images"


def no_mask(root: Path) -> str:
    (root / "train" / "masks" / "1.png").unlink()
    return "Warning: images without a mask, left out by data.unlabelled=skip: 1"


@pytest.mark.parametrize("case", [absent_class, all_ignored, no_mask], ids=lambda case: case.__name__)
def test_warns_once_with_a_count(
    case: Callable[[Path], str], root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    warning = case(root)
    trained(root, tmp_path / "run", *KEPT)
    assert capsys.readouterr().out.count(warning) == 1
    assert checked(root, tmp_path / "check", *KEPT)
    assert capsys.readouterr().out.count(warning) == 1


# --- it is refused ----------------------------------------------------------------------------------------------------


def missing_root(root: Path) -> str:
    root.rename(root.with_name("elsewhere"))
    return f"data.root={root} is no folder; name the folder that holds your data"


def empty_folder(root: Path) -> str:
    for path in (root / "train" / "images").iterdir():
        path.unlink()
    return f"{root / 'train' / 'images'} holds no image; these are read: .bmp"


def image_without_mask(root: Path) -> str:
    mask = root / "train" / "masks" / "1.png"
    mask.unlink()
    return f"the image {root / 'train' / 'images' / '1.png'} has no mask of the same stem; add it, or leave"


def mask_without_image(root: Path) -> str:
    (root / "val" / "images" / "1.png").unlink()
    return f"the mask {root / 'val' / 'masks' / '1.png'} has no image of the same stem; add it or remove the mask"


def truncated_png(root: Path) -> str:
    path = root / "train" / "images" / "1.png"
    path.write_bytes(path.read_bytes()[:-300])
    return f"{path} is cut short; copy it again or remove it"


def truncated_jpeg(root: Path) -> str:
    image, mask = add(root, "odd.jpg")
    save(noise(20, 24, 3), image)
    image.write_bytes(image.read_bytes()[:-200])
    save(halves(), mask)
    return f"{image} is damaged (image file is truncated"


def text_named_png(root: Path) -> str:
    path = root / "train" / "images" / "1.png"
    path.write_text("not an image")
    return f"{path} is no image, whatever its name says; save it as PNG or remove it"


def zero_bytes(root: Path) -> str:
    path = root / "test" / "masks" / "1.png"
    path.write_bytes(b"")
    return f"{path} is empty (0 bytes); copy it again or remove it"


def another_size(root: Path) -> str:
    path = root / "train" / "masks" / "1.png"
    save(halves(20, 25), path)
    return f"the mask {path} has 20 x 25 pixels, its image 20 x 24; save both in one size"


def label_too_high(root: Path) -> str:
    path, labels = root / "val" / "masks" / "1.png", halves()
    labels[3, 4:9] = 7
    save(labels, path)
    return f"the mask {path} holds the label 7 in 5 pixels, but set has 2 classes, labelled 0 to 1; "


def float_mask(root: Path) -> str:
    path = root / "train" / "masks" / "1.png"
    path.unlink()
    save(halves().astype(np.float32), path.with_suffix(".tiff"))
    return f"the mask {path.with_suffix('.tiff')} holds floating point numbers; save it with whole-number labels"


def rgba_mask(root: Path) -> str:
    path = root / "train" / "masks" / "1.png"
    save(noise(20, 24, 4), path)
    return f"the mask {path} has an alpha channel (RGBA) in use; save it as grey or palette PNG"


def class_never_seen(root: Path) -> str:
    (root / "classes.txt").write_text("low\nhigh\nnowhere\n")
    return "no training image holds nowhere, so a network cannot learn it; give it images, leave it out of the classes"


def nothing_to_score(root: Path) -> str:
    for i in range(2):
        save(np.full((20, 24), 255, np.uint8), root / "val" / "masks" / f"{i}.png")
    return "set: no pixel of the 2 masks of val is of a class, so nothing can be scored; correct the masks"


def linked_in_a_loop(root: Path) -> str:
    path = root / "train" / "images" / "1.png"
    path.unlink()
    path.symlink_to(path)
    return f"{path} is a link in a loop; remove it"


def folder_in_a_loop(root: Path) -> str:
    path = root / "train" / "images" / "deeper"
    path.symlink_to(root / "train")
    return "is a link to a folder that it lies in, a loop without end; remove the link"


def unreadable(root: Path) -> str:
    if os.geteuid() == 0:
        pytest.skip("root may read every file, so none can be made unreadable")
    path = root / "train" / "images" / "1.png"
    path.chmod(0)
    return f"{path} may not be read by you; give it permission (chmod u+r) or remove it"


def duplicate_stems(root: Path) -> str:
    save(noise(20, 24, 3), root / "train" / "images" / "1.jpg")
    return f"{root / 'train' / 'images'} holds 1.jpg and 1.png, which have the same stem; keep one of them"


def decompression_bomb(root: Path) -> str:
    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    path = root / "train" / "images" / "1.png"
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 100_000, 100_000, 8, 0, 0, 0, 0))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b""))
    return f"{path} would unpack to more than 178,956,970 pixels; cut it into tiles or remove it"


REFUSED = [
    missing_root, empty_folder, image_without_mask, mask_without_image, truncated_png, truncated_jpeg, text_named_png,
    zero_bytes, another_size, label_too_high, float_mask, rgba_mask, linked_in_a_loop, folder_in_a_loop, unreadable,
    duplicate_stems, decompression_bomb, class_never_seen, nothing_to_score,
]  # fmt: skip


def error_lines(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return [line for line in capsys.readouterr().err.splitlines() if line.startswith("Error: ")]


@pytest.mark.parametrize("case", REFUSED, ids=lambda case: case.__name__)
def test_is_refused_before_training_in_the_same_sentence_by_both(
    case: Callable[[Path], str],
    root: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fit(*_: Any) -> None:
        raise AssertionError("training began")

    monkeypatch.setattr(models.training.trainer, "fit", fit)
    sentence = case(root)
    with pytest.raises(SystemExit) as ended:
        trained(root, tmp_path / "run")
    assert ended.value.code == 1
    (told,) = error_lines(capsys)
    assert sentence in told
    assert not checked(root, tmp_path / "check")
    assert error_lines(capsys) == [told]


OF_THE_WHOLE = (missing_root, empty_folder, folder_in_a_loop, class_never_seen, nothing_to_score)
SKIPPABLE = [case for case in REFUSED if case not in OF_THE_WHOLE]


@pytest.mark.parametrize("case", SKIPPABLE, ids=lambda case: case.__name__)
def test_is_skipped_on_request_and_reported_at_the_end(case: Callable[[Path], str], root: Path, tmp_path: Path) -> None:
    sentence = case(root)
    config = configuration("config", root, "data.on_error=skip")
    import data

    module = data.build(config["data"], "labelled_images", seed=0)
    assert sentence in " ".join(module.skipped)
    kept = [len(samples) for samples in (module.train, module.val, module.test)]
    assert sum(kept) == (8 if case is truncated_jpeg else 7)


def test_a_run_that_skips_says_so_in_its_table_and_metrics(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sentence = truncated_png(root)
    metrics = trained(root, tmp_path / "run", "data.on_error=skip")
    assert metrics["skipped"] == [sentence]
    print_table(metrics, tmp_path / "run")
    assert f"Skipped 1 of 1: {sentence}" in capsys.readouterr().out
    assert checked(root, tmp_path / "check", "data.on_error=skip")


@pytest.mark.parametrize("workers", [0, 2])
def test_what_only_decoding_shows_ends_a_run_without_cache_in_one_sentence(
    workers: int, root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sentence = label_too_high(root)  # in a validation mask: nothing is counted there
    with pytest.raises(SystemExit):
        trained(root, tmp_path / "run", "data.cache=none", f"data.workers={workers}")
    (told,) = error_lines(capsys)
    assert told.startswith(f"Error: {sentence}")


def test_debug_leaves_the_trace(root: Path, tmp_path: Path) -> None:
    sentence = zero_bytes(root)
    with pytest.raises(ValueError, match="is empty") as refusal:
        trained(root, tmp_path / "run", "debug=true")
    assert str(refusal.value) == sentence


def test_links_loops_and_errors_count_only_below_the_folder(root: Path, tmp_path: Path) -> None:
    moved = tmp_path / "moved"
    (root / "train" / "images").rename(moved)
    (root / "train" / "images").symlink_to(moved)  # a link that is no loop
    assert checked(root, tmp_path / "check")
