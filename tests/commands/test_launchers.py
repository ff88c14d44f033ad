"""A launcher of Hydra as it is; tests/stress/test_launchers.py has the others, which take longer."""

from pathlib import Path

from tests.launched import both_are_collected


def test_two_jobs_of_joblib_both_collected(tmp_path: Path) -> None:
    both_are_collected("joblib", "joblib", "joblib", tmp_path)
