"""Samples prepared in other processes: whatever goes wrong there is told in one sentence that names the file."""

import os
import shutil
import time
from collections.abc import Iterable, Iterator
from multiprocessing import active_children
from pathlib import Path
from typing import Any

import torch
from torch.utils.data import DataLoader, Dataset, get_worker_info

from data.files.reading import Unreadable

SHARED = Path("/dev/shm")  # where Linux has it


class Prepared(Dataset[dict[str, Any]]):
    """A data set as loaders ask for it. Raises Unreadable for whatever goes wrong in a sample.

    dataset  asked for an index, or for something that ends in one
    samples  that it makes of; where they lie in files they tell by `where(index)`
    Each of the `workers` notes what it is at in memory that all processes share, so that a lost one can be told of.
    """

    def __init__(self, dataset: Any, samples: Any, workers: int) -> None:
        self.dataset, self.samples = dataset, samples
        self.at = torch.zeros(workers, 2, dtype=torch.long).share_memory_()  # process, index

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, key: Any) -> dict[str, Any]:
        worker, index = get_worker_info(), key[-1] if isinstance(key, tuple) else key
        if worker is not None:
            self.at[worker.id] = torch.tensor([os.getpid(), index])
        try:
            return self.dataset[key]
        except ValueError as error:  # a sentence already, which torch would hide in a trace
            raise Unreadable(str(error)) from error
        except Exception as error:
            raise Unreadable(
                f"{self.where(index)} could not be prepared ({type(error).__name__}: {error}); leave it out, or see "
                "where it fails with debug=true data.workers=0"
            ) from error

    def where(self, index: int) -> str:
        """What to look at for a sample."""
        return self.samples.where(index) if hasattr(self.samples, "where") else f"sample {index}"


def lost(error: BaseException, asked: Iterable[Prepared]) -> str | None:
    """Of what a process raises that has lost a worker, a sentence; None for any other error."""
    if "unable to allocate shared memory" in str(error) or "out of shared memory" in str(error):
        return full(SHARED)
    told = str(error).startswith("DataLoader worker (pid")
    if not (told or isinstance(error, ConnectionError | EOFError)):  # these where it was about to hand over a batch
        return None
    at = [(process, each.where(i)) for each in asked for process, i in each.at.tolist() if process]
    if told:
        gone = [where for process, where in at if str(process) in str(error)]
    else:
        time.sleep(0.5)  # until the system has it among the dead
        alive = {child.pid for child in active_children()}
        gone = [where for process, where in at if process not in alive]
        if not gone:
            return None
    return (
        f"a process that prepares batches was killed{' at ' if gone else ''}{' and '.join(gone)}, as Linux does where "
        "memory runs out; start the same command again, which continues the run, with fewer data.workers"
    )


def full(shared: Path) -> str:
    """That batches of other processes found no room in the shared memory of the system, and what gives it more."""
    room = f", of {shutil.disk_usage(shared).total / 1e6:,.1f} MB," if shared.exists() else ""
    return (
        f"the shared memory{room} through which processes hand over batches is full; start the same command again, "
        "which continues the run, with fewer data.workers, 0 to do without, or with more (docker run --shm-size=2g)"
    )


class Loader(DataLoader[dict[str, Any]]):
    """A loader of `Prepared` samples. Raises ValueError where a worker is gone."""

    dataset: Prepared

    def __iter__(self) -> Iterator[Any]:  # type: ignore[override]  # torch's loader promises a class of its own
        try:
            yield from super().__iter__()
        except (RuntimeError, OSError, EOFError) as error:
            sentence = lost(error, [self.dataset])
            if sentence is None:
                raise
            raise ValueError(sentence) from error
