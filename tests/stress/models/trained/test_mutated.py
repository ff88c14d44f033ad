"""Two thousand checkpoints and five hundred entries made to be believed; three minutes of a core."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import predict
from models.training.digest import seal
from tests import mutated
from tests.models.conftest import saved_run

__all__ = ["saved_run"]
ENTRY = Path(predict.__file__).parent / "zoo/unet-earth-resize_conv"


@pytest.mark.parametrize("what", ["segmentation", "gan", "super_resolution", "entry"])
def test_mutants_are_used_or_refused_in_a_sentence(
    what: str, saved_run: Callable[..., Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    original, count = ENTRY, 500
    if what != "entry":
        original, count = saved_run(what)[1], {"segmentation": 1400}.get(what, 300)
        with original.open("r+b") as file:
            seal(file)
    code = mutated.main(count, 0, original, tmp_path)
    said = capsys.readouterr()
    with capsys.disabled():
        print(f"\n{what}: {said.out.strip()}")
    assert code == 0, said.err
    found = json.loads(said.out)
    assert found["wrong"] == 0
    assert found["slowest_s"] < 10
