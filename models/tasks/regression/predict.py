"""The values of an image of any size, as files."""

from pathlib import Path

import numpy as np
import tifffile
import torch
from PIL import Image

from data.loading.loaded import Values
from models.tasks.picture_files import write_picture
from models.tasks.segmentation.inference import Inference
from models.tasks.segmentation.predict import read
from models.trained.saved import Trained
from plumbing.atomic import whole


@torch.no_grad()
def measure(net: Trained, path: Path, inference: Inference, output: Path, name: str) -> None:
    """Write values/<name>.tif, (H, W) float32 in the unit of the training's values, and pictures/<name>.png, in colours
    from the 1st to the 99th percentile of these.

    path  of an image file, which is read as those of the network's training were. Where it has no data in any band, the
          values are NaN and the picture black
    """
    seen, _, missing = read(net, path)
    device = next(net.parameters()).device
    strips = inference.strips(lambda part: net(part.to(device)), seen)
    values = np.concatenate([strip[0, 0].cpu().numpy().copy() for strip in strips])
    if missing is not None:
        values[missing] = np.nan
    known = Values(**net.config["values"])
    with whole(output / "values" / f"{name}.tif") as partial:
        tifffile.imwrite(partial, values, photometric="minisblack", description=known.unit or None)
    write_picture(output / "pictures" / f"{name}.png", Image.fromarray(known.picture(torch.from_numpy(values))))
