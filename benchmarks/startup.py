"""How long until something happens: --help, a refused configuration, and the first training step."""

import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from benchmarks.configuration import CONF
from benchmarks.measure import Line

TRAIN = str(CONF.with_name("train.py"))
PATIENCE = 300  # seconds that a first step may take before the measurement gives up


def run(arguments: Sequence[str]) -> float:
    """Seconds of a Python process, from its start to its end, whatever its exit code."""
    started = time.perf_counter()
    subprocess.run([sys.executable, *arguments], capture_output=True, cwd=CONF.parent)
    return time.perf_counter() - started


def first_step() -> float:
    """Seconds from the start of `python train.py` to the checkpoint of its first step, after which it is stopped."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, TRAIN, "callbacks.checkpoint_minutes=0"]
        started = time.perf_counter()
        process = subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        try:
            while not list(Path(folder).glob("runs/*/last.ckpt")):
                if process.poll() is not None or time.perf_counter() - started > PATIENCE:
                    raise RuntimeError(f"train.py took no step: {process.communicate()[0]}")
                time.sleep(0.01)
            return time.perf_counter() - started
        finally:
            process.kill()
            process.communicate()


def startup(rounds: int) -> list[Line]:
    """10: in seconds, each the median of its rounds, taken in turns."""
    smp = ["-c", "import segmentation_models_pytorch"]
    torch = ["-c", "import torch, torchvision, pytorch_lightning"]
    run(torch)  # brings the files into memory
    times = [
        (run([TRAIN, "--help"]), run([TRAIN, "upsample=deconf"]), run(smp), run(torch), first_step())
        for _ in range(rounds)
    ]
    helps, errors, smps, imports, steps = zip(*times, strict=True)
    plugins = find_spec("hydra_plugins") is not None
    limit, with_plugins = (2.0, "with") if plugins else (1.0, "without")
    middle = sorted(smps)[rounds // 2]
    note = f"seconds, {with_plugins} Hydra's plugins; smp's import takes {middle:.1f} s"
    step_note = f"seconds later; the import takes {sorted(imports)[rounds // 2]:.1f} s"
    later = [step - imported for step, imported in zip(steps, imports, strict=True)]
    return [
        Line("train.py --help", "", helps, limit, False, note),
        Line("train.py upsample=deconf (refused)", "", errors, limit, False, "seconds"),
        Line("first step of the default", "import torch, torchvision, pytorch_lightning", later, 5, False, step_note),
    ]
