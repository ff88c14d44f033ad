"""CONTRIBUTING's how-to, followed to the letter in a copy of the checkout: what it adds is there, and trains."""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.tiny import CONF

ROOT = CONF.parent
BLOCK = re.compile(r"^```(python|yaml|diff)\n# (\S+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
KINDS = ("An operator", "A network", "An encoder", "A data set", "A callback", "A score")
# The generic tests that anything is in by being there, and what of the new things they take.
GENERIC = {
    "tests/upsample/test_contract.py": ["tent"],
    "tests/models/test_build.py": ["tent", "shallow", "halved"],
    "tests/data/test_contract.py": ["roads"],
    "tests/test_rooms.py": ["tent", "shallow", "halved", "roads", "heartbeat"],
}
# Two trainings, of a network and an encoder, with the operator, the set, the callback and the score.
TRAINED = """
from pathlib import Path
import pytest
import train
from study.score_table import print_table
from tests.tiny import FEW, configuration

HERE = Path(__file__).parents[1]
RUNS = {
    "roads": ["encoder=halved", "data=roads", f"data.root='{HERE / 'pictures'}'", "task.crop=16", "data.batch_size=2",
              "trainer.max_epochs=1"],
    "shallow": ["model=shallow", "data.step=256", "task.test_crop=60", "trainer.max_steps=2"],
}

@pytest.mark.parametrize("name", RUNS)
def test_training(name):
    (HERE / name).mkdir()
    new = ["+trainer.limit_test_batches=1", "upsample=tent", "callbacks.heartbeat_steps=2"]
    print_table(train.run(configuration(*RUNS[name], *FEW, *new), HERE / name), HERE / name)
"""


def blocks() -> Iterator[tuple[str, str, str, str]]:
    """Section, language, path and text of each code block that begins with a path."""
    sections = re.split(r"^###? (.+)\n", (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8"), flags=re.MULTILINE)
    for section, text in zip(sections[1::2], sections[2::2], strict=True):
        for language, path, content in BLOCK.findall(text):
            yield section, language, path, content


def follow(language: str, file: Path, content: str) -> None:
    """Write a new file, or lines behind those shown."""
    if language != "diff":
        assert not file.exists(), f"{file} would be overwritten"
        file.write_text(content, encoding="utf-8")
        return
    lines, at = file.read_text(encoding="utf-8").splitlines(), -1
    for line in content.splitlines():
        if line.startswith(" "):
            assert line[1:] in lines[at + 1 :], f"{file} has no line {line[1:]!r}"
            at = lines.index(line[1:], at + 1)
        else:
            at += 1
            lines.insert(at, line.removeprefix("+"))
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")


@pytest.fixture(scope="module")
def followed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A copy of what trains and tests with all that CONTRIBUTING adds, and what its tests of these print."""
    copy = tmp_path_factory.mktemp("contributor") / "checkout"
    copy.mkdir()
    for name in ("upsample", "data", "models", "plumbing", "study", "conf", "tests"):
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    for file in (*ROOT.glob("*.py"), ROOT / "pyproject.toml"):
        shutil.copy(file, copy)
    for _, language, path, content in blocks():
        follow(language, copy / path, content)
    (copy / "tests" / "test_training.py").write_text(TRAINED)
    for i in range(12):
        pixels = np.random.default_rng(i).integers(0, 256, (64, 64, 3), np.uint8)
        for part, picture in (("images", pixels), ("masks", (pixels[..., 0] > 99).astype(np.uint8))):
            (copy / "pictures" / part).mkdir(parents=True, exist_ok=True)
            Image.fromarray(picture).save(copy / "pictures" / part / f"{i}.png")
    new = " or ".join(["test_training", *(f"{name}" for names in GENERIC.values() for name in names)])
    options = ["-vv", "-s", "-n", "0", "-k", f"({new}) and not content"]
    command = [sys.executable, "-m", "pytest", *options, "tests/test_training.py", *GENERIC]
    done = subprocess.run(command, cwd=copy, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return copy, done.stdout


def test_each_kind_is_shown() -> None:
    assert {section for section, *_ in blocks()} == set(KINDS)


def test_what_is_added_trains_and_is_told(followed: tuple[Path, str]) -> None:
    checkout, printed = followed
    assert "mean_accuracy" in printed
    labelled, enlarged = (json.loads((checkout / name / "metrics.json").read_text()) for name in ("roads", "shallow"))
    assert 0 <= labelled["test/mean_accuracy"] <= 1
    assert (labelled["upsampler"], enlarged["upsampler"]) == ("tent", "tent")
    assert enlarged["test/psnr_y"] > 0
    assert (checkout / "shallow" / "heartbeat").read_text() == "2\n"


@pytest.mark.parametrize(("path", "name"), [(path, name) for path, names in GENERIC.items() for name in names])
def test_generic_tests_take_it_in(path: str, name: str, followed: tuple[Path, str]) -> None:
    assert re.search(rf"{re.escape(path)}::\S*\b{name}\b.* PASSED", followed[1])
