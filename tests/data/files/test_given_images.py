"""Files named on a command line, and what their results are called."""

from pathlib import Path

import pytest

from data.files.given_images import find


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def touch(*names: str) -> None:
    for name in names:
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).touch()


def named(*inputs: str) -> dict[str, str]:
    return {name: path.as_posix() for name, path in find(inputs, Path("out"))[0].items()}


def test_files_keep_their_names_whatever_is_in_them(here: Path) -> None:
    names = ["photo (1).jpg", "a=b,c.png", "fotografía [2].tif", "日本.webp", "no suffix", "a.b.c.jpg"]
    touch(*names)
    assert list(named(*names)) == ["photo (1)", "a=b,c", "fotografía [2]", "日本", "no suffix", "a.b.c"]


def test_sub_folders_are_kept_and_other_files_left_out(here: Path) -> None:
    touch("in/x.jpg", "in/deep/er/y.PNG", "in/notes.txt", "in/.hidden.png")
    assert named("in") == {"x": "in/x.jpg", "deep/er/y": "in/deep/er/y.PNG"}


def test_names_that_several_would_share_are_told_apart(here: Path) -> None:
    touch("a/1.png", "b/1.png", "b/2.jpg", "b/2.png", "c/B/3.png", "c/b/3.png")
    assert named("a", "b") == {"a/1": "a/1.png", "b/1": "b/1.png", "2.jpg": "b/2.jpg", "2.png": "b/2.png"}
    assert sorted(named("c").values()) == ["c/B/3.png", "c/b/3.png"]
    assert len({name.casefold() for name in named("c")}) == 2
    touch("x/in/1.png", "y/in/1.png")
    assert sorted(named("x/in", "y/in").values()) == ["x/in/1.png", "y/in/1.png"]


def test_each_file_counts_once_and_results_are_no_input(here: Path) -> None:
    touch("in/x.png", "out/masks/x.png")
    assert named("in/x.png", "in", "./in") == {"x": "in/x.png"}
    assert named(".") == {"in/x": "in/x.png"}


def test_a_folder_without_images_is_reported(here: Path) -> None:
    touch("empty/notes.txt", "x.png")
    images, wrong = find(["empty", "x.png", "gone.png"], Path("out"))
    assert list(images) == ["x", "gone"]  # reading says that it is gone
    assert wrong[0].startswith("empty holds no image; these are read: .bmp")
