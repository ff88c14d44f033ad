"""The signals by which a system or its user ends a run."""

import signal
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any

# What a run that they end exits with. Slurm announces the end of a job's time by SIGUSR1 where it is told to (sbatch
# --signal=USR1@120); a terminal that is closed sends SIGHUP.
EXIT_CODES: dict[int, int] = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGUSR1: 143, signal.SIGHUP: 129}


def named(number: int) -> str:
    """`Ctrl-C`, `SIGTERM`."""
    return "Ctrl-C" if number == signal.SIGINT else signal.Signals(number).name


def listen(receive: Callable[[int, FrameType | None], Any]) -> None:
    """Have `receive` called on these signals, but those that are ignored, as nohup has SIGHUP. Only in the main thread,
    which alone can."""
    if threading.current_thread() is threading.main_thread():
        for number in EXIT_CODES:
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, receive)
