"""What a run is made of: the dependencies that pyproject.toml lists, each used, and nothing from a network."""

import ast
import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from importlib.metadata import files, packages_distributions
from pathlib import Path

import pytest

import train
from tests.tiny import TINY

ROOT = Path(train.__file__).parent
# Python calls the hook before each such act, also where a library catches what it raises: so they are counted.
OFFLINE = """
import runpy, socket, sys

tried = []

def offline(event, arguments):
    named = event in ("socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr")
    if named or event == "socket.__new__" and arguments[1] in (socket.AF_INET, socket.AF_INET6):
        tried.append((event, *map(str, arguments)))
        raise OSError(f"no network here: {event} {arguments}")

sys.addaudithook(offline)
sys.argv = sys.argv[1:]
try:
    runpy.run_path(sys.argv[0], run_name="__main__")
finally:
    print("tried:", tried)
"""
PACKAGES = [path.parent for path in ROOT.glob("*/__init__.py")]
OURS = {path.stem for path in [*ROOT.glob("*.py"), *PACKAGES]}
COMES_WITH = {"omegaconf": "hydra-core"}  # the language of its files, in the version that Hydra asks for


def offline(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", OFFLINE, *arguments], cwd=ROOT, capture_output=True, text=True)


def test_the_default_job_needs_no_network(tmp_path: Path) -> None:
    few = ["trainer.max_epochs=1", "data.test_crop=64", "task.grid_images=0", "task.checkerboard_images=2"]
    ended = offline("train.py", *TINY, *few, f"hydra.run.dir='{tmp_path}'")
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.endswith("tried: []\n")
    assert 0 < json.loads((tmp_path / "metrics.json").read_text())["test/miou"] < 1


@pytest.mark.parametrize(
    "act",
    [
        "socket.getaddrinfo('localhost', 80)",
        "socket.socket(socket.AF_INET6)",
        "socket.create_connection(('127.0.0.1', 9))",
    ],
)
def test_what_asks_a_network_is_seen(act: str, tmp_path: Path) -> None:
    script = tmp_path / "asks.py"
    script.write_text(f"import socket\ntry:\n    {act}\nexcept OSError:\n    pass\n")
    assert "tried: [('socket." in offline(str(script)).stdout


def imported(path: Path, everywhere: bool) -> Iterator[str]:
    """The modules that a file names in imports and in `files("...")` of importlib.resources; else those that it
    imports as soon as it is imported."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree) if everywhere else tree.body:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "files" and node.args:
            yield from (str(each.value) for each in node.args if isinstance(each, ast.Constant))


BRINGS = packages_distributions()


@cache
def distributions(module: str) -> set[str]:
    """What the package index calls that which brings a module, as pyproject.toml spells it."""
    top = module.split(".")[0]
    found = set(BRINGS.get(top, [top]))  # an extra may not be installed
    if len(found) > 1:  # they share a namespace
        inside = module.replace(".", "/") + "/"
        found = {name for name in found if any(str(file).startswith(inside) for file in files(name) or ())}
    return {COMES_WITH.get(name, name).lower().replace("_", "-") for name in found}


def of_the_project(everywhere: bool) -> dict[str, set[str]]:
    """Of what others wrote and the project imports, each distribution with the files that do."""
    used: dict[str, set[str]] = {}
    for path in [*ROOT.glob("*.py"), *(path for package in PACKAGES for path in package.rglob("*.py"))]:
        for module in imported(path, everywhere):
            if module.split(".")[0] not in sys.stdlib_module_names | OURS:
                for distribution in distributions(module):
                    used.setdefault(distribution, set()).add(str(path.relative_to(ROOT)))
    return used


@pytest.fixture(scope="module")
def dependencies() -> set[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return {re.split(r"[^\w.-]", each)[0].lower() for each in project["dependencies"]}


def test_every_dependency_is_used(dependencies: set[str]) -> None:
    assert dependencies - set(of_the_project(everywhere=True)) == set()


def test_what_a_file_imports_at_once_is_a_dependency(dependencies: set[str]) -> None:
    """What an extra brings is imported inside of the function that needs it."""
    assert {name: where for name, where in of_the_project(everywhere=False).items() if name not in dependencies} == {}
