"""The task on a network small enough to follow by hand, and the whole command on four tiny batches."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib.image
import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

import data
import train
from data.loading.loaded import Images
from data.reduced.bicubic import enlarge, shrink, to_uint8
from models.networks.interfaces import Network
from models.tasks.build import build_task
from models.tasks.super_resolution.report import telling_example
from models.tasks.super_resolution.scores import luma, psnr
from models.tasks.super_resolution.task import SuperResolution, charbonnier
from tests import tiny
from upsample.instrument.checkerboard import Checkerboard

INFO = Images("test", (0.4, 0.5, 0.6), (0.2, 0.25, 0.3))


class Repeat(Network):
    """Repeats every pixel and adds `step` grey levels to every second row: nearest interpolation that prints."""

    def __init__(self, scale: int, step: float = 0.0) -> None:
        super().__init__()
        self.period, self.step = scale, step
        self.gain = nn.Parameter(torch.ones(1))

    def upsamplers(self) -> list[nn.Module]:
        return []

    def forward(self, x: Tensor) -> Tensor:
        y = self.gain * x.repeat_interleave(self.period, -1).repeat_interleave(self.period, -2)
        rows = torch.arange(y.shape[-2]) % self.period == 0
        return y + rows[:, None] * self.step / 255 / torch.tensor(INFO.std).view(-1, 1, 1)


def task(network: Network, loss: str = "l1") -> SuperResolution:
    return SuperResolution(network, INFO, loss=loss, lr=1e-3, warmup=0.1, checkerboard_images=None)


def photos(root: Path, sizes: list[tuple[int, int]]) -> Path:
    """A folder of smooth random images, one of each (height, width)."""
    root.mkdir()
    random = np.random.default_rng(0)
    for i, (height, width) in enumerate(sizes):
        coarse = Image.fromarray(random.integers(0, 256, (9, 9, 3), np.uint8))
        coarse.resize((width, height), Image.Resampling.BICUBIC).save(root / f"img_{i:02d}.png")
    return root


@pytest.fixture
def folders(tmp_path: Path) -> list[str]:
    """Overrides for data=photos: ten images to train on, three of different sizes to test on."""
    root = photos(tmp_path / "train", [(48, 60)] * 10)
    test = photos(tmp_path / "test", [(47, 81), (61, 52), (50, 50)])
    return ["data=photos", f"data.root='{root}'", f"data.test_root='{test}'", "data.crops_per_image=2"]


def configuration(*overrides: str) -> dict[str, Any]:
    few = ["model=espcn", "trainer.max_steps=4", "trainer.val_check_interval=2", "trainer.precision=32-true"]
    return tiny.configuration(*few, "data.batch_size=4", *overrides)


def test_a_network_that_repeats_pixels_gives_back_its_input() -> None:
    low = torch.randint(0, 256, (2, 3, 5, 6), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    output = task(Repeat(3))(low)
    assert output.dtype == torch.float32
    assert torch.equal(to_uint8(255 * output), low.repeat_interleave(3, -1).repeat_interleave(3, -2))
    assert torch.allclose(output, task(Repeat(3))(low.float() / 255))


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_the_input_is_the_bicubic_reduction_of_the_truth_cropped_to_whole_multiples(scale: int) -> None:
    image = torch.randint(0, 256, (1, 3, 25, 31), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    seen: list[Tensor] = []
    module = task(Repeat(scale))
    truth = module.truth({"image": image})
    assert torch.equal(truth, image[..., : 25 // scale * scale, : 31 // scale * scale])
    low = module.low({}, truth)
    module.examination(truth, low, torch.tensor([99]), lambda low: seen.append(low) or module(low))  # type: ignore[func-returns-value]
    assert torch.equal(seen[0], shrink(truth, scale))


@pytest.mark.parametrize(
    ("loss", "expected"),
    [("l1", lambda d: d.abs().mean()), ("charbonnier", lambda d: (d**2 + 1e-6).sqrt().mean())],
)
def test_the_loss_is_of_images_in_0_to_1_and_reaches_the_weights(
    loss: str, expected: Callable[[Tensor], Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    module = task(Repeat(2), loss)
    monkeypatch.setattr(module, "log", lambda *_, **__: None)
    truth = torch.randint(0, 256, (2, 3, 8, 8), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    value = module.training_step({"image": truth}, 0)
    repeated = shrink(truth, 2).repeat_interleave(2, -1).repeat_interleave(2, -2)
    assert value.item() == pytest.approx(expected((repeated.double() - truth) / 255).item(), rel=1e-5)
    value.backward()
    gain = module.network.get_parameter("gain")
    assert gain.grad is not None
    assert gain.grad.abs().item() > 0
    assert charbonnier(truth.float(), truth.float()).item() == pytest.approx(1e-3)


def test_an_unknown_loss_is_refused() -> None:
    with pytest.raises(ValueError, match=r"task.loss is 'l2', which does not exist.* choose from l1, charbonnier"):
        build_task(configuration("model=espcn", "task.loss=l2"))


def test_scores_baseline_and_checkerboards_of_images_of_different_sizes(folders: list[str], tmp_path: Path) -> None:
    """All recomputed from the files; the checkerboards on the middle 46 x 50 pixels that all three images have."""
    import pytorch_lightning as pl

    module = data.build(configuration(*folders)["data"], "high_resolution_images", seed=0)
    ours = task(Repeat(2, step=8.0))
    trainer = pl.Trainer(accelerator="cpu", logger=False, enable_progress_bar=False, enable_checkpointing=False)
    trainer.test(ours, module, verbose=False)
    result = ours.results(module)

    scores: dict[str, list[float]] = {"test": [], "baseline": []}
    board = Checkerboard(2, None)
    for i in range(3):
        image = module.test[i]["image"]
        truth = image[None, :, : image.shape[1] // 2 * 2, : image.shape[2] // 2 * 2]
        low = shrink(truth, 2)
        bicubic, output = enlarge(low, 2), low.repeat_interleave(2, -1).repeat_interleave(2, -2).double()
        output[..., ::2, :] += 8
        for key, seen in (("test", output), ("baseline", bicubic)):
            a, b = (luma(x)[..., 2:-2, 2:-2] for x in (to_uint8(seen), truth))
            scores[key].append(psnr(a, b).item())
        top, left = (truth.shape[2] - 46) // 2, (truth.shape[3] - 50) // 2
        board.update((output - bicubic)[..., top : top + 46, left : left + 50].float())
    for key, values in scores.items():
        assert result[f"{key}/psnr_y"] == pytest.approx(sum(values) / 3, abs=1e-3)
    for name, value in board.compute().items():
        assert result[f"test/checkerboard/{name}"] == pytest.approx(value, rel=1e-3)
    assert result["test/checkerboard/phase_variance"] > 10 * result["test/checkerboard/phase_variance/null"]
    assert result["baseline"] == "bicubic"
    grid = {key for key in result if key.startswith("test/grid/")} | {"test/pattern", "test/content"}
    assert set(result) - grid == {"baseline"} | {f"{k}/{s}_y" for k in scores for s in ("psnr", "ssim")} | {
        f"test/checkerboard/{name}{end}" for name in ("phase_variance", "spectral_peak_db") for end in ("", "/null")
    }


def test_scores_are_of_float32_whatever_the_training_computes_in(folders: list[str]) -> None:
    import pytorch_lightning as pl

    found = []
    for precision in ("32-true", "bf16-mixed"):
        torch.manual_seed(0)
        ours, module = build_task(configuration(*folders, "upsample=resize_conv"))
        silent = {"logger": False, "enable_progress_bar": False, "enable_checkpointing": False}
        trainer = pl.Trainer(accelerator="cpu", precision=precision, **silent)
        trainer.test(ours, module, verbose=False)
        found.append(ours.results(module))
    assert found[0] == found[1]


def test_the_window_shown_is_where_bicubic_errs_most() -> None:
    truth = torch.zeros(2, 3, 240, 240, dtype=torch.uint8)
    bicubic = torch.zeros(2, 3, 240, 240, dtype=torch.float64)
    bicubic[1, :, 130:180, 60:100] = 50
    found = telling_example(truth[..., ::2, ::2], truth, bicubic + 1, bicubic)
    assert torch.equal(found.bicubic, bicubic[1])
    assert found.top <= 130
    assert found.top + 96 >= 180
    assert found.left <= 60
    assert found.left + 96 >= 100


@pytest.mark.parametrize("scale", [2, 3])
def test_a_run_leaves_scores_picture_and_checkpoints(folders: list[str], tmp_path: Path, scale: int) -> None:
    run = tmp_path / "run"
    run.mkdir()
    metrics = train.run(configuration(*folders, f"model.scale={scale}", "upsample=pixel_shuffle"), run)
    written = json.loads((run / "metrics.json").read_text())
    assert set(written) == set(metrics)
    assert written["baseline/psnr_y"] > 20
    assert 0 < written["test/ssim_y"] < 1
    # The window where bicubic errs most lies in one of these; forward takes the input's size.
    assert written["macs_input"] in {f"1x3x{h // scale}x{w // scale}" for h, w in [(47, 81), (61, 52), (50, 50)]}
    assert matplotlib.image.imread(run / "report.png").std() > 0.1
    assert {p.name for p in run.iterdir()} == {
        "metrics.json", "report.png", "report.html", "config.yaml", "best.ckpt", "last.ckpt", "history.csv",
        "example.npz",
    }  # fmt: skip
    with np.load(run / "example.npz", allow_pickle=False) as example:
        patch = {"patch", "grid"} if scale == 2 else set()  # which takes larger images at scale 3
        assert set(example) == {"bicubic", "truth", "output", "spectrum"} | patch
        assert example["truth"].shape == example["output"].shape == example["bicubic"].shape
        assert 0 < np.abs(example["truth"].astype(int) - example["bicubic"]).mean() < 10  # of the same place


def test_the_embedded_earth_gives_images_for_it_too() -> None:
    config = configuration("data=earth", "data.step=256")
    module = data.build(config["data"], "high_resolution_images", seed=0)
    batch = next(iter(module.train_dataloader()))
    truth = task(Repeat(4)).truth(batch)
    low = shrink(truth, 4)
    assert truth.shape == (4, 3, 48, 48)
    assert low.shape == (4, 3, 12, 12)
    assert config["trainer"]["max_steps"] == 4
