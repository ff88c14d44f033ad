"""Colours of classes, and how they lie over an image."""

import numpy as np
import pytest

from data.files.palette import BLACK, overlaid, own_palette, voc_palette


@pytest.mark.parametrize("count", [1, 2, 13, 40, 255])
def test_colours_are_bright_and_no_two_alike(count: int) -> None:
    colours = own_palette([f"class{i}" for i in range(count)])
    assert len(set(colours)) == len(colours) == count
    assert min(max(colour) for colour in colours[:12]) > 180
    assert BLACK not in colours


@pytest.mark.parametrize(("first", "clear"), [("background", True), ("0", True), ("Background", True), ("road", False)])
def test_a_first_class_that_is_none_is_black(first: str, clear: bool) -> None:
    assert (own_palette([first, "car"])[0] == BLACK) == clear
    assert len(own_palette([first, "car"])) == 2


def test_a_background_stays_clear_and_what_is_no_class_turns_dark() -> None:
    image = np.random.default_rng(0).integers(0, 256, (1500, 3, 3), dtype=np.uint8)
    mask = np.tile(np.array([0, 1, 255], np.uint8), (1500, 1))
    out = overlaid(image, mask, [BLACK, (200, 100, 0)], 0.5)
    assert np.array_equal(out[:, 0], image[:, 0])
    assert np.abs(out[:, 1] - (image[:, 1] + np.array([200, 100, 0])) / 2).max() <= 1
    assert np.abs(out[:, 2] - image[:, 2] / 2.0).max() <= 1


def test_vocs_palette_as_published() -> None:
    assert voc_palette(4) == [(0, 0, 0), (128, 0, 0), (0, 128, 0), (128, 128, 0)]
