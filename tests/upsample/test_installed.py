"""upsample/ as a library of its own: built as a wheel, and used from an empty folder without the rest."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from setuptools import build_meta

import upsample

HERE = Path(upsample.__file__).parent
TESTS = Path(__file__).parent
IGNORED = shutil.ignore_patterns("__pycache__", "build", "*.egg-info")
USE = """
import runpy, sys
import torch, upsample

def test_use(monkeypatch, tmp_path):
    up = upsample.build("dilated_deconv", in_channels=8, out_channels=4, scale=2)
    measure = upsample.Checkerboard(period=2)
    measure.update(up(torch.randn(2, 8, 32, 32)).detach())
    assert measure.compute()
    assert "installed" in upsample.__file__
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["upsample", "explain", "deconv"])
    runpy.run_module("upsample", run_name="__main__")
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    """An empty folder, and an environment in which Python finds the wheel's content and nothing else of ours."""
    top = tmp_path_factory.mktemp("wheel")
    shutil.copytree(HERE, top / "source", ignore=IGNORED)
    here = Path.cwd()
    os.chdir(top / "source")  # where a builder of wheels is called
    try:
        name = build_meta.build_wheel(str(top))
    finally:
        os.chdir(here)
    with zipfile.ZipFile(top / name) as wheel:
        wheel.extractall(top / "installed")
    (top / "empty").mkdir()
    return top / "empty", {key: value for key, value in os.environ.items() if key != "PYTHONPATH"} | {
        "PYTHONPATH": str(top / "installed")
    }


def test_the_wheel_holds_every_module(installed: tuple[Path, dict[str, str]]) -> None:
    package = installed[0].parent / "installed" / "upsample"
    ours = {path.relative_to(HERE) for path in HERE.rglob("*.py") if "build" not in path.parts}
    assert {path.relative_to(package) for path in package.rglob("*.py")} == ours
    assert (package / "py.typed").exists()


def test_it_is_used_and_tested_without_the_rest(installed: tuple[Path, dict[str, str]]) -> None:
    """A part of its own tests, which takes seconds; each imports nothing but upsample."""
    folder, environment = installed
    shutil.copytree(TESTS, folder / "checks", ignore=IGNORED)
    (folder / "checks" / "test_use.py").write_text(USE)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--import-mode=importlib"]
    parts = [f"checks/{name}.py" for name in ("test_use", "algebra/test_gridding", "algebra/test_fold")]
    ended = subprocess.run([*command, *parts], cwd=folder, env=environment, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stdout + ended.stderr
