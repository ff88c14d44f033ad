"""Hydra's launchers for Slurm and for Ray, which starts a local cluster; half a minute on two cores."""

from pathlib import Path

from tests.launched import both_are_collected


def test_two_jobs_of_submitit_both_collected(tmp_path: Path) -> None:
    """submitit_local is submitit_slurm without a cluster: its jobs are pickled, started and collected alike."""
    both_are_collected("submitit_local", "submitit", "slurm", tmp_path)


def test_two_jobs_of_ray_both_collected(tmp_path: Path) -> None:
    done = both_are_collected("ray", "ray", "ray", tmp_path)
    assert "Started a local Ray instance" in done.stderr
