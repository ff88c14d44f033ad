"""The digest in a checkpoint: what it covers, and that no single fault gets past it."""

import hashlib
import io
import zipfile
from typing import Any

import pytest
import torch

from models.training.digest import DamagedError, is_sealed, seal


def written(sealed: bool = True) -> bytes:
    """A small checkpoint."""
    file = io.BytesIO()
    torch.save({"weights": torch.arange(9.0), "step": 7, "name": "a"}, file)
    if sealed:
        seal(file)
    return file.getvalue()


def verdict(content: bytes) -> str:
    try:
        return "sealed" if is_sealed(io.BytesIO(content)) else "unsealed"
    except DamagedError:
        return "damaged"
    except ValueError:
        return "no checkpoint"


def test_the_digest_is_that_of_what_torch_wrote_and_the_file_stays_an_archive() -> None:
    plain, whole = written(sealed=False), written()
    assert whole.startswith(plain[:-2])
    with zipfile.ZipFile(io.BytesIO(whole)) as archive:
        assert archive.testzip() is None
        assert archive.comment == b"sha256 " + hashlib.sha256(plain).hexdigest().encode()
    assert torch.equal(torch.load(io.BytesIO(whole), weights_only=True)["weights"], torch.arange(9.0))


def test_whole_files_with_and_without_a_digest_are_told_apart() -> None:
    assert (verdict(written()), verdict(written(sealed=False))) == ("sealed", "unsealed")


def test_every_single_bit_is_covered() -> None:
    whole = written()
    for bit in range(8 * len(whole)):
        changed = bytearray(whole)
        changed[bit // 8] ^= 1 << bit % 8
        assert verdict(bytes(changed)) in ("damaged", "no checkpoint"), bit


@pytest.mark.parametrize("sealed", [True, False])
def test_every_lost_end_is_noticed(sealed: bool) -> None:
    whole = written(sealed)
    for length in range(len(whole)):
        assert verdict(whole[:length]) in ("damaged", "no checkpoint"), length


@pytest.mark.parametrize("change", [
    lambda whole: whole + b"\0",
    lambda whole: whole + whole,
    lambda whole: whole[: len(whole) // 2] + bytes(512) + whole[len(whole) // 2 :],
    lambda whole: whole[:512] + bytes(512) + whole[1024:],
    lambda whole: bytes(len(whole)),
    lambda whole: written(sealed=False)[:200] + whole[200:-1] + b"0",
])  # fmt: skip
def test_other_faults_are_noticed(change: Any) -> None:
    assert verdict(change(written())) in ("damaged", "no checkpoint")
