"""A run that the system or its user stops: it saves, says how to go on, and ends with what is no success."""

import os
import signal
from types import FrameType
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback

from data.loading.workers import lost
from models.training import processes
from models.training.callbacks.checkpoints.between_validations import BetweenValidations
from plumbing.messages import say
from plumbing.signals import EXIT_CODES, listen, named


class StopOnSignal(Callback):
    """Ends a training after the step at hand, saved, with the exit codes of `plumbing.signals`. A second signal, and
    the first while it tests, end it at once. A validation at hand is ended first: it would have to be repeated."""

    between: BetweenValidations  # of the same trainer

    def __init__(self) -> None:
        self.training, self.received, self.process = False, 0, os.getpid()

    def on_train_start(self, trainer: pl.Trainer, *_: Any) -> None:
        callbacks: list[Callback] = trainer.callbacks  # type: ignore[attr-defined]  # Lightning declares none
        self.between = next(callback for callback in callbacks if isinstance(callback, BetweenValidations))
        processes.watch(trainer)
        self._listen(training=True)

    def on_test_start(self, *_: Any) -> None:
        self._listen(training=False)

    def _listen(self, training: bool) -> None:
        self.training, self.process = training, os.getpid()
        listen(self._receive)  # in place of Lightning's, which it takes back itself: they end in success

    def _receive(self, number: int, frame: FrameType | None) -> None:
        if os.getpid() != self.process:
            return  # a loader's worker, which inherits this: it goes on as long as training does
        name = named(number)
        if self.received or not self.training:
            say(f"Stopped by {name}; start the same command again to continue")
            raise SystemExit(EXIT_CODES[number])
        say(f"{name}: saving after this step; another one ends the run at once")
        self.received, self.between.seconds = number, 0.0

    def on_train_batch_end(self, trainer: pl.Trainer, *_: Any) -> None:
        if trainer.strategy.reduce_boolean_decision(bool(self.received), all=False):
            self.between.seconds = 0.0  # on whichever rank it arrived
            if self.between.saved_step == trainer.global_step:
                self._end(trainer)

    def on_train_end(self, trainer: pl.Trainer, *_: Any) -> None:
        if self.received:
            self._end(trainer)

    def on_exception(self, trainer: pl.Trainer, module: pl.LightningModule, exception: BaseException) -> None:
        """What was sent to the whole group of processes has ended the loader's workers, too."""
        if self.received and not isinstance(exception, SystemExit):
            number = signal.Signals(self.received)
            say(f"Stopped by {named(number)} before the step was saved; start the same command again to continue")
            raise SystemExit(EXIT_CODES[number]) from exception
        # torch tells of a lost worker wherever the training is, as soon as the system does.
        sentence = lost(exception, trainer.datamodule.prepared)  # type: ignore[attr-defined]  # Lightning declares none
        if sentence is None:
            sentence = processes.lost(trainer, exception)
            if sentence is None:
                return
            processes.end_others(trainer)
        raise ValueError(sentence) from exception

    def _end(self, trainer: pl.Trainer) -> None:
        number = signal.Signals(self.received or signal.SIGTERM)
        if trainer.is_global_zero:
            say(
                f"Stopped by {named(number)} after step {trainer.global_step}, which {self.between.path} keeps; start "
                "the same command again to continue",
            )
        raise SystemExit(EXIT_CODES[number])
