"""A terminal or pipe that nobody reads, or that is gone, stops no run.

A closed window, `| head`, a paused pager: writing there raises an error or waits without end, in the middle of a step.
So what is printed goes through a thread of its own, and what cannot be written is dropped.
"""

import atexit
import io
import os
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from queue import SimpleQueue
from threading import Thread
from typing import Any, TextIO

PATIENCE = 2.0  # seconds that a flush waits for a reader, once; and the end of the process
KEPT = 10_000  # pieces of text that wait for a reader; more are dropped


class Stream(io.TextIOBase):
    """Text for a file descriptor. Writing takes no time and never fails, from signal handlers either.

    tell  is called with a sentence when the reader is gone
    """

    def __init__(self, original: TextIO, tell: Callable[[str], Any] = lambda sentence: None) -> None:
        self.say = tell
        self.descriptor, self.process, self.original = original.fileno(), os.getpid(), original
        self.queue: SimpleQueue[bytes] = SimpleQueue()  # whose put may interrupt itself
        self.put, self.done = 0, 0
        self.gone = self.stuck = False
        Thread(target=self._write_on, daemon=True).start()

    def _write_on(self) -> None:
        while True:
            text = self.queue.get()
            with suppress(OSError):
                if not self.gone:
                    self._write(text)
            self.done += 1

    def _write(self, text: bytes) -> None:
        try:
            while text:
                text = text[os.write(self.descriptor, text) :]
        except OSError as error:
            self.gone = True
            self.say(f"Nobody reads what is printed any more ({error.strerror}); the run goes on without\n")
            raise

    def write(self, text: str) -> int:
        encoded = text.encode(self.encoding, "backslashreplace")
        if os.getpid() != self.process:  # a fork has no such thread
            with suppress(OSError):
                self._write(encoded)
        elif not self.gone and self.put - self.done < KEPT:
            self.put += 1
            self.queue.put(encoded)
        return len(text)

    def flush(self) -> None:
        """Wait until all is written; not for a reader who has let one flush wait already, until he reads again."""
        if os.getpid() != self.process:
            return
        end = time.monotonic() + PATIENCE
        while self.done < self.put and not self.stuck:
            if time.monotonic() > end:
                self.stuck = True
            time.sleep(0.001)
        self.stuck = self.done < self.put

    def fileno(self) -> int:
        return self.descriptor

    def isatty(self) -> bool:
        return os.isatty(self.descriptor)

    def writable(self) -> bool:
        return True

    @property
    def encoding(self) -> str:  # type: ignore[override]  # of which the stub makes a variable
        return self.original.encoding or "utf-8"


def unblock() -> None:
    """Have stdout and stderr be such streams until the process ends; for commands."""
    sys.stderr = stream(sys.stderr)
    sys.stdout = stream(sys.stdout, sys.stderr.write)
    atexit.register(end, [each for each in (sys.stdout, sys.stderr) if isinstance(each, Stream)])


def end(streams: list[Stream]) -> None:
    """Write what is left, for as long as somebody reads."""
    for each in streams:
        each.flush()
        if each.gone or each.stuck:  # what is left in the interpreter's own buffer would be waited for, or fail
            os.dup2(os.open(os.devnull, os.O_WRONLY), each.descriptor)


def stream(original: Any, *tell: Callable[[str], Any]) -> Any:
    """A Stream in place of a file that has a descriptor; the others as they are, and for none one to nowhere."""
    if original is None:  # closed before this process began
        return open(os.devnull, "w")  # until the process ends
    try:
        original.flush()
        return Stream(original, *tell)
    except (OSError, ValueError, AttributeError):  # held in memory, as tests do
        return original
