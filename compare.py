"""Turn runs into an answer: a leaderboard over seeds, with the differences that they show and those they do not.

    python compare.py runs                          all of them
    python compare.py 'runs/unet-earth-*'           some

Runs are grouped by everything but the seed. Writes comparison.csv, comparison.png and comparison.html.
"""

import argparse
import sys
from pathlib import Path

from plumbing.messages import say
from study import run_folder
from study.comparison import runs
from study.comparison.compare import compare


def main() -> None:
    """Compare the runs named on the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", help="run folders, folders that hold them, or patterns of them")
    parser.add_argument(
        "--output", type=Path, default=Path("runs/comparison"), help="folder for the files: %(default)s"
    )
    parser.add_argument("--debug", action="store_true", help="refusals come with their stack trace")
    arguments = parser.parse_args()
    with run_folder.one_sentence(arguments.debug):
        found, left_out = runs.read_all(runs.find(arguments.runs))
        for sentence in left_out:
            say(f"Left out: {sentence}", sys.stderr)
        compare(found, arguments.output, left_out)


if __name__ == "__main__":
    main()
