import re
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from benchmarks import loading
from data.files.finding import Pair


@pytest.fixture(autouse=True)
def as_many_threads_as_before() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def test_the_pil_loader_crops_mirrors_and_jitters(camvid: Path) -> None:
    pairs = [Pair(str(i), camvid / "train" / f"{i}.png", camvid / "trainannot" / f"{i}.png") for i in range(9)]
    plain, colour = (loading.PlainPIL(pairs, 32, work) for work in (loading.FLIP, loading.COLOUR))
    mirrored = 0
    for i in range(9):
        image, mask = plain[i]
        assert image.shape == (3, 32, 32)
        assert torch.equal(image[0], 4 * mask)
        whole = torch.from_numpy(np.array(Image.open(pairs[i].image))).permute(2, 0, 1)
        pieces = whole.unfold(1, 32, 1).unfold(2, 32, 1)
        as_is, turned = ((pieces == x[:, None, None]).all(-1).all(-1).all(0).any() for x in (image, image.flip(-1)))
        assert as_is != turned
        mirrored += int(turned)
        assert not torch.equal(colour[i][0][0], 4 * colour[i][1])
    assert 0 < mirrored < 9


def test_the_table_compares_all_loaders_and_says_which_target_is_missed(
    camvid: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(camvid))
    monkeypatch.setattr(loading, "TURN", 0.01)
    monkeypatch.setattr(loading, "TARGETS", {("crop, flip", "cache=ram"): 1e9, ("crop, flip", "cache=disk"): 1e-9})
    monkeypatch.setattr(sys, "argv", ["loading", "--root", str(camvid), "--crop", "32", "--rounds", "1"])
    assert loading.main() == 1
    printed = capsys.readouterr().out
    rows = re.findall(r"^ +(\S.*?) +(PIL|cache=\w+|default U-Net) +[\d.]+ (.*)$", printed, re.MULTILINE)
    assert [work for work, _, _ in rows] == [
        *["crop, flip"] * 4, *["crop, flip, colour"] * 4, "preset standard", "preset strong", "training step"
    ]  # fmt: skip
    verdicts = {(work, loader): rest for work, loader, rest in rows}
    assert "MISSED" in verdicts["crop, flip", "cache=ram"]
    assert "reached" in verdicts["crop, flip", "cache=disk"]
    assert printed.count("MISSED") == printed.count("reached") == 1
