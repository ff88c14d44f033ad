"""What watches every training, in the order in which Lightning calls it, and the switches that it takes.

To add one: a file here, a line in ORDER with the reason for its place, and its switches, with comments, in
conf/callbacks/default.yaml. A callback names what it needs: `task`, `folder` of the run, and its switches, each with a
type and a default.
"""

import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pytorch_lightning.callbacks import Callback

from models.training.callbacks.checkpoints.best_checkpoint import BestCheckpoint, LastCheckpoint
from models.training.callbacks.checkpoints.between_validations import BetweenValidations
from models.training.callbacks.checkpoints.flush_logs import FlushLogs
from models.training.callbacks.checkpoints.random_numbers import RandomNumbers
from models.training.callbacks.compiled import Compiled
from models.training.callbacks.explain_deterministic import ExplainDeterministic
from models.training.callbacks.explain_memory import ExplainMemory
from models.training.callbacks.finite_outputs import FiniteOutputs
from models.training.callbacks.history import History
from models.training.callbacks.nan_guard import NaNGuard
from models.training.callbacks.one_network import OneNetwork
from models.training.callbacks.progress import Progress
from models.training.callbacks.refuse_divergence import RefuseDivergence
from models.training.callbacks.step_clock import StepClock
from models.training.callbacks.stop_on_signal import StopOnSignal
from models.training.callbacks.validate_last_step import ValidateLastStep
from models.training.length import StopEarly
from models.training.task import Task
from plumbing.options import OptionError, check_value, hints_of, near

ORDER: tuple[type[Callback], ...] = (
    StepClock,  # before what takes time after a step
    ValidateLastStep,  # before what asks whether the training stops
    NaNGuard,  # before whatever looks at weights: none of these are of a bad step
    OneNetwork,  # before a validation reads the statistics of norms
    RefuseDivergence,  # after NaNGuard, which names the step and the images, where it can
    FiniteOutputs,  # before a validation's scores are kept anywhere
    History,  # after a validation has its scores; before they are printed and saved
    StopEarly,  # after a validation has its scores; before what saves, so that a checkpoint knows its count
    FlushLogs,
    Progress,
    ExplainMemory,  # these two turn an error into a sentence; which of them comes first makes no difference
    ExplainDeterministic,
    Compiled,  # after what watches: it exchanges what the networks call, and takes it back
    RandomNumbers,  # these before what saves, so that a checkpoint holds the states after a whole step
    BetweenValidations,
    StopOnSignal,  # after BetweenValidations, which saves the step that this one ends the run after
    BestCheckpoint,  # Lightning calls these two last, wherever they stand
    LastCheckpoint,  # after BestCheckpoint: it marks the validation as done
)
GIVEN = ("task", "folder")  # to a callback that names them; all else that it names is a switch
BEFORE_TRAINING: dict[str, tuple[Any, Any]] = {"auto_batch": (bool, False)}  # read by models.training.auto_batch


def switches() -> dict[str, tuple[Any, Any]]:
    """The keys of the section `callbacks`, each with its type and default."""
    found = dict(BEFORE_TRAINING)
    for callback in ORDER:
        if "__init__" in vars(callback):
            hints, parameters = hints_of(callback), inspect.signature(callback).parameters
            found |= {key: (hints[key], each.default) for key, each in parameters.items() if key not in GIVEN}
    return found


def check_switches(options: Mapping[str, Any]) -> None:
    """Raise OptionError for a key of the section `callbacks` that no callback has, or a value that it does not take."""
    known = switches()
    for key, value in options.items():
        if key not in known:
            raise OptionError(f"callbacks.{key} does not exist{near(key, known) or ';'} choose from {', '.join(known)}")
        check_value(f"callbacks.{key}", value, known[key][0])


def build(task: Task, folder: Path, options: Mapping[str, Any]) -> list[Callback]:
    """All of ORDER for a run in `folder`, with the switches of a section `callbacks`, or their defaults."""
    check_switches(options)
    have = {"task": task, "folder": folder, **options}
    return [
        callback(**{key: have[key] for key in inspect.signature(callback).parameters if key in have})
        for callback in ORDER
    ]
