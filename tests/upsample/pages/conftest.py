"""The page of sliders in a browser."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from upsample.pages.explore import write

THREAD = "#dims=2&k=3&s=2&d=2&p=2&o=0&fit=0&weights=count"


@pytest.fixture
def opened(browser: Any, tmp_path: Path) -> Iterator[Any]:
    """The page in a browser, at the thread's setting."""
    write(tmp_path / "explore.html")
    browser.get_log("browser")  # read away: what pages of other tests said
    browser.get((tmp_path / "explore.html").as_uri() + THREAD)
    yield browser
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
