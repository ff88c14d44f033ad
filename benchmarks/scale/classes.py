"""What a step and a score of the default network cost as its classes become many."""

from collections.abc import Callable

import torch

import models
from benchmarks.configuration import autocast, configuration, device
from benchmarks.measure import Line, ratios, take_turns
from data.loading.loaded import LabelledImages
from models.tasks.build import OF_DATA
from models.tasks.segmentation.task import Segmentation

FEW, MORE, MANY = 3, 21, 150  # of the default data, of PASCAL VOC with its background, of ADE20K
BATCH, SIDE = 8, 128


def task(classes: int) -> Segmentation:
    """The default task and network, of so many classes."""
    names, colours = [str(k) for k in range(classes)], [(k, k, k) for k in range(classes)]
    info = LabelledImages("many", (0.5,) * 3, (0.3,) * 3, names, colours, [1.0] * classes)
    config = configuration()
    options = {key: value for key, value in config["task"].items() if key not in (*OF_DATA, "name")}
    return Segmentation(models.build(config, 3, classes), info, **options).to(device())


def step(own: Segmentation) -> Callable[[], object]:
    """Loss and gradients of a batch of noise."""
    image = torch.randint(256, (BATCH, 3, SIDE, SIDE), dtype=torch.uint8, device=device())
    mask = torch.randint(len(own.classes), (BATCH, SIDE, SIDE), dtype=torch.uint8, device=device())

    def run() -> None:
        own.zero_grad()
        with autocast():
            value = own.loss(own.logits(own.learning, image), own.labels.truth(mask))
        value.backward()

    return run


def score(own: Segmentation) -> Callable[[], object]:
    """Classes and confusion matrix of logits of noise."""
    logits = torch.randn(BATCH, len(own.classes), SIDE, SIDE, device=device())
    mask = torch.randint(len(own.classes), (BATCH, SIDE, SIDE), dtype=torch.uint8, device=device())
    scores = own.labels.new_scores().to(device())
    return lambda: scores.update(own.labels.decide(logits), own.labels.truth(mask))


def classes(rounds: int) -> list[Line]:
    """17: against the three classes of the default."""
    tasks = [task(count) for count in (FEW, MORE, MANY)]
    lines = []
    for what, work in (("a step", step), ("an update of the scores", score)):
        few, *others = take_turns([work(each) for each in tasks], rounds)
        for count, times in zip((MORE, MANY), others, strict=True):
            note = f"{1000 * min(few):.4g} → {1000 * min(times):.4g} ms"
            lines.append(
                Line(f"seconds of {what}, {count} classes", f"{FEW} classes", ratios(times, few), None, note=note)
            )
    return lines
