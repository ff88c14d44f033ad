"""An Optuna study that lies in a storage, such as an SQLite file, and goes on where it was stopped."""

import hashlib
from pathlib import Path
from typing import Any, TextIO

from omegaconf import DictConfig

from study.lock import acquire

_held: list[TextIO] = []  # locks of this process, until it ends


def alone(config: DictConfig) -> None:
    """Wait until no other search of the same study is at work, and hold it until this process ends: a second one would
    take the first one's running trials for stopped. Searches are told apart by storage and name, in hydra.sweep.dir."""
    sweeper = config.hydra.sweeper
    if sweeper.storage and sweeper.study_name:
        digest = hashlib.sha256(f"{sweeper.storage} {sweeper.study_name}".encode()).hexdigest()[:8]
        path = Path(config.hydra.sweep.dir, f".search-{digest}.lock")
        _held.append(acquire(path, f"the search {sweeper.study_name}"))


def study(sweeper: DictConfig) -> Any | None:
    """The study that a configuration of Hydra's Optuna sweeper names, None where there is none yet."""
    import optuna  # here: it comes with the extra

    if not sweeper.storage or not sweeper.study_name:
        return None
    names = [each.study_name for each in optuna.get_all_study_summaries(sweeper.storage)]
    return optuna.load_study(sweeper.study_name, sweeper.storage) if sweeper.study_name in names else None


def leave_missing_trials(sweeper: DictConfig) -> int:
    """Lower `n_trials` by the trials that the study holds, and return it. Those that were stopped are tried again.

    A stopped trial, which nobody will end any more, is told to have failed, and its parameters are enqueued; so
    its run is the first to go on.
    """
    found = study(sweeper)
    if found is None:
        return int(sweeper.n_trials)
    from optuna.trial import TrialState

    for trial in found.get_trials(states=[TrialState.RUNNING]):
        found.tell(trial.number, state=TrialState.FAIL)
        found.enqueue_trial(trial.params)
    trials = found.get_trials()
    again = sum("fixed_params" in trial.system_attrs for trial in trials)  # each stands for one that was stopped
    ended = sum(trial.state.is_finished() for trial in trials) - again
    sweeper.n_trials = max(0, sweeper.n_trials - ended)
    return int(sweeper.n_trials)


def chosen(sweeper: DictConfig) -> list[list[str]]:
    """The overrides that the study has chosen, trial by trial."""
    found = study(sweeper)
    return [[f"{key}={value}" for key, value in trial.params.items()] for trial in found.get_trials()] if found else []
