"""Text from anyone made printable, or a cell of a table; what libraries say; sentences for what is missing."""

import sys
from typing import TextIO

MAX_SENTENCE = 2000  # characters of what a command prints of an error


def printable(text: object, limit: int = 200) -> str:
    """Return the text on one line with at most `limit` characters, whatever would move a terminal's cursor, colour it
    or reorder its letters written as its escape: names and errors out of foreign files stand in messages this way."""
    shown = escaped(" ".join(str(text)[: 2 * limit].split()))
    return shown if len(shown) <= limit else shown[: limit - 3] + "..."


def escaped(text: str) -> str:
    """Return a text without what a terminal or page would obey: control characters and such appear as \\x1b does."""
    if text.isprintable():  # as nearly all is: a thousand runs have a million letters
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def say(sentence: object, to: TextIO | None = None) -> None:
    """Tell whoever runs a command what happens, at once and on one line; `to` is standard output by default."""
    print(printable(sentence, MAX_SENTENCE), file=to, flush=True)


def say_error(error: object) -> None:
    """Tell on standard error why a command ends; nothing where it is that nobody reads on, as in `... | head`."""
    if not isinstance(error, BrokenPipeError):
        say(f"Error: {error}", sys.stderr)


def as_text(cell: str) -> str:
    """Return a cell of a table that no spreadsheet takes for a formula (OWASP, CSV injection)."""
    return f"'{cell}" if cell.startswith(("=", "+", "-", "@", "\t", "\r")) else cell


def needs(what: str, extra: str, *packages: str) -> str:
    """Return the sentence for what an optional extra of pyproject.toml would bring: `what` names it, `packages` the
    packages of that extra without which it does not work."""
    verb = "are" if len(packages) > 1 else "is"
    return (
        f"{what} needs {', '.join(packages)}, which {verb} not installed: uv run --extra {extra} ..., or "
        f"pip install {' '.join(packages)}"
    )


def starved(error: Exception) -> str | None:
    """Of what is raised where the system gives no more memory, be it for a library, a thread or a number, a sentence;
    None for any other error."""
    said = printable(error)
    signs = ("failed to map segment", "annot allocate memory", "can't allocate memory", "can't start new thread")
    if not isinstance(error, MemoryError) and not any(sign in said for sign in signs):
        return None
    return (
        f"out of memory ({said or 'MemoryError'}): the system, or a limit such as that of ulimit -v, gives this "
        "process no more; with a higher one the same command goes on"
    )
