"""One process against two on the same cores: what sharing out costs, and whether it gains."""

import json
import tempfile
from pathlib import Path

from benchmarks.commands.process import run
from benchmarks.measure import Line, ratios

STEPS = 40
SHORT = (
    *("trainer=ddp", "trainer.strategy=ddp", "trainer.accelerator=cpu", f"trainer.max_steps={STEPS}"),
    *("trainer.max_epochs=-1", "+trainer.limit_val_batches=1", "+trainer.limit_test_batches=1", "task.grid_images=0"),
)


def seconds_of_a_step(processes: int) -> float:
    """The median of a short training of the default job, as its metrics.json has it."""
    with tempfile.TemporaryDirectory() as folder:
        run(("train.py", *SHORT, f"trainer.devices={processes}"), folder)
        (metrics,) = Path(folder).glob("runs/*/metrics.json")
        return json.loads(metrics.read_text())["seconds_per_step"]


def processes(rounds: int) -> list[Line]:
    """15: the same batch, shared out."""
    one, two = zip(*((seconds_of_a_step(1), seconds_of_a_step(2)) for _ in range(rounds)), strict=True)
    note = f"{1000 * min(one):.0f} ms a step in one process, {1000 * min(two):.0f} in two, which share the cores"
    return [Line("images/s of the default, 2 processes on CPUs", "1 process", ratios(one, two), None, note=note)]
