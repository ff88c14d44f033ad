"""Runs, compared: what is printed, and the files that are written."""

import sys
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

from plumbing.atomic import whole, write_text
from plumbing.messages import say
from study.comparison import runs
from study.identity import joined


def compare(found: list[runs.Run], out: Path, left_out: Sequence[str] = ()) -> None:
    """Print and write the comparison of runs, one for each task, data set and state of its files that there is.

    left_out  a sentence for each folder that was no run
    Raises ValueError where no run is finished.
    """
    from study.comparison import board, page, pictures, table  # here, so that --help and a typo answer at once

    kinds = [list(same) for _, same in groupby(sorted(found, key=lambda run: run.kind), key=lambda run: run.kind)]
    finished = [same for same in kinds if any(run.metrics for run in same)]
    if not finished:
        raise ValueError("no run is finished yet, so there is nothing to compare; start the same command again")
    if len(kinds) > 1:
        say(f"{len(kinds)} comparisons: runs of other tasks, or on other data, do not compare")
    for same in kinds:
        if same not in finished:
            say(f"Not compared: of {' on '.join(filter(None, same[0].kind))} no run is finished")
            continue
        folder = out if len(kinds) == 1 else out / joined(*filter(None, same[0].kind))
        result = board.Board(same)
        table.print_board(result)
        write_text(folder / "comparison.csv", table.to_csv(result))
        notes: list[str] = []
        png = None
        try:
            png = pictures.picture(result, notes)
        except Exception as error:  # whatever drawing raises: the numbers do not depend on it
            notes.append(f"the picture could not be drawn ({type(error).__name__}: {error})")
        for note in notes:
            say(f"Warning: {note}", sys.stderr)
        if png:
            with whole(folder / "comparison.png") as partial:
                partial.write_bytes(png)
        write_text(folder / "comparison.html", page.html(result, png, [*left_out, *notes], folder))
        for kind in ("csv", *(["png"] if png else []), "html"):
            say(folder / f"comparison.{kind}")
