import pytest

from plumbing.messages import MAX_SENTENCE, say, say_error


def test_what_is_said_is_one_line_that_moves_no_cursor(capsys: pytest.CaptureFixture[str]) -> None:
    say("\x1b[2Ja name\r\nof two lines\u202e")
    said, _ = capsys.readouterr()
    assert said == "\\x1b[2Ja name of two lines\\u202e\n"
    say("x" * 10 * MAX_SENTENCE)
    assert len(capsys.readouterr().out) == MAX_SENTENCE + 1


def test_an_error_is_said_beside_the_results(capsys: pytest.CaptureFixture[str]) -> None:
    say_error(ValueError("no such file"))
    assert capsys.readouterr() == ("", "Error: no such file\n")
