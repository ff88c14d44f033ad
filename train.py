"""Train a network whose upsampling you can see, measure and trust: compose, build, fit, test, report.

    python train.py upsample=dilated_deconv

Everything it can be told is in conf/; everything it leaves behind is in the run's folder (study/run_folder.py).
"""

import time
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig, read_write

import data
from study import command_line, extension, report, run_folder, sweep
from study.identity import described, identity
from study.lock import alone
from study.score_table import print_table

STARTED = time.perf_counter()


@hydra.main(version_base="1.3", config_path="conf", config_name="config")
def main(config: DictConfig) -> Any:
    """Run, or find the finished run of the same configuration, and print its table; with -m, all jobs of a sweep."""
    folder, overrides = Path(HydraConfig.get().runtime.output_dir), list(HydraConfig.get().overrides.task)
    if HydraConfig.get().mode == RunMode.MULTIRUN:
        return sweep.objectives(config, sweep.run_job(overrides, folder))
    # Lightning starts other processes in this folder; asked again, resume=never would name another.
    with read_write(HydraConfig.get()):  # type: ignore[arg-type]  # Hydra types the section as its dataclass
        HydraConfig.get().run.dir = str(folder)
    sweep.end_with_the_sweep()
    run_folder.let_one_process_print()
    with run_folder.one_sentence(config.debug):
        metrics = found_or_run(described(config), overrides, folder)
    print_table(metrics, folder)
    return None


def found_or_run(config: dict[str, Any], overrides: list[str], folder: Path) -> dict[str, Any]:
    """What the run of a configuration measured, where its folder holds that, or will soon; else it is run."""
    run_folder.refuse_another(folder, config)
    with nullcontext() if run_folder.read_metrics(folder) else alone(folder, wait=sweep.is_job()):
        metrics = run_folder.read_metrics(folder)  # which another sweep may have brought, while its run was waited for
        if metrics:
            print(f"This run is finished (resume=never starts it afresh): {folder}")
            return metrics
        with run_folder.no_folder_of_nothing(folder), run_folder.failure_kept(folder):
            run_folder.write_command(folder, overrides)
            return run(config, folder)


def run(config: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Build, fit, test and report one configuration in its folder; returns what metrics.json holds."""
    data.check_section(config["data"])  # what can be told at once
    if config.get("init") is not None:
        command_line.refuse_absent(str(config["init"]))
    print(f"Run folder: {folder}\n{command_line.IMPORTING_TORCH}", flush=True)
    import pytorch_lightning as pl  # here, not above, so that --help and a typo answer at once

    from models import loading
    from models.tasks.build import build_task
    from models.tasks.costs import announce, costs, incidents
    from models.tasks.score_rows import LOWER, SCORES
    from models.training import length, loggers
    from models.training.auto_batch import find_batch
    from models.training.callbacks.step_clock import clock_of
    from models.training.quiet import quiet
    from models.training.trainer import best_score, build_trainer, check_shares, fit, refuse_switches

    quiet()
    pl.seed_everything(config["seed"], workers=True, verbose=False)
    task, module = build_task(config, loading.read(config["init"]) if config.get("init") is not None else None)
    task.run = extension.of_any_length(config)
    if config["callbacks"]["auto_batch"]:
        find_batch(config["trainer"], config["callbacks"], task, module, folder)
    options, switches, notes = length.decided(config["trainer"], config["callbacks"], module)
    refuse_switches(options)
    trainer = build_trainer(options, folder, task, config["logger"], switches)
    check_shares(trainer, module)
    run_folder.begin(folder, config)  # nothing is left of what was refused until here
    if not run_folder.process() and config["resume"] != "never" and (told := extension.extend(folder, config)):
        print(told, flush=True)
    clock = clock_of(trainer)
    clock.started = STARTED
    announce(task, trainer, module)
    print(*notes, sep="\n", end="\n" if notes else "", flush=True)

    settings = identity(config)
    loggers.start(trainer, settings)
    fit(trainer, task, module, folder)
    trainer.test(task, module, ckpt_path=folder / "best.ckpt", weights_only=True, verbose=False)
    metrics = {"seed": config["seed"], task.monitor: best_score(trainer)}
    metrics |= task.results(module) | costs(task, trainer)
    lower = [each.name for each in SCORES if each.better == LOWER]
    metrics |= incidents(trainer, length.below_baseline(metrics, lower))
    if not trainer.is_global_zero:  # the scores are of all processes; one of them writes
        return metrics
    if config["callbacks"]["auto_batch"]:
        metrics["batch_size"] = module.batch_size
    if module.skipped:
        metrics["skipped"] = list(module.skipped)
    metrics |= {"upsampler": config["upsample"]["name"], "seconds": clock.seconds()}
    run_folder.write_metrics(folder, metrics)  # first: nothing that is drawn of them, or that ends it, loses scores
    report.attempt("example.npz", lambda: run_folder.write_example(folder, task.example_arrays()), metrics)
    report.write(folder, config, metrics, task.report)
    report.attempt("what loggers keep", lambda: loggers.finish(trainer, settings, metrics, folder), metrics)
    run_folder.write_metrics(folder, metrics)
    return metrics


if __name__ == "__main__":
    command_line.start(main, "config")
