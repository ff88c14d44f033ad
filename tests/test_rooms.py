"""The house: imports run one way, no room is crowded, and nothing is imported that a room must not know."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
# Each room may import from those named; a room may always import from itself.
MAY_IMPORT = {
    "upsample": (),
    "plumbing": (),
    "data": ("plumbing",),
    "models.networks": ("upsample", "plumbing"),
    "models.training": ("models.networks", "data", "upsample", "plumbing"),
    "models.trained": ("models.networks", "models.training", "upsample", "plumbing"),
    "models.tasks": ("models.networks", "models.training", "models.trained", "data", "upsample", "plumbing"),
    "models.zoo": (
        "models.networks",
        "models.training",
        "models.trained",
        "models.tasks",
        "data",
        "upsample",
        "plumbing",
    ),
    "models.loading": ("models.trained", "models.training", "models.zoo", "plumbing"),
    "models": ("models.networks",),
    "study": ("models", "models.networks", "models.tasks", "models.zoo", "models.loading", "data", "plumbing"),
}
COMMANDS = {path.stem for path in ROOT.glob("*.py")}
HYDRA = ("study", "conf")  # and the commands
LIGHTNING = ("models.tasks", "models.training", "models.zoo", "data.loading")
MOST = 15


def room_of(module: str) -> str | None:
    """The room of ours that a module lies in, the innermost that is named; None for what is not ours."""
    return max((room for room in MAY_IMPORT if module == room or module.startswith(room + ".")), key=len, default=None)


def files() -> Iterator[tuple[str, Path]]:
    """Each module of ours with its file."""
    for top in ("upsample", "plumbing", "data", "models", "study"):
        for path in sorted((ROOT / top).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts), path


def imported(path: Path) -> Iterator[str]:
    """What a file imports, wherever it does; `from package import module` counts as the module where it is one."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                place = ROOT / Path(*node.module.split("."), alias.name)
                below = place.with_suffix(".py").is_file() or (place / "__init__.py").is_file()
                yield f"{node.module}.{alias.name}" if below else node.module


def words(text: str) -> set[str]:
    """What a module may define or import, by any of its words."""
    return set(re.findall(r"\w+", text))


@pytest.mark.parametrize(("module", "path"), list(files()), ids=lambda value: value if isinstance(value, str) else "")
def test_imports_run_one_way(module: str, path: Path) -> None:
    own = room_of(module)
    assert own is not None
    for name in imported(path):
        room = room_of(name)
        assert name.split(".")[0] not in COMMANDS, f"{module} imports the command {name}"
        if room is not None and room != own:
            assert room in MAY_IMPORT[own], f"{module} ({own}) imports {name} ({room})"


def test_what_tests_and_benchmarks_import_is_there() -> None:
    """Those of tests/stress are run seldom, and would not tell that what they import has moved."""
    missing = []
    for path in [*(ROOT / "tests").rglob("*.py"), *(ROOT / "benchmarks").rglob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module and room_of(node.module):
                place = ROOT / Path(*node.module.split("."))
                names = [] if place.with_suffix(".py").is_file() else [alias.name for alias in node.names]
                package = place / "__init__.py"
                text = package.read_text(encoding="utf-8") if package.is_file() else ""
                below = {each.stem for each in place.glob("*")} if place.is_dir() else set()
                missing += [f"{path.name}: {node.module}.{name}" for name in names if name not in below | words(text)]
    assert missing == []


@pytest.mark.parametrize(("library", "rooms"), [("hydra", HYDRA), ("pytorch_lightning", LIGHTNING)])
def test_only_some_rooms_know(library: str, rooms: tuple[str, ...]) -> None:
    found = {
        module
        for module, path in files()
        if any(name.split(".")[0] == library for name in imported(path))
        if not any(module == room or module.startswith(room + ".") for room in rooms)
    }
    assert found == set()


def test_no_folder_is_crowded() -> None:
    folders = {path.parent for _, path in files()} | {ROOT / "benchmarks"}
    counts = {str(folder.relative_to(ROOT)): len(list(folder.glob("*.py"))) for folder in folders}
    assert {folder: count for folder, count in counts.items() if count > MOST + 1} == {}


def test_no_file_is_named_for_what_it_is_not() -> None:
    assert [str(path) for _, path in files() if path.stem in ("utils", "helpers", "misc", "common")] == []


def test_no_module_is_hidden_by_a_name_of_its_package() -> None:
    """`from upsample import audit` is the function; then no file may be called upsample/audit.py."""
    hidden = []
    for module, path in files():
        if path.name != "__init__.py":
            continue
        names = {
            alias.asname or alias.name
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))  # what is imported when asked for, too
            if isinstance(node, ast.ImportFrom)
            for alias in node.names
            if not (
                node.module == module
                or (node.module == f"{module}.{alias.name}" and (path.parent / alias.name).is_dir())
            )
        }
        hidden += [f"{module}.{name}" for name in names if (path.parent / f"{name}.py").exists()]
    assert hidden == []
