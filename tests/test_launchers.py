"""Hydra's launchers as they are; tests/stress/test_launchers.py has Ray's, which starts a cluster of its own."""

from pathlib import Path

import pytest

from tests.launched import both_are_collected


@pytest.mark.parametrize(
    ("launcher", "plugin", "extra"),
    # submitit_local is submitit_slurm without a cluster: its jobs are pickled, started and collected alike.
    [("joblib", "joblib", "joblib"), ("submitit_local", "submitit", "slurm")],
)
def test_two_jobs_elsewhere_both_collected(launcher: str, plugin: str, extra: str, tmp_path: Path) -> None:
    both_are_collected(launcher, plugin, extra, tmp_path)
