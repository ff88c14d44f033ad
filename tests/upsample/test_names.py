"""What is known of the package before torch is imported."""

import subprocess
import sys

import pytest

import upsample
from upsample.names import unknown, written

WITHOUT_TORCH = """
import sys
import upsample
from upsample import __main__

assert "swap" in dir(upsample)
for words in (["explain", "deconf"], ["explain", "deconv", "--vs", "deconf"], ["audit", "nowhere:model"],
              ["inspect", "nowhere.png"], ["explain", "--help"]):
    try:
        __main__.main(words)
    except SystemExit as end:
        assert end.code == (0 if "--help" in words else 2)
assert "torch" not in sys.modules
"""


def test_the_files_say_which_operators_there_are() -> None:
    assert written() == list(upsample.available())


def test_what_is_wrong_is_said_without_torch() -> None:
    done = subprocess.run([sys.executable, "-c", WITHOUT_TORCH], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    refused = unknown("deconf", written())
    assert "did you mean deconv?" in refused
    assert done.stderr.count(refused) == 2
    assert ", ".join(written()) in " ".join(done.stdout.split())


@pytest.mark.parametrize("name", upsample.HOMES)
def test_every_name_is_where_it_is_said_to_be(name: str) -> None:
    found = getattr(upsample, name)
    assert found.__module__ == upsample.HOMES[name]
    assert name in dir(upsample)


def test_a_name_that_is_not_there_is_refused() -> None:
    with pytest.raises(AttributeError, match="upsample has no 'swop'"):
        upsample.swop  # noqa: B018  # to ask for it is the test
