"""How long until something happens: --help, and the first training step."""

import subprocess
import sys
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path

from benchmarks.commands.process import ROOT, environment, run
from benchmarks.measure import Line

PATIENCE = 300  # seconds that a first step may take before the measurement gives up
# train.py where no plugin of Hydra's is installed, as none is without extras.
WITHOUT_PLUGINS = (
    "import runpy, sys, types; plugins = types.ModuleType('hydra_plugins'); plugins.__path__ = [];"
    "sys.modules['hydra_plugins'] = plugins; sys.argv = ['train.py', '--help'];"
    f"runpy.run_path({str(ROOT / 'train.py')!r}, run_name='__main__')"
)


def first_step() -> float:
    """Seconds from the start of `python train.py` to the checkpoint of its first step, after which it is stopped."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, str(ROOT / "train.py"), "callbacks.checkpoint_minutes=0"]
        started = time.perf_counter()
        process = subprocess.Popen(
            command, cwd=folder, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
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
    """10: in seconds, each the median of its rounds, taken in turns, after one that does not count."""
    smp = ["-c", "import segmentation_models_pytorch"]
    torch = ["-c", "import torch, torchvision, pytorch_lightning"]
    with tempfile.TemporaryDirectory() as folder:
        _, *times = [
            (
                run(["train.py", "--help"], folder),
                run(["-c", WITHOUT_PLUGINS], folder),
                run(smp, folder),
                run(torch, folder),
                first_step(),
            )
            for _ in range(rounds + 1)
        ]
    helps, bare, smps, imports, steps = zip(*times, strict=True)
    middle = sorted(smps)[rounds // 2]
    note = f"seconds; smp's import takes {middle:.1f} s"
    step_note = f"seconds later; the import takes {sorted(imports)[rounds // 2]:.1f} s"
    later = [step - imported for step, imported in zip(steps, imports, strict=True)]
    plugins = find_spec("hydra_plugins") is not None
    installed = (
        [Line("train.py --help, with the plugins of Hydra here", "", helps, 2.0, False, note)] if plugins else []
    )
    return [
        *installed,
        Line("train.py --help, without extras", "", bare, 1.0, False, note),
        Line("first step of the default", "import torch, torchvision, pytorch_lightning", later, 5, False, step_note),
    ]
