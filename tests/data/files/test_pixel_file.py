"""The disk cache is believed only as it was written, whatever happened to it."""

import os
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import data
from data.files import pixel_file
from data.loading.loaded import Loaded
from tests.data.own_data import write
from tests.tiny import configuration


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "evenly"


def load(root: Path, cache: str = "disk") -> Loaded:
    small = [f"data.root='{root}'", "data.crop=16", "data.batch_size=2", f"data.cache={cache}"]
    return data.load(configuration("data=folder", *small)["data"], "labelled_images", seed=0)


def pixels(loaded: Loaded) -> list[np.ndarray]:
    return [sample[key].numpy() for sample in map(loaded.train.__getitem__, range(8)) for key in ("image", "mask")]


def zeros(path: Path) -> None:
    path.write_bytes(bytes(path.stat().st_size))


def random(path: Path) -> None:
    path.write_bytes(os.urandom(path.stat().st_size))


def cut_short(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1000])


def longer(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"more")


def empty(path: Path) -> None:
    path.write_bytes(b"")


def one_bit(path: Path) -> None:
    stored = bytearray(path.read_bytes())
    stored[5000] ^= 1
    path.write_bytes(stored)


def one_bit_of_a_digest(path: Path) -> None:
    stored = bytearray(path.read_bytes())
    stored[-5] ^= 1
    path.write_bytes(stored)


@pytest.mark.parametrize("damage", [zeros, random, cut_short, longer, empty, one_bit, one_bit_of_a_digest])
def test_a_damaged_cache_is_written_anew_and_this_is_said(
    damage: Callable[[Path], None], home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = write(tmp_path / "set")
    expected = pixels(load(root, "ram"))
    load(root)
    (path,) = home.iterdir()
    sound = path.read_bytes()
    damage(path)
    capsys.readouterr()
    assert all(np.array_equal(a, b) for a, b in zip(pixels(load(root)), expected, strict=True))
    assert f"The cache {path} is damaged" in capsys.readouterr().err
    assert path.read_bytes() == sound
    load(root)
    assert capsys.readouterr().err == ""


def test_a_file_changed_with_equal_size_and_time_is_decoded_again(home: Path, tmp_path: Path) -> None:
    root = write(tmp_path / "set", mask="masks/{i:02d}.bmp", image="images/{i:02d}.bmp")
    before = load(root)
    path = root / "images" / f"{before.train[0]['name']}.bmp"
    times, stored = (path.stat().st_atime_ns, path.stat().st_mtime_ns), bytearray(path.read_bytes())
    stored[-1] ^= 255
    path.write_bytes(stored)
    os.utime(path, ns=times)
    assert not np.array_equal(pixels(load(root))[0], pixels(before)[0])


def test_what_a_killed_process_began_is_removed_and_what_a_living_one_writes_is_not(home: Path, tmp_path: Path) -> None:
    home.mkdir(parents=True)
    old = time.time() - 2 * pixel_file.ABANDONED
    for name in (f"a.pixels.{2**22 + 1}.partial", f"b.pixels.{os.getppid()}.partial", f"c.pixels.{2**22 + 2}.partial"):
        (home / name).write_bytes(b"begun")
        os.utime(home / name, (old, old))
    os.utime(home / f"c.pixels.{2**22 + 2}.partial")  # just now, on another machine perhaps
    load(write(tmp_path / "set"))
    assert sorted(path.name[0] for path in home.glob("*.partial")) == ["b", "c"]


def test_a_failure_on_the_way_leaves_nothing(home: Path, tmp_path: Path) -> None:
    root = write(tmp_path / "set")
    (root / "images" / "03.png").write_bytes((root / "images" / "03.png").read_bytes()[:300] + bytes(900))
    with pytest.raises(ValueError, match=r"03\.png"):
        load(root)
    assert not home.exists() or not list(home.iterdir())
