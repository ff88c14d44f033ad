"""Turn runs into an answer: a leaderboard over seeds, with the differences that they show and those they do not.

    python compare.py runs                          all of them
    python compare.py 'runs/unet-earth-*'           some

Runs are grouped by everything but the seed. Writes comparison.csv, comparison.png and comparison.html.
"""

import argparse
from itertools import groupby
from pathlib import Path

from plumbing.atomic import whole, write_text
from study import run_folder
from study.comparison import runs


def main() -> None:
    """Compare the runs named on the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", help="run folders, folders that hold them, or patterns of them")
    parser.add_argument("--out", type=Path, default=Path("runs/comparison"), help="folder for the files: %(default)s")
    parser.add_argument("--debug", action="store_true", help="refusals come with their stack trace")
    arguments = parser.parse_args()
    with run_folder.one_sentence(arguments.debug):
        compare([runs.read(folder) for folder in runs.find(arguments.runs)], arguments.out)


def compare(found: list[runs.Run], out: Path) -> None:
    """Print and write the comparison of runs, one for each task and data set there is.

    Raises ValueError where no run is finished.
    """
    from study.comparison import board, page, pictures, table  # here, so that --help and a typo answer at once

    kinds = [list(same) for _, same in groupby(sorted(found, key=lambda run: run.kind), key=lambda run: run.kind)]
    for same in kinds:
        folder = out if len(kinds) == 1 else out / "-".join(same[0].kind)
        result = board.Board(same)
        table.print_board(result)
        write_text(folder / "comparison.csv", table.to_csv(result))
        png = pictures.picture(result)
        with whole(folder / "comparison.png") as partial:
            partial.write_bytes(png)
        write_text(folder / "comparison.html", page.html(result, png))
        print("\n".join(str(folder / f"comparison.{kind}") for kind in ("csv", "png", "html")))


if __name__ == "__main__":
    main()
