"""Files that are there and are no checkpoint, or no longer: refused, passed over, never believed."""

import os
import random
import struct
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from models.training.checkpoint_file import is_there, load, verify
from models.training.checkpoints import WholeFiles, newest
from models.training.digest import DamagedError


def write(path: Path, **content: object) -> Path:
    WholeFiles().save_checkpoint({"weights": torch.arange(1000.0), **content}, path)
    return path


def folder(path: Path) -> None:
    path.mkdir()


def pipe(path: Path) -> None:
    os.mkfifo(path)


def loop(path: Path) -> None:
    path.symlink_to(path)


def nowhere(path: Path) -> None:
    path.symlink_to(path.parent / "unmounted" / "last.ckpt")


@pytest.mark.parametrize("make", [folder, pipe, loop, nowhere])
def test_what_is_there_but_cannot_be_opened_is_neither_passed_over_nor_written_over(
    make: Callable[[Path], None], tmp_path: Path
) -> None:
    """Nor is the other one used: it is older, and the next checkpoint would take the place of this one."""
    write(tmp_path / "best.ckpt")
    make(tmp_path / "last.ckpt")
    for what in (newest, lambda here: load(here / "last.ckpt")):
        with pytest.raises(ValueError, match=r"last\.ckpt (is there|is a link)") as error:
            what(tmp_path)
        assert not isinstance(error.value, DamagedError)
    assert os.path.lexists(tmp_path / "last.ckpt")


def test_a_file_without_the_right_to_read_it_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its rights are told by a stand-in, as tests may run as root, who has them all."""
    last, opened = write(tmp_path / "last.ckpt"), Path.open

    def refusing(path: Path, *arguments: object, **options: object) -> object:
        if path == last:
            raise PermissionError(13, "Permission denied", str(path))
        return opened(path, *arguments, **options)

    monkeypatch.setattr(Path, "open", refusing)
    with pytest.raises(ValueError, match=r"last.ckpt is there, but cannot be opened \(Permission denied\)"):
        newest(tmp_path)


def test_a_disk_that_fails_is_no_damage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    last = write(tmp_path / "last.ckpt")
    monkeypatch.setattr("models.training.checkpoint_file.is_sealed", lambda file: os.read(-1, 1) or True)
    with pytest.raises(ValueError, match="cannot be read") as error:
        verify(last)
    assert not isinstance(error.value, DamagedError)


def test_memory_that_ends_is_no_damage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else a run would start afresh where the machine is short of it."""
    last = write(tmp_path / "last.ckpt")
    for error in (MemoryError(), RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried")):
        monkeypatch.setattr(torch, "load", lambda *_, error=error, **__: (_ for _ in ()).throw(error))
        with pytest.raises(ValueError, match="too little memory to load the checkpoint") as refused:
            load(last)
        assert not isinstance(refused.value, DamagedError)


def test_a_checkpoint_of_before_there_were_digests_still_loads(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    torch.save({"weights": torch.arange(1000.0)}, tmp_path / "last.ckpt")
    assert not verify(tmp_path / "last.ckpt")
    assert newest(tmp_path) == tmp_path / "last.ckpt"
    assert "was written before checkpoints had a digest: its parts' checksums are right" in capsys.readouterr().out
    assert torch.equal(load(tmp_path / "last.ckpt")["weights"], torch.arange(1000.0))


def test_bit_flips_are_never_believed_and_the_sound_one_is_used(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Half of them in the structure: the first and the last kilobyte. tests/stress has 2,500 on a real run."""
    best, last = write(tmp_path / "best.ckpt", step=1), write(tmp_path / "last.ckpt", step=2)
    content, draw = last.read_bytes(), random.Random(0)
    places = [*range(1024), *range(len(content) - 1024, len(content))]
    for i in range(100):
        changed = bytearray(content)
        changed[draw.choice(places) if i % 2 else draw.randrange(len(content))] ^= 1 << draw.randrange(8)
        last.write_bytes(changed)
        assert newest(tmp_path) == best
        said = capsys.readouterr().out
        assert said.startswith("Passed over: ")
        assert said.count("\n") == 1
        with pytest.raises(DamagedError):
            load(last)
        with pytest.raises(DamagedError):
            WholeFiles().load_checkpoint(last)


def with_pickle(path: Path, change: Callable[[bytes], bytes]) -> None:
    """Exchange the pickle in a checkpoint, its checksum with it: a fault that no checksum tells, as by an attacker."""
    with zipfile.ZipFile(path) as archive:
        members = {info.filename: archive.read(info) for info in archive.infolist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, change(content) if name.endswith("data.pkl") else content)


def refusal(path: Path) -> str | None:
    """The sentence with which a checkpoint is refused, if it is; anything but a ValueError, or a warning, gets out."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            load(path)
        except ValueError as error:
            return str(error)
    return None


def test_mutated_pickles_are_one_sentence_each(tmp_path: Path) -> None:
    """200 of them; tests/stress has 2,000 and whole networks."""
    draw, path, refused = random.Random(0), tmp_path / "a.ckpt", 0

    def mutate(content: bytes) -> bytes:
        changed = bytearray(content)
        for _ in range(draw.randint(1, 4)):
            at = draw.randrange(len(changed))
            changed[at : at + draw.choice((0, 1, 1))] = draw.randbytes(draw.choice((0, 1, 1, 1, 2)))
        return bytes(changed)

    for _ in range(200):
        torch.save({"weights": torch.arange(9.0), "config": {"a": [1, 2.5, None, True, "text"]}}, path)
        with_pickle(path, mutate)
        sentence = refusal(path)
        refused += sentence is not None
        assert sentence is None or sentence.isprintable()
    assert refused > 100


def test_parts_that_share_their_bytes_are_refused(tmp_path: Path) -> None:
    """An archive of few bytes whose directory lists one large part a hundred times."""
    path = tmp_path / "a.ckpt"
    torch.save({"weights": torch.zeros(1000)}, path)
    content = path.read_bytes()
    end = content.rindex(b"PK\x05\x06")
    fields = list(struct.unpack("<4s4H2IH", content[end:]))
    start, size = fields[6], fields[5]
    directory = content[start : start + size]
    fields[3], fields[4], fields[5] = 100 * fields[3], 100 * fields[4], 100 * size
    path.write_bytes(content[:start] + 100 * directory + struct.pack("<4s4H2IH", *fields))
    with pytest.raises(DamagedError, match="its parts lie over each other"):
        load(path)


def test_nothing_is_there_where_nothing_is(tmp_path: Path) -> None:
    assert not is_there(tmp_path / "last.ckpt")
    assert not is_there(tmp_path / "no" / "folder" / "last.ckpt")
    assert newest(tmp_path / "no") is None
