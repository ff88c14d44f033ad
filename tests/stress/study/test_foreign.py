"""Forty-five run folders made to harm, in one comparison and one by one: no trace, no script, no other file touched."""

import json
import os
import random
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

import study
from tests.study.comparison.conftest import write_run
from tests.study.comparison.test_foreign import NAMES, SCRIPT

ROOT = Path(study.__file__).parents[1]
Harm = Callable[[Path], object]


def config(**changes: object) -> Harm:
    """Other values in config.yaml."""

    def harm(folder: Path) -> None:
        held = yaml.safe_load((folder / "config.yaml").read_text())
        (folder / "config.yaml").write_text(yaml.safe_dump(held | changes))

    return harm


def metrics(**changes: object) -> Harm:
    """Other values in metrics.json."""

    def harm(folder: Path) -> None:
        held = json.loads((folder / "metrics.json").read_text())
        (folder / "metrics.json").write_text(json.dumps(held | changes))

    return harm


def content(name: str, text: str | bytes) -> Harm:
    """A file with other content."""
    return lambda folder: (folder / name).write_bytes(text.encode() if isinstance(text, str) else text)


def special(name: str, make: Callable[[Path], object]) -> Harm:
    """Something else in a file's place."""

    def harm(folder: Path) -> None:
        (folder / name).unlink()
        make(folder / name)

    return harm


def array_bomb(folder: Path) -> None:
    """Nine gigabytes of zeros, nine megabytes on the disk."""
    with (
        zipfile.ZipFile(folder / "example.npz", "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("output.npy", "w", force_zip64=True) as file,
    ):
        header = "{'descr': '|u1', 'fortran_order': False, 'shape': (3000000000, 1, 3), }".ljust(117) + "\n"
        file.write(b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header.encode())
        for _ in range(9000):
            file.write(bytes(2**20))


def flipped(name: str) -> Harm:
    """A file with a tenth of its bytes replaced."""

    def harm(folder: Path) -> None:
        held, draw = bytearray((folder / name).read_bytes()), random.Random(0)
        for _ in range(max(1, len(held) // 10)):
            held[draw.randrange(len(held))] = draw.randrange(256)
        (folder / name).write_bytes(held)

    return harm


BOMB = "\n".join(["l0: &l0 [x, x]", *(f"l{i}: &l{i} [*l{i - 1}, *l{i - 1}]" for i in range(1, 60))])
HARMS: dict[str, Harm] = {
    **{f"named {i}": config(upsample={"name": name, "x": name}) for i, name in enumerate(NAMES)},
    "a seed of markup": config(seed=SCRIPT),
    "a fold of markup": config(data={"name": "earth", "fold": SCRIPT}),
    "a task that is a path": config(task={"name": "../../../../tmp/owned"}),
    "data that are a path": config(data={"name": "/tmp/owned"}),
    "a fingerprint that is a path": config(data_fingerprint="../../owned"),
    "an alias bomb": content("config.yaml", BOMB),
    "nesting": content("config.yaml", "[" * 200_000),
    "a Python object": content("config.yaml", "seed: !!python/object/apply:os.system ['touch owned']"),
    "no configuration": content("config.yaml", ""),
    "half a configuration": lambda folder: content("config.yaml", (folder / "config.yaml").read_bytes()[:40])(folder),
    "a configuration of noise": content("config.yaml", np.random.default_rng(0).bytes(5000)),
    "a damaged configuration": flipped("config.yaml"),
    "metrics of markup": metrics(**{"test/miou": SCRIPT}),
    "metrics beyond all sense": content("metrics.json", '{"test/miou": 1' + "0" * 5000 + "}"),
    "metrics of infinity": content("metrics.json", '{"test/miou": Infinity, "test/x": -1e999}'),
    "half of the metrics": lambda folder: content("metrics.json", (folder / "metrics.json").read_bytes()[:99])(folder),
    "deep metrics": content("metrics.json", "[" * 500_000),
    "a list": content("metrics.json", "[1, 2, 3]"),
    "a period of a billion": metrics(period=10**9),
    "damaged metrics": flipped("metrics.json"),
    "an array bomb": array_bomb,
    "a damaged example": flipped("example.npz"),
    "an example of objects": lambda folder: np.savez(folder / "example.npz", output=np.array([{}], dtype=object)),
    "a history of markup": content("history.csv", f"step,val/miou\n1,{SCRIPT}"),
    "a long history": content("history.csv", "step,val/miou\n" + "1,1\n" * 300_000),
    "a history that is large": content("history.csv", "x" * 2**25),
    "a pipe": special("metrics.json", os.mkfifo),
    "an endless file": special("config.yaml", lambda path: path.symlink_to("/dev/zero")),
    "a folder": special("config.yaml", Path.mkdir),
    "a link to itself": special("metrics.json", lambda path: path.symlink_to(path)),
    "a link away": special("config.yaml", lambda path: path.symlink_to("/etc/passwd")),
}


def make(folder: Path, harm: Harm, number: int) -> None:
    harm(write_run(folder, "deconv", number % 3, 0.5, at=f"harm{number}"))


def good(folder: Path) -> None:
    for seed in range(3):
        write_run(folder, "deconv", seed, 0.8 + seed / 100)
        write_run(folder, "resize_conv", seed, 0.7 + seed / 100)


def compared(folder: Path, out: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "compare.py"), str(folder), "--output", str(out)]
    limit = 4 * 2**30  # bytes of memory, so that a bomb ends this and nothing else
    import resource

    return subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=120,
        cwd=folder,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (limit, limit)),
    )


@pytest.mark.parametrize("harm", HARMS)
def test_one_bad_folder_among_good_ones(harm: str, tmp_path: Path) -> None:
    good(tmp_path / "runs")
    make(tmp_path / "runs", HARMS[harm], 7)
    before = set(tmp_path.rglob("*"))
    done = compared(tmp_path / "runs", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    assert "\x1b" not in done.stdout + done.stderr
    written = set(tmp_path.rglob("*")) - before
    assert all(path.is_relative_to(tmp_path / "out") for path in written)
    assert SCRIPT not in "".join(path.read_text() for path in (tmp_path / "out").rglob("*.html"))


def test_all_of_them_at_once(tmp_path: Path, browser: Any) -> None:
    good(tmp_path / "runs")
    for number, harm in enumerate(HARMS.values()):
        make(tmp_path / "runs", harm, number)
    done = compared(tmp_path / "runs", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    print(
        f"{len(HARMS)} folders: {done.stderr.count('Left out: ')} left out, {done.stderr.count('Warning: ')} warnings"
    )
    pages = list((tmp_path / "out").rglob("comparison.html"))
    assert pages
    assert all(page.read_text().count("<script>") == 1 for page in pages)
    for page in pages:
        browser.get(page.as_uri())
        time.sleep(1)  # in which a picture that is not there would have called its script
        assert browser.title != "owned"  # as their scripts would name it; a run may be called so
        assert browser.execute_script("return document.scripts.length") == 1
        assert browser.execute_script("return document.querySelectorAll('[onerror], [onload], [onclick]').length") == 0
    print(f"{len(pages)} pages in Chromium: no script of theirs ran")
