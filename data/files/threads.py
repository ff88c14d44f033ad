"""The same work on many files at once: decoders leave the interpreter free."""

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from rich.console import Console
from rich.progress import track

from plumbing.messages import say

MANY = 200  # files, from which on something is said
AT_ONCE = 16  # of very many items are given to a thread: its way there takes longer than a small file
THREADS = max(2, os.cpu_count() or 1)  # more wait for the interpreter, which of small files takes most of the time
In = TypeVar("In")
Out = TypeVar("Out")


def in_threads(work: Callable[[In], Out], items: Sequence[In], what: str) -> Iterator[Out]:
    """`work` of each item, in their order; says on stderr how far it is, where there are many."""
    console = Console(stderr=True)
    if len(items) >= MANY and not console.is_terminal:
        say(f"{what} of {len(items):,} files ...", sys.stderr)
    silent = len(items) < MANY or not console.is_terminal
    size = max(1, min(AT_ONCE, len(items) // (AT_ONCE * THREADS)))
    parts = [items[i : i + size] for i in range(0, len(items), size)]
    with ThreadPoolExecutor(THREADS) as pool:
        done = (each for part in pool.map(lambda part: [*map(work, part)], parts) for each in part)
        yield from track(done, what, len(items), console=console, transient=True, disable=silent)
