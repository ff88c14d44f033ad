import pytest

from plumbing.messages import MAX_SENTENCE, say, say_error, starved


def test_what_is_said_is_one_line_that_moves_no_cursor(capsys: pytest.CaptureFixture[str]) -> None:
    say("\x1b[2Ja name\r\nof two lines\u202e")
    said, _ = capsys.readouterr()
    assert said == "\\x1b[2Ja name of two lines\\u202e\n"
    say("x" * 10 * MAX_SENTENCE)
    assert len(capsys.readouterr().out) == MAX_SENTENCE + 1


def test_an_error_is_said_beside_the_results(capsys: pytest.CaptureFixture[str]) -> None:
    say_error(ValueError("no such file"))
    assert capsys.readouterr() == ("", "Error: no such file\n")


def test_memory_that_the_system_does_not_give_is_told_as_such_whoever_says_it() -> None:
    for error in (MemoryError(), ImportError("x.so: failed to map segment from shared object"),
                  RuntimeError("can't start new thread")):  # fmt: skip
        assert (starved(error) or "").startswith("out of memory (")
    assert starved(RuntimeError("sizes do not match")) is None
