"""The page as a reader has it: opened in a browser that cannot reach anything, sorted by a click."""

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import matplotlib.image
import pytest
import yaml

from study import run_folder
from study.comparison.board import Board
from study.comparison.page import html
from study.comparison.runs import read

pytest.importorskip("selenium", reason="the comparison page is tested in a browser, which needs selenium")
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webdriver import WebDriver

ROOT = Path(run_folder.__file__).parents[1]


@pytest.fixture
def page(nine_runs: Path, tmp_path: Path) -> Path:
    """The folder of a comparison written by the command."""
    command = [sys.executable, str(ROOT / "compare.py"), str(nine_runs), "--output", str(tmp_path / "out")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return tmp_path / "out"


def column(browser: WebDriver, table: str, index: int) -> list[str]:
    return [cell.text for cell in browser.find_elements(By.CSS_SELECTOR, f"#{table} td:nth-child({index})")]


def test_the_page_sorts_by_a_click_and_needs_no_network(page: Path, browser: WebDriver) -> None:
    browser.get((page / "comparison.html").as_uri())
    assert column(browser, "ranking", 1) == ["deconv", "resize_conv", "dilated_deconv"]
    header = browser.find_elements(By.CSS_SELECTOR, "#scores th button")[3]
    assert header.text.startswith("checkerboard/spectral_peak_db")
    header.click()
    assert column(browser, "scores", 1) == ["resize_conv", "deconv", "dilated_deconv"]
    assert column(browser, "scores", 4) == ["5.0 ± 1.0", "21.0 ± 1.0", "28.0 ± 1.0"]
    header.click()
    assert column(browser, "scores", 1) == ["dilated_deconv", "deconv", "resize_conv"]
    assert column(browser, "ranking", 7) == ["best", "no difference shown", "worse"]
    assert column(browser, "configurations", 1) == ["upsample.name"]
    assert browser.execute_script("return document.images[0].naturalWidth") > 1000
    loaded = browser.execute_script("return performance.getEntriesByType('resource').map(r => r.name)")
    assert all(name.startswith("data:") for name in loaded)
    assert not re.search(r"src=.(?!data:)", (page / "comparison.html").read_text())


def test_the_command_writes_a_picture_and_a_csv(page: Path) -> None:
    assert {each.name for each in page.iterdir()} == {"comparison.csv", "comparison.png", "comparison.html"}
    assert matplotlib.image.imread(page / "comparison.png").std() > 0.1


def test_what_is_no_run_is_refused_in_one_sentence(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, str(ROOT / "compare.py"), str(tmp_path)], capture_output=True, text=True)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert done.stderr.startswith(f"Error: {tmp_path} holds no run")


def test_the_page_runs_no_script_but_its_own(
    nine_runs: Path, make_run: Callable[..., Path], tmp_path: Path, browser: WebDriver
) -> None:
    attack = "</script></td><script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">"
    folder = make_run("deconv", 0, None, at="hostile")
    (folder / "failed.json").write_text(json.dumps({"reason": attack}))
    config = yaml.safe_load((folder / "config.yaml").read_text())
    config["upsample"]["name"] = attack
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    (nine_runs / "bad").mkdir()
    (nine_runs / "bad/config.yaml").write_text(yaml.safe_dump({"seed": attack}))
    command = [sys.executable, str(ROOT / "compare.py"), str(nine_runs), "--output", str(tmp_path / "out")]
    assert subprocess.run(command, capture_output=True, text=True).returncode == 0
    browser.get((tmp_path / "out/comparison.html").as_uri())
    text = browser.find_element(By.TAG_NAME, "body").text
    assert (
        text.count("<script>document.title='owned'</script>") >= 4
    )  # in the ranking, what is missing, what is left out
    assert browser.title == "Comparison: segmentation on earth"
    assert len(browser.find_elements(By.TAG_NAME, "img")) == 1
    # What would still get in somehow is stopped by the page's policy.
    browser.execute_script("document.body.insertAdjacentHTML('beforeend', arguments[0])", attack)
    browser.execute_script("const s = document.createElement('script'); s.text = \"document.title='owned'\"; "
                           "document.body.append(s)")  # fmt: skip
    assert len(browser.find_elements(By.TAG_NAME, "img")) == 2
    assert browser.title == "Comparison: segmentation on earth"
    browser.find_elements(By.CSS_SELECTOR, "#scores th button")[0].click()  # its own still runs
    assert browser.find_element(By.CSS_SELECTOR, "#scores th").get_attribute("aria-sort") == "ascending"


def test_the_page_links_the_runs_own_pages(make_run: Callable[..., Path], tmp_path: Path) -> None:
    found = [make_run("deconv", seed, 0.7 + seed / 10) for seed in (0, 1)]
    (found[0] / "report.html").write_text("page")
    text = html(Board([read(folder) for folder in found]), None, [], tmp_path / "out")
    assert f'href="../runs/{found[0].name}/report.html"' in text
    assert found[1].name not in text
