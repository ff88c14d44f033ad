"""Paths that are no UTF-8, through the files that hold them."""

import os
from pathlib import Path

import yaml

from models.trained.configuration import check_plain
from plumbing import plain_yaml
from plumbing.atomic import write_text


def test_a_path_that_is_no_utf8_comes_back_as_it_was(tmp_path: Path) -> None:
    path = os.fsdecode(b"/data/\xff\xfe")
    write_text(tmp_path / "a.yaml", yaml.safe_dump({"root": path}, allow_unicode=True))
    assert plain_yaml.parse((tmp_path / "a.yaml").read_bytes(), "a") == {"root": path}
    check_plain({"root": path})


def test_text_files_are_utf8_whatever_they_hold(tmp_path: Path) -> None:
    write_text(tmp_path / "a.txt", os.fsdecode(b"\xff ") + "ä")
    assert (tmp_path / "a.txt").read_text(encoding="utf-8") == "\\udcff ä"
