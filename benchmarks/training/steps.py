"""Training steps through `train.py`'s trainer against loops that people write by hand."""

import numpy as np
import torch

from benchmarks.configuration import low
from benchmarks.measure import Line, ratios
from benchmarks.training.peers import (
    bare_loop,
    fed_loop,
    loop_with_norm,
    smp_at_its_best,
    smp_loop,
    textbook_dcgan,
)
from benchmarks.training.turns import InTurns, Loop, against

# The U-Net on a ResNet-18 at 4 x 3 x 256 x 256, and the DCGAN of 64 pixels.
RESNET18 = [
    *("model=unet", "encoder=resnet", "encoder.name=resnet18", "encoder.output_stride=32"),
    *("model.channels=[256,128,64,32,16]", "upsample=nearest", "task.crop=256", "task.batch_size=4"),
]
DCGAN = ["model=dcgan", "model.size=64", "model.width=64", "upsample=deconv"]
# What is trained, and what it is compared with first of all.
COMPARED: dict[str, tuple[list[str], Loop]] = {
    "framework": ([], bare_loop),
    "unet": (RESNET18, smp_loop),
    "dcgan": (DCGAN, textbook_dcgan),
}


def faster(turns: InTurns, loop: int) -> tuple[list[float], str]:
    """Of each round, how many times as long a loop's step takes as the trainer's; and both at their best, in words."""
    theirs = turns.theirs[loop]
    return ratios(theirs, turns.ours), f"{1000 * min(theirs):.0f} → {1000 * min(turns.ours):.0f} ms a step at best"


def framework(rounds: int) -> list[Line]:
    """1: what Lightning, the loader, the logging and the callbacks cost."""
    turns = against([], [bare_loop, loop_with_norm, fed_loop], rounds, turn=10)
    gains, _ = faster(turns, 0)
    bare, norm, fed = (1000 * np.array(each) for each in turns.theirs)
    rest = 1000 * np.array(turns.ours) - bare - (norm - bare) - (fed - bare)
    costs = zip(("the gradients' norm", "loader", "the rest"), (norm - bare, fed - bare, rest), strict=True)
    note = f"{1000 * min(turns.ours):.0f} ms a step at best; theirs neither loads nor augments. Of ours, " + ", ".join(
        f"{name} {np.median(each):+.1f} ms" for name, each in costs
    )
    return [Line("training step, default U-Net", "a bare PyTorch loop", gains, 0.98, note=note)]


def unet(rounds: int) -> list[Line]:
    """2: against segmentation-models-pytorch, as its example trains and at its best."""
    turns = against(RESNET18, [smp_loop, smp_at_its_best], rounds, turn=2)
    example, best = faster(turns, 0), faster(turns, 1)
    target, what = (2.5 if torch.cuda.is_available() else 4.0), "U-Net on ResNet-18"
    told = "; ours loads and augments"
    return [
        Line(what, "smp's Unet, fp32", example[0], target, note=example[1] + told),
        Line(what, f"smp's Unet, {'bf16' if low() else 'fp32'}, channels last", best[0], 1.15, note=best[1] + told),
    ]


def dcgan(rounds: int) -> list[Line]:
    """3: at 64 px, batch 64; with fresh images for the generator's step, and with the discriminator's, as theirs."""
    fresh = faster(against(DCGAN, [textbook_dcgan], rounds, turn=2), 0)
    reused = faster(against([*DCGAN, "task.reuse_fakes=true"], [textbook_dcgan], rounds, turn=2), 0)
    target, peer = (3.0 if torch.cuda.is_available() else 1.9), "PyTorch's tutorial, fp32"
    what, told = "DCGAN, 64 px, batch 64", "; ours averages weights"
    more = f"{fresh[1]}{told}, and does a twelfth more arithmetic"
    return [
        Line(what, peer, fresh[0], None, note=more),
        Line(f"{what}, task.reuse_fakes=true", peer, reused[0], target, note=reused[1] + told),
    ]
