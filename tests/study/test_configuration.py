"""What --help prints and docs/configuration.md holds: every key with its comment, and nothing that is not there."""

from pathlib import Path

import pytest
import yaml

from study.configuration import COMMANDS, CONF, Key, head, keys, page, show_help

FILES = sorted(CONF.rglob("*.yaml"))


def test_the_page_in_docs_is_the_one_that_is_written() -> None:
    written = (CONF.parent / "docs/configuration.md").read_text(encoding="utf-8")
    assert written == page(), "python -m study.configuration > docs/configuration.md"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(CONF).as_posix())
def test_each_key_of_a_file_is_found_with_what_it_says(path: Path) -> None:
    values = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    found = {key.name: key for key in keys(path)}
    assert {name for name in found if "." not in name} == set(values) - {"defaults", "hydra"}
    for name, key in found.items():
        value = values
        for part in name.split("."):
            value = value[part]
        if key.value:
            assert yaml.safe_load(key.value) == value
        assert not key.comment or key.comment.split()[0] in path.read_text(encoding="utf-8")


def test_comments_go_on_in_the_lines_below_and_stop_there(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("# What it is,\n# in two lines.\na: 1  # first,\n  # and more\nb: '#'\nc:  # a section\n"
                    "  d: [1,\n      2]  # two lines\n# not of d\ndefaults: [x]\n")  # fmt: skip
    assert head(path) == "What it is, in two lines."
    assert list(keys(path)) == [
        Key("a", "1", "first, and more"),
        Key("b", "'#'", ""),
        Key("c", "", "a section"),
        Key("c.d", "[1, 2]", "two lines"),
    ]


@pytest.mark.parametrize("config", COMMANDS)
def test_help_fits_a_terminal_and_says_nothing_of_the_launcher(config: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    text = show_help(config, [])
    lines = [line for line in text.splitlines() if "=${" not in line]
    assert max(map(len, lines)) <= 90
    assert "hydra" not in text.lower()
    assert "--shell-completion" in text
    assert "debug=false                           true: refusals come with their stack" in text


def test_help_shows_the_keys_of_what_is_chosen() -> None:
    text = show_help("config", ["model=dcgan", "data=folder", "data/augment=strong"])
    assert "task.d_steps=" in text
    assert "data.root=null                        the folder; must be given" in text
    assert "data/augment=strong, or: elastic, light, none, standard, symmetries" in text
    scale = text.partition("data.augment.scale=")[2]
    assert "an image is enlarged by so much" in " ".join(scale.split()[:12])
    assert "task.dice" not in text  # a GAN has none
