"""What share of the machine's own rate a training step reaches: its arithmetic, its time, and a matrix product's."""

from dataclasses import dataclass
from typing import Any

import torch
from torch.profiler import profile

from benchmarks.configuration import device, low
from benchmarks.measure import Line
from benchmarks.profile import OneStep
from benchmarks.training.arithmetic import StepCounted
from benchmarks.training.steps import DCGAN
from benchmarks.training.turns import WARM, InTurns, Step, built, steps_alone, train

SIDE = 8192 if torch.cuda.is_available() else 2048  # of the square matrices
SHOWN = 4  # kernels


@dataclass(frozen=True)
class Job:
    """A training of `train.py`, the share of the machine's rate that it should reach, and steps of a turn."""

    overrides: tuple[str, ...]
    target: float
    turn: int


JOBS = {
    "default U-Net": Job((), 0.75, 4),
    "DCGAN, 64 px": Job(tuple(DCGAN), 0.8, 2),
    "DeepLab": Job(("model=deeplab", "model.width=256"), 0.65, 2),
    "SRResNet": Job(("model=srresnet",), 0.75, 2),
    "ESPCN": Job(("model=espcn",), 0.45, 40),
}


def product() -> Step:
    """Makes a product of two square matrices in the precision that the trainer chooses here."""
    dtype = torch.bfloat16 if low() else torch.float32
    one, other, out = (torch.randn(SIDE, SIDE, device=device(), dtype=dtype) for _ in range(3))
    return lambda: torch.mm(one, other, out=out)


def costliest(found: profile) -> str:
    """The kernels in which a step spends most of its time, with their shares of what all kernels take."""

    def own(event: Any) -> float:
        return event.self_device_time_total if torch.cuda.is_available() else event.self_cpu_time_total

    events = sorted(found.key_averages(), key=own, reverse=True)
    whole = sum(map(own, events))
    return ", ".join(f"{each.key.removeprefix('aten::')} {100 * own(each) / whole:.0f} %" for each in events[:SHOWN])


def measured(job: Job, rounds: int) -> tuple[list[float], str]:
    """Of each round the share of the machine's rate, and what a reader needs to judge it."""
    options, task, module = built(*job.overrides)
    last = WARM + rounds * job.turn
    counted, profiled = StepCounted(), OneStep(last)
    turns = InTurns(lambda: [product()], job.turn)
    train(options | steps_alone(last + 1), task, module, [counted, profiled, turns])
    machine = [2 * SIDE**3 / each for each in turns.theirs[0]]  # operations a second
    shares = [counted.operations / step / rate for step, rate in zip(turns.ours, machine, strict=True)]
    note = (
        f"{counted.operations / 1e9:.3g} GFLOP in {1000 * min(turns.ours):.4g} ms at best, where a product of {SIDE}² "
        f"has {max(machine) / 1e9:.0f} GFLOP/s in {'bfloat16' if low() else 'float32'}; {costliest(profiled.profile)}"
    )
    return shares, note


def roofline(rounds: int) -> list[Line]:
    """Each job's arithmetic over its time, loading and all, over the rate of a matrix product in turns with it."""
    lines = []
    for name, job in JOBS.items():
        shares, note = measured(job, rounds)
        lines.append(Line(f"training step, {name}", "the machine's matrix products", shares, job.target, note=note))
    return lines
