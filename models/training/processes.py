"""The processes of one run: where one is gone, or stopped for long, the others end, and one sentence says why."""

import os
import signal
import threading
import time
from subprocess import Popen
from typing import Any

import pytorch_lightning as pl

from plumbing.messages import say_error
from plumbing.signals import EXIT_CODES

STOPPED = 60  # seconds that a stopped process is waited for
AGAIN = "start the same command again, which continues the run"


def watch(trainer: pl.Trainer) -> None:
    """Look after the other processes of a run each second, from a thread: the main one may wait in a collective.

    The first process looks after those that Lightning has started for it, and these after the first.
    """
    others: list[Popen[bytes]] = getattr(trainer.strategy.launcher, "procs", [])
    if others:
        for thread in threading.enumerate():
            if thread.name == "child-process-observer":  # Lightning's, which kills without a word, saved or not
                thread._finished = True  # type: ignore[attr-defined]  # which it has
        threading.Thread(target=_watch_others, args=(others,), daemon=True).start()
    elif trainer.world_size > 1 and "LOCAL_RANK" in os.environ and "TORCHELASTIC_RUN_ID" not in os.environ:
        threading.Thread(target=_watch_first, args=(os.getppid(),), daemon=True).start()


def _watch_others(others: list[Popen[bytes]]) -> None:
    stopped = dict.fromkeys(range(len(others)), 0)  # looks in a row at which one was
    while True:
        time.sleep(1)
        for i, each in enumerate(others):
            stopped[i] = stopped[i] + 1 if is_stopped(each) else 0
            code = each.poll()
            if code and code not in EXIT_CODES.values():  # with those it ended as it was asked to, and so will this one
                how = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
                _end(others, f"process {i + 1} of this run {how}; {AGAIN}")
            elif stopped[i] >= STOPPED:
                _end(others, f"process {i + 1} of this run has been stopped for {STOPPED} seconds; {AGAIN}")
        if all(each.poll() is not None for each in others):
            return


def is_stopped(process: Popen[bytes]) -> bool:
    """Whether a child is stopped, by SIGSTOP or from a terminal; False where the system does not tell."""
    if process.poll() is not None or not hasattr(os, "waitid"):
        return False
    try:
        found = os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WNOHANG | os.WNOWAIT)
    except OSError:
        return False
    return found is not None and found.si_code == os.CLD_STOPPED


def _end(others: list[Popen[bytes]], sentence: str) -> None:
    time.sleep(5)  # in which this process may end by itself, in a better sentence
    say_error(sentence)
    for each in others:
        each.kill()
    os._exit(1)


def _watch_first(first: int) -> None:
    while os.getppid() == first:
        time.sleep(1)
    time.sleep(1)
    os._exit(1)


def lost(trainer: pl.Trainer, error: BaseException) -> str | None:
    """Of what a process raises that no longer reaches another one, a sentence; None for any other error."""
    said = str(error).partition("\n")[0]
    signs = ("Connection closed by peer", "Connection reset by peer", "gloo", "NCCL", "Broken pipe")
    if trainer.world_size == 1 or not isinstance(error, RuntimeError) or not any(sign in said for sign in signs):
        return None
    return f"another process of this run is gone ({said[-100:]}); {AGAIN}"


def end_others(trainer: pl.Trainer) -> None:
    """End the processes that Lightning has started for this one, which may wait without end for one that is gone."""
    others: list[Any] = getattr(trainer.strategy.launcher, "procs", [])
    for each in others:
        each.kill()
