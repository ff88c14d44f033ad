"""Text from anyone, as messages show it."""


def printable(text: object, limit: int = 200) -> str:
    """Return the text on one line with at most `limit` characters, whatever would move a terminal's cursor, colour it
    or reorder its letters written as its escape: names and errors out of foreign files stand in messages this way."""
    line = " ".join(str(text)[: 2 * limit].split())
    shown = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in line)
    return shown if len(shown) <= limit else shown[: limit - 3] + "..."
