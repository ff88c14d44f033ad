"""Score a trained network again, on its own data or another with the same classes: the table and report of a run.

    python evaluate.py checkpoint=zoo:unet-earth-dilated_deconv split=val

conf/evaluate.yaml says what it can be told. Nothing is written into the run's own folder.
"""

import re
import time
from pathlib import Path
from typing import Any

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from data.files.finding import existing
from plumbing.atomic import write_text
from study import command_line, identity, report, run_folder
from study.score_table import print_table

STARTED = time.perf_counter()


def name(config: DictConfig) -> str:
    """The folder's name: what is scored, on what, and a digest of the whole question."""
    asked: Any = OmegaConf.to_container(config)
    if asked.get("data"):
        asked[identity.FINGERPRINT] = identity.fingerprint(asked["data"])
    path = Path(str(config.checkpoint).replace("zoo:", "zoo-"))
    what = f"{path.parent.name}-{path.stem}" if path.suffix == ".ckpt" else path.name
    data = identity.data_name(config.data) if config.get("data") else "own"
    split = config.split or ("auto" if config.get("data") else "test")
    return identity.joined(*filter(None, (what, data, split, identity.digest(asked))))


OmegaConf.register_new_resolver("evaluation_name", lambda *, _root_: name(_root_), replace=True)


def changed(options: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """The options with those of `changes` instead, level by level."""
    return options | {
        key: changed(options[key], value) if isinstance(options.get(key), dict) else value
        for key, value in changes.items()
    }


@hydra.main(version_base="1.3", config_path="conf", config_name="evaluate")
def main(config: DictConfig) -> None:
    """Score, write metrics.json and the report, and print the table."""
    folder = Path(HydraConfig.get().runtime.output_dir)
    run_folder.let_one_process_print()
    with run_folder.one_sentence(config.debug), run_folder.no_folder_of_nothing(folder):
        run_folder.write_command(folder, list(HydraConfig.get().overrides.task), "evaluate.py")
        metrics = run(config, folder)
    print_table(metrics, folder)


def without_pattern(
    task: Any,
    module: Any,
    trainer: Any,
    described: dict[str, Any],
    config: DictConfig,
    folder: Path,
    metrics: dict[str, Any],
    shown: bool,
) -> None:
    """Say which layers the pattern comes from, and score the network without it; metrics take both.

    With repair, repaired.ckpt is written where there is something to repair.
    """
    from models.tasks import cause
    from models.trained.checkpoint import write
    from study.comparison.patches import UNITS
    from upsample.pages.attribution import draw_attribution

    if shown and config.source:
        try:
            found = cause.attribution(task, module.test)
        except ValueError as error:
            metrics[f"{metrics['split']}/source"] = f"where it comes from: {error}"
        else:
            print(f"\n{found}\n", flush=True)
            unit = str(metrics.get("unit") or UNITS.get(described["task"]["name"], ""))
            report.attempt("source.png", lambda: draw_attribution(found, folder / "source.png", unit), metrics)
            metrics[f"{metrics['split']}/source"] = cause.source(found)
    images = cause.folder(config.repair_images, described.get("span")) if config.repair_images else None
    done, scores = cause.repaired(task, module, trainer, images)
    if config.repair and not done.changed:
        print(f"{config.checkpoint} stays as it is, and nothing is written beside it: {done}", flush=True)
    elif config.repair:
        print(done, flush=True)
        write(folder / "repaired.ckpt", task.network, described, f"{config.checkpoint}, repaired: {done}")
        metrics["repaired"] = str(folder / "repaired.ckpt")
    metrics.update(scores)


def run(config: DictConfig, folder: Path) -> dict[str, Any]:
    """Score what `config.checkpoint` holds; returns what metrics.json in `folder` holds."""
    with run_folder.one_sentence(config.debug):
        if config.repair not in (False, True):
            raise ValueError(f"repair is {config.repair!r}; choose from false, true")
        if config.repair_images and not config.repair:
            raise ValueError("repair_images is for repair=true; set that as well, or leave it out")
        if config.repair_images:
            existing(config.repair_images, "repair_images")
        if config.checkpoint is None:
            raise ValueError("checkpoint is not set; name one: checkpoint=runs/.../best.ckpt or checkpoint=zoo:NAME")
        command_line.refuse_absent(str(config.checkpoint))
        if config.get("data") and "root" in config.data and not config.data.get("download"):
            existing(config.data.root, "data.root")
    print(command_line.IMPORTING_TORCH, flush=True)
    import pytorch_lightning as pl  # here, not above, so that --help and a typo answer at once

    from models import loading
    from models.tasks import evaluation
    from models.tasks.build import OF_DATA
    from models.tasks.costs import announce
    from models.tasks.score_rows import prints
    from models.training.quiet import quiet
    from models.training.trainer import build_trainer, refuse_switches

    quiet()

    with run_folder.one_sentence(config.debug):
        stored = loading.read(config.checkpoint)
        if config.repair_images and stored.config.get("bands"):
            raise ValueError("repair_images reads pictures, and this network takes bands of files; leave it out")
        options = changed(stored.config["task"], identity.plain(config.task))
        # Sections of data refer to these. Numbers only: nothing of a checkpoint is text that Hydra would resolve.
        numbers = {key: options[key] for key in OF_DATA if isinstance(options.get(key), int)}
        config.task = numbers | dict(config.task)
        asked = identity.plain(config)
        source = asked.get("data")
        pl.seed_everything(stored.config["seed"], workers=True, verbose=False)
        module = evaluation.data_of(stored, source, config.split)
        task = evaluation.rebuild(stored, module, options)
        refuse_switches(asked["trainer"])
        trainer = build_trainer(asked["trainer"], folder, task)
        if trainer.world_size > 1 and HydraConfig.initialized() and HydraConfig.get().mode == RunMode.MULTIRUN:
            raise ValueError(
                f"trainer.devices={asked['trainer']['devices']} is {trainer.world_size} processes, each of which would "
                "start the whole of -m; set trainer.devices=1, or start the evaluations one by one"
            )
        if trainer.world_size > 1 and config.repair:
            raise ValueError("repair writes one network, by one process; set trainer.devices=1")
    announce(task, trainer, module)
    measured = evaluation.score(task, module, trainer)
    # A test is what is run on any split; its scores are named by the one that it saw.
    split = config.split or "test"
    metrics = {re.sub("^test/", f"{split}/", key): value for key, value in measured.items()}
    metrics |= {"checkpoint": config.checkpoint, "split": split, "seconds": time.perf_counter() - STARTED}
    if not trainer.is_global_zero:  # the scores are of all processes; one of them writes
        return metrics
    write_text(
        folder / "config.yaml", OmegaConf.to_yaml(asked | {"data": source or stored.config["data"], "task": options})
    )
    described = stored.config | ({"data": source} if source else {})
    run_folder.write_metrics(folder, metrics)
    report.write(folder, described, metrics, task.report)
    shown = bool(prints(metrics, split))
    if config.repair or (config.source and shown):
        if trainer.world_size > 1:
            metrics[f"{split}/source"] = "source not measured in several processes; set trainer.devices=1"
        else:
            with run_folder.one_sentence(config.debug):
                without_pattern(task, module, trainer, stored.config, config, folder, metrics, shown)
            report.page(folder, described, metrics)  # again, with where the pattern comes from
    run_folder.write_metrics(folder, metrics)
    return metrics


if __name__ == "__main__":
    command_line.start(main, "evaluate")
