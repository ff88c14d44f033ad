"""Fixtures that the default suite and tests/stress share."""

import os
import shutil
from collections.abc import Callable, Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import models
from models.trained.saved import Saved, Trained
from models.training.quiet import SAID

LONG = Path(__file__).with_name("long.txt")

if "PYTEST_XDIST_WORKER" in os.environ:  # a process for each core: more threads would wait for each other
    torch.set_num_threads(1)
    os.environ["OMP_NUM_THREADS"] = "1"  # for the commands that tests start


def pytest_configure(config: pytest.Config) -> None:
    """Say no more of what libraries say of every training than commands do."""
    for message in SAID:
        config.addinivalue_line("filterwarnings", f"ignore:{message}")


def pytest_addoption(parser: pytest.Parser) -> None:
    """`pytest --long` runs what tests/long.txt lists, too."""
    parser.addoption("--long", action="store_true", help="run the tests of tests/long.txt, too")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what takes long. Whole commands first, which take longest: the last file to begin is a short one."""
    lines = [line for line in LONG.read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
    patterns = ["tests/" + line.replace("[", "[[]") for line in lines]  # a bracket is itself, * is anything
    named = {each: [item for item in items if fnmatchcase(item.nodeid, each)] for each in patterns}
    if config.args_source is config.ArgsSource.TESTPATHS and not all(named.values()):
        gone = [line for line, found in zip(lines, named.values(), strict=True) if not found]
        raise pytest.UsageError(f"tests/long.txt names what is no test: {gone[0]}")
    if not config.getoption("--long"):
        left_out = {item for found in named.values() for item in found}
        config.hook.pytest_deselected(items=[*left_out])
        items[:] = [item for item in items if item not in left_out]
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
