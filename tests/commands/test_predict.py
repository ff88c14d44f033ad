"""predict.py as a user runs it, on names and files that users have."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import torch
from PIL import Image
from rasterio.transform import from_origin

import predict
from models.trained.saved import Trained

ROOT = Path(predict.__file__).parent
Run = Callable[..., tuple[int, str]]


@pytest.fixture
def checkpoint(trained: Callable[..., Trained], tmp_path: Path) -> Callable[..., str]:
    """`checkpoint(upsample, model)`: the path of a file as train.py leaves it."""

    def write(*arguments: Any) -> str:
        net = trained(*arguments)
        start = "network.generator." if net.task == "gan" else "network."
        weights = {start + key: value for key, value in net.network.state_dict().items()}
        torch.save({"config": net.config, "state_dict": weights}, tmp_path / "best.ckpt")
        return str(tmp_path / "best.ckpt")

    return write


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """`run(*arguments)` in an empty folder: exit code and what was printed on stderr."""
    monkeypatch.chdir(tmp_path)

    def call(*arguments: str) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["predict.py", *arguments])
        try:
            predict.main()
            code = 0
        except SystemExit as stopped:
            code = int(stopped.code or 0)
        return code, capsys.readouterr().err

    return call


def photo(path: str, width: int = 20, height: int = 12, mode: str = "RGB") -> None:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    Image.fromarray(pixels).convert(mode).save(path)


def scene(path: str) -> Any:
    """A GeoTIFF of 20 x 12 pixels; where it lies."""
    pixels = np.random.default_rng(0).integers(0, 256, (3, 12, 20), np.uint8)
    shape = {"driver": "GTiff", "count": 3, "height": 12, "width": 20, "dtype": "uint8"}
    place = from_origin(500000, 5300000, 10, 10)
    with rasterio.open(path, "w", **shape, crs="EPSG:32633", transform=place) as target:
        target.write(pixels)
    return place


def written(folder: str = "out") -> set[str]:
    return {path.relative_to(folder).as_posix() for path in Path(folder).rglob("*") if path.is_file()}


def test_images_of_all_names_and_sizes_and_a_bad_one_among_them(checkpoint: Callable[..., str], run: Run) -> None:
    net = checkpoint({"name": "bilinear"})
    names = ["photo (1).jpg", "fotografía [2].png", "a=b,c.png", "sub folder/grey.png"]
    for i, name in enumerate(names):
        photo(f"in/{name}", 1 + 17 * i, 5 + i, "L" if "grey" in name else "RGB")
    Path("in/broken.jpg").write_bytes(b"\xff\xd8\xff not much of a JPEG")
    photo("odd [b]name.png")
    code, errors = run(net, "odd [b]name.png", "in", "gone.png", "--output", "out", "--flip", "--window", "16")
    assert code == 1
    stems = {Path(name).with_suffix("").as_posix() for name in [*names, "odd [b]name.png"]}
    pictures = {f"{kind}/{stem}.png" for kind in ("masks", "overlays") for stem in stems}
    assert written() == pictures | {"masks/legend.csv"}
    with Image.open("out/masks/sub folder/grey.png") as mask:
        assert (mask.mode, mask.size) == ("P", (52, 8))
    sentences = [line for line in errors.splitlines() if line.startswith("Error: ")]
    assert [line.split()[1] for line in sentences[:2]] == ["in/broken.jpg", "gone.png"]
    assert sentences[2] == "Error: 2 of what was named could not be used"
    assert "Traceback" not in errors


def test_super_resolution_writes_enlarged_images(checkpoint: Callable[..., str], run: Run) -> None:
    photo("x.png", 7, 5)
    assert run(checkpoint({"name": "pixel_shuffle"}, {"name": "espcn"}), "x.png")[0] == 0
    assert written() == {"enlarged/x.png"}
    with Image.open("out/enlarged/x.png") as large:
        assert (large.mode, large.size) == ("RGB", (14, 10))


def test_generators_write_samples_and_a_grid(checkpoint: Callable[..., str], run: Run) -> None:
    net = checkpoint({"name": "resize_conv"}, {"name": "dcgan", "width": 4})
    assert run(net, "-n", "3", "--seed", "1")[0] == 0
    assert written() == {"samples/0.png", "samples/1.png", "samples/2.png", "grid.png"}
    code, errors = run(net, "x.png")
    assert code == 1
    assert "generates images; it takes -n, --seed and --class, not x.png" in errors
    code, errors = run(net, "--class", "cats")
    assert code == 1
    assert "--class=cats: this network was trained without classes" in errors


def test_what_cannot_be_is_refused_in_one_sentence(checkpoint: Callable[..., str], run: Run) -> None:
    net = checkpoint({"name": "bilinear"})
    for arguments, sentence in [
        (("gone.ckpt", "x.png"), "there is no checkpoint gone.ckpt"),
        ((net,), "is for segmentation: name images or folders, and no -n or --class"),
        ((net, "x.png", "--window", "1"), "--window=1 is too small"),
        ((net, "x.png", "--overlap", "1"), "--overlap must lie in [0, 1)"),
    ]:
        code, errors = run(*arguments)
        assert code == 1
        assert sentence in errors
        assert errors.count("Error: ") == 1


def test_help_and_a_typo_do_not_wait_for_torch() -> None:
    code = "import sys, predict; predict.arguments; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 0


def test_a_geotiff_comes_back_as_one_and_without_rasterio_as_a_png_that_says_so(
    checkpoint: Callable[..., str], run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = checkpoint({"name": "deconv"})
    place = scene("a.tif")
    photo("b.tif")
    code, said = run(path, "a.tif", "b.tif", "--probabilities")
    assert code == 0
    assert "Warning" not in said
    made = {"masks/a.tif", "probabilities/a.tif", "masks/b.png", "overlays/b.png", "probabilities/b.npz"}
    assert written() == {*made, "masks/legend.csv"}
    with rasterio.open("out/masks/a.tif") as mask:
        assert (mask.crs.to_epsg(), mask.transform) == (32633, place)
        numbers = mask.read(1)

    monkeypatch.setattr("data.geo.raster.installed", lambda: False)
    code, said = run(path, "a.tif", "b.tif", "--output", "plain")
    assert code == 0
    assert said.count("Warning") == 1
    assert "a.tif lies somewhere on the Earth, which its PNG does not say; a GeoTIFF of the same place needs" in said
    assert "uv run --extra geo" in said
    with Image.open("plain/masks/a.png") as mask:
        assert np.array_equal(np.array(mask), numbers)


def test_seamless_is_for_networks_that_see_less_than_a_window(checkpoint: Callable[..., str], run: Run) -> None:
    photo("a.png", 80, 60)
    path = checkpoint({"name": "deconv"})
    assert run(path, "a.png", "--window", "40", "--seamless", "--output", "windows")[0] == 0
    assert run(path, "a.png", "--output", "whole")[0] == 0
    with Image.open("windows/masks/a.png") as windows, Image.open("whole/masks/a.png") as whole:
        assert np.array_equal(np.array(windows), np.array(whole))
    code, said = run(path, "a.png", "--window", "8", "--seamless")
    assert code == 1
    assert "--seamless: the network sees further than a window of 8 pixels" in said
