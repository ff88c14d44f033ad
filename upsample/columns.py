"""Tables of text."""

from collections.abc import Sequence


def columns(rows: Sequence[Sequence[str]], right: bool = False) -> list[str]:
    """Return rows of cells as lines in which every column is as wide as its widest cell.

    right  sets all but the first column to the right, as numbers are read
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        cells = [c.rjust(w) if right and i else c.ljust(w) for i, (c, w) in enumerate(zip(row, widths, strict=True))]
        lines.append("  ".join(cells).rstrip())
    return lines
