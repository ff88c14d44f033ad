"""Fixtures that the default suite and tests/stress share."""

import os
import shutil
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch import nn

import models
from models.trained.saved import Saved, Trained
from models.training.quiet import SAID

if "PYTEST_XDIST_WORKER" in os.environ:  # a process for each core: more threads would wait for each other
    torch.set_num_threads(1)
    os.environ["OMP_NUM_THREADS"] = "1"  # for the commands that tests start


def pytest_configure(config: pytest.Config) -> None:
    """Say no more of what libraries say of every training than commands do."""
    for message in SAID:
        config.addinivalue_line("filterwarnings", f"ignore:{message}")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whole commands first, which take longest: the last file to begin then is a short one."""
    items.sort(key=lambda item: "commands" not in item.path.parts)


@pytest.fixture
def trained() -> Callable[..., Trained]:
    """`trained(upsample, model, encoder)`: a network whose norms have statistics of their own, of 3 colours to 3
    classes or as many colours, seeded."""

    def make(
        upsample: dict[str, Any], model: dict[str, Any] | None = None, encoder: dict[str, Any] | None = None
    ) -> Trained:
        torch.manual_seed(0)
        model = model or {"name": "unet"}
        task = {"dcgan": "gan", "sngan": "gan"} | dict.fromkeys(("unet", "deeplab", "smp"), "segmentation")
        config = {
            "task": {"name": task.get(model["name"], "super_resolution")},
            "model": model,
            "upsample": upsample,
            "encoder": encoder or {"family": "plain", "width": 4, "depth": 1},
            "data": {"name": "earth"},
            "seed": 0,
            "mean": [0.3, 0.4, 0.5],
            "std": [0.2, 0.25, 0.3],
            "classes": ["ocean", "land", "lake"],
            "palette": [[0, 0, 200], [100, 200, 0], [200, 0, 0]],
            "ignore_index": 255,
        }
        network = models.build(config, 3, 3)
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.running_mean.normal_()
                module.running_var.uniform_(0.5, 2)
                if module.affine:
                    nn.init.uniform_(module.weight, 0.5, 2)
                    nn.init.normal_(module.bias)
        return Trained(Saved(config, network.state_dict()))

    return make


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Chromium without a window, as a selenium WebDriver."""
    webdriver = pytest.importorskip("selenium.webdriver", reason="pages are tested in a browser, which needs selenium")
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if not chromium or not driver:
        pytest.skip("chromium and chromedriver are not installed, so the page cannot be opened")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    switches = ("headless", "no-sandbox", "disable-gpu", "no-first-run", "disable-background-networking")
    profile = f"user-data-dir={tmp_path_factory.mktemp('profile')}"
    for switch in (*switches, "disable-component-update", "disable-sync", profile):
        options.add_argument(f"--{switch}")
    opened = webdriver.Chrome(options, webdriver.ChromeService(driver))
    yield opened
    opened.quit()
