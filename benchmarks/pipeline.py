"""Is the loader ahead of the training it feeds?"""

from benchmarks.configuration import configuration
from benchmarks.loading import training_turn, turns_of
from benchmarks.measure import Line, ratios
from models.tasks.build import build_task


def ahead(overrides: list[str], rounds: int) -> tuple[list[float], str]:
    """Images per second of the loader over those of the training step, by round, and both in words."""
    task, module = build_task(configuration(*overrides))
    load = turns_of(module.train_dataloader())
    train = training_turn(task, module.train_dataloader())
    train()
    both = [(load(), train()) for _ in range(rounds)]
    loaded, trained = zip(*both, strict=True)
    return ratios(loaded, trained), f"{max(loaded):.0f} against {max(trained):.0f} images/s at best"


def pipeline(camvid: str | None, rounds: int) -> list[Line]:
    """9: images per second."""
    configurations: dict[str, list[str]] = {"loader, default configuration": []}
    if camvid:
        configurations["loader, data=camvid"] = ["data=camvid", f"data.root='{camvid}'"]
    lines = []
    for what, overrides in configurations.items():
        values, note = ahead(overrides, rounds)
        lines.append(Line(what, "the training step", values, 1.0, note=note))
    return lines
