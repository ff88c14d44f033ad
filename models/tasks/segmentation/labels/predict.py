"""Where each of several overlapping classes is in an image of any size, or the one of binary labels, as files."""

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from data.files.palette import mixed
from models.tasks.picture_files import write_picture
from models.tasks.segmentation.inference import Inference
from models.tasks.segmentation.predict import OPACITY, read, write_mask
from models.trained.saved import Trained
from plumbing.atomic import whole


@torch.no_grad()
def find_each(net: Trained, path: Path, inference: Inference, output: Path, name: str, probabilities: bool) -> None:
    """Write masks/<class>/<name>.png, 255 where the class is and 0 elsewhere, or of binary labels masks/<name>.png in
    the numbers of the masks of training; overlays/<name>.png, classes half laid over the image; and if asked
    probabilities/<name>.npz, whose `probabilities` is (H, W, classes) float16.

    path  of an image file, which is read as those of the network's training were. Where it has no data in any band no
          class is found, and binary masks hold the number of no class
    """
    seen, shown, missing = read(net, path)
    height, width = seen.shape[-2:]
    device, count = next(net.parameters()).device, len(net.thresholds)
    limits = torch.tensor(net.thresholds).logit()[:, None, None]
    found = np.empty((count, height, width), np.bool_)
    likely = np.empty((height, width, count), np.float16) if probabilities else None
    done = 0
    for strip in inference.strips(lambda part: net(part.to(device)), seen):
        logits = strip[0].cpu()
        rows = slice(done, done + logits.shape[1])
        found[:, rows] = (logits >= limits).numpy()
        if likely is not None:
            likely[rows] = logits.sigmoid().permute(1, 2, 0).numpy()
        done = rows.stop
    if missing is not None:
        found[:, missing] = False
    names, palette = net.classes[-count:], net.palette[-count:]
    if count < len(net.classes):  # one logit for two numbers in the masks of training
        write_mask(output / "masks" / name, found[0].astype(np.uint8), net, missing)
    else:
        for member, folder in zip(found, folders(names), strict=True):
            write_picture(
                output / "masks" / folder / f"{name}.png", Image.fromarray(member.astype(np.uint8) * np.uint8(255))
            )
    if likely is not None:
        with whole(output / "probabilities" / f"{name}.npz") as partial, partial.open("wb") as file:
            np.savez_compressed(file, probabilities=likely)  # a file: it would give another name to a path
    write_picture(output / "overlays" / f"{name}.png", Image.fromarray(laid_over(shown, found, palette)))


def folders(classes: Sequence[str]) -> list[str]:
    """Names of folders, one for each class: its own, where that is plain letters, digits, spaces, - and _; anyone's
    checkpoint chooses it, and it must lead nowhere else."""
    plain = [re.sub(r"[^\w -]", "_", name).strip() or "_" for name in classes]
    return [each if plain.count(each) == 1 else f"{each}-{k}" for k, each in enumerate(plain)]


def laid_over(shown: Tensor, found: NDArray[np.bool_], palette: list[tuple[int, int, int]]) -> NDArray[np.uint8]:
    """The picture (3, H, W) uint8 with classes (K, H, W) half laid over it, (H, W, 3) uint8."""
    picture = shown.permute(1, 2, 0).numpy().astype(np.uint16)
    colours, there = mixed(found, palette)
    share = np.where(there, round(256 * OPACITY), 0).astype(np.uint16)[..., None]
    return ((picture * (256 - share) + colours * share) >> 8).astype(np.uint8)
