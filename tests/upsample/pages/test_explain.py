"""The numbers of an explanation, its picture, and the command line around both."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from matplotlib.image import imread

import upsample
from upsample.__main__ import main, operator_options
from upsample.pages.explain import STEP_AT, explain
from upsample.pages.pictures import draw


def test_the_holes_of_kernel_3_dilation_2() -> None:
    found = explain("deconv", kernel_size=3, dilation=2)
    assert found.hole_fraction == 0.75
    assert found.counts[:2, :2].tolist() == [[9, 0], [0, 0]]
    assert found.taps is not None
    assert found.taps[..., 0].unique().tolist() == [-2, 0, 2]
    assert found.equal is not None
    assert found.equal.imbalance == pytest.approx(3**0.5)
    assert found.fresh.imaging == pytest.approx(3)  # zero insertion: every image at full strength
    assert "kernel_size=4 dilation=1" in str(found)
    assert "75% of the output pixels" in str(found)


def test_an_even_operator_keeps_a_plateau_flat() -> None:
    scale = 2
    for name in ("resize_conv", "bilinear"):
        found = explain(name, scale)
        plateau = slice(scale * (STEP_AT + 4), scale * (STEP_AT + 12))
        assert torch.allclose(found.fresh.step[plateau], torch.ones(1, dtype=torch.float64))
        assert found.fresh.step[: scale * (STEP_AT - 4)].abs().max() < 1e-9
        assert found.fresh.gain[0] == 1
        assert found.fresh.gain[31].item() == pytest.approx(0, abs=1e-9)  # half a cycle per pixel: the checkerboard
        assert found.advice == ""
    assert explain("dilated_deconv").setting == "kernel 4, stride 2, dilation 3, padding 4"


def test_the_step_response_of_bilinear_by_hand() -> None:
    step = explain("bilinear").fresh.step[2 * STEP_AT - 2 : 2 * STEP_AT + 2]
    torch.testing.assert_close(step, torch.tensor([0, 0.25, 0.75, 1], dtype=torch.float64))


@pytest.mark.parametrize("name", upsample.available())
def test_every_operator_can_be_explained(name: str) -> None:
    found = explain(name)
    assert found.fresh.step.isfinite().all()
    assert found.fresh.gain.isfinite().all()
    unweighted = {"nearest", "bilinear", "bicubic", "learned_interpolation", "unpool"}
    assert (found.equal is None) == (name in unweighted | {"carafe", "dysample", "sapa"})


def test_the_picture_of_two_operators(tmp_path: Path) -> None:
    path = tmp_path / "new" / "picture.png"
    draw([explain("deconv", kernel_size=3), explain("carafe")], path)
    pixels = imread(path)
    assert pixels.shape[0] > 1000  # two rows
    assert len(np.unique(pixels.reshape(-1, pixels.shape[2]), axis=0)) > 50
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_the_seed_of_the_caller_is_left_alone() -> None:
    torch.manual_seed(3)
    before = torch.random.get_rng_state()
    explain("deconv")
    assert torch.equal(torch.random.get_rng_state(), before)


def test_operator_options_are_read_as_json_where_they_are() -> None:
    words = ["--kernel", "3", "--balanced=true", "--vs-mode", "bilinear", "--vs-kernel-size=5", "--dilation", "null"]
    assert operator_options(words) == (
        {"kernel_size": 3, "balanced": True, "dilation": None},
        {"mode": "bilinear", "kernel_size": 5},
    )


def test_the_command_writes_numbers_and_a_picture(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "two.png"
    main(["explain", "deconv", "--kernel", "3", "--dilation", "2", "--vs", "nearest", "--output", str(path)])
    printed = capsys.readouterr().out
    assert "75% of the output pixels" in printed
    assert "nearest at scale 2" in printed
    assert str(path) in printed
    assert imread(path).shape[0] > 1000  # two rows


def test_the_package_runs_as_a_module() -> None:
    done = subprocess.run([sys.executable, "-m", "upsample", "--help"], capture_output=True, text=True, check=True)
    assert "list,explain,explore,inspect,audit" in done.stdout


@pytest.mark.parametrize(
    ("command", "sentence"),
    [
        ([], "arguments are required"),
        (["explain", "decnov"], "did you mean deconv?"),
        (["explain", "deconv", "--kernel"], "written --key value"),
        (["explain", "deconv", "--kernel", "wide"], "kernel_size must be a whole number or null, not 'wide'"),
        (["explain", "deconv", "--kernel", "[3,5]"], "deconv: kernel_size must be a whole number or null, not [3, 5]"),
        (["explain", "deconv", "--bias", "3"], "deconv: bias must be true or false, not 3"),
        (["explain", "deconv", "--width", "3"], "deconv has no option width; it takes kernel_size"),
        (["explain", "deconv", "--vs-kernel", "3"], "need --vs OTHER"),
        (["explain", "deconv", "--scale", "1"], "scale must be an integer of at least 2"),
        (["list", "--scale", "x"], "invalid int value"),
        (["list", "extra"], "unrecognized arguments: extra"),
    ],
)
def test_mistakes_are_one_sentence_and_exit_code_2(
    command: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(command)
    assert stopped.value.code == 2
    message = capsys.readouterr().err
    assert sentence in message
    assert message.count("\n") == 1
