"""The user's own zoo: what is written there, and that the project's stays as it is."""

import hashlib
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from models.zoo import entry, folders, hub, index
from models.zoo.__main__ import main

Make = Callable[[Path, str, dict[str, bytes]], Path]


def state(zoo: Path) -> dict[str, str]:
    """Every file of a folder with its digest."""
    files = (path for path in zoo.rglob("*") if path.is_file())
    return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("EVENLY_ZOO", str(tmp_path / "own"))
    return tmp_path / "own"


def test_what_is_pulled_goes_to_the_users_zoo_and_is_found_by_name(
    zoo: Path, own: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = state(folders.PROJECTS)
    main(["pull", "small", "--from", zoo.as_uri()])
    assert set(index.read(own)) == {"small"}
    assert entry.load("small").upsampler == "dilated_deconv"
    main(["list"])
    said = capsys.readouterr().out
    assert "\nsmall " in said
    assert "\nunet-earth-deconv " in said
    assert entry.read_named("unet-earth-deconv").config["upsample"]["name"] == "deconv"
    main(["push", "small", "--to", (own.parent / "hub").as_uri()])
    assert set(hub.fetch_index((own.parent / "hub").as_uri())) == {"small"}
    assert state(folders.PROJECTS) == before


@pytest.mark.parametrize("words", [["pull", "NAME", "--from", "file:///x"], ["export", "best.ckpt", "--name", "NAME"]])
def test_an_entry_of_the_projects_is_not_hidden(
    words: list[str], own: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main([word.replace("NAME", "unet-earth-deconv") for word in words])
    assert "this project's zoo has a unet-earth-deconv, which yours would hide" in capsys.readouterr().err
    assert not own.exists()


def test_where_it_is_by_default(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("EVENLY_ZOO", raising=False)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert folders.own() == tmp_path / "evenly/zoo"
    monkeypatch.delenv("XDG_DATA_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert folders.own() == tmp_path / ".local/share/evenly/zoo"


def test_what_there_is_is_known_without_torch() -> None:
    code = "import sys; from models.zoo import folders; folders.names(); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=folders.PROJECTS.parent).returncode == 0
