"""How much memory a scene takes that no memory holds. Minutes of a core's time, though the network is the
smallest there is.

Run with `pytest tests/stress/models/tasks`.
"""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import rasterio
from rasterio.transform import from_origin
from rasterio.windows import Window

ROOT = Path(__file__).parents[5]
SIDE = 20_000
CODE = """
import json, sys
from pathlib import Path
import torch
import models
from models.tasks.segmentation.inference import Inference
from models.tasks.segmentation.scene import segment_scene
from models.trained.saved import Saved, Trained

bands = {"order": [1, 2, 3, 4], "floating": True, "nodata": "auto", "fill": [500.0] * 4, "show": [1, 2, 3]}
config = {
    "task": {"name": "segmentation"}, "model": {"name": "unet"}, "upsample": {"name": "nearest"},
    "encoder": {"family": "plain", "width": 1, "depth": 1}, "data": {"name": "folder"}, "seed": 0,
    "mean": [500.0] * 4, "std": [300.0] * 4, "bands": bands, "classes": ["a", "b", "c", "d"],
    "palette": [[0, 0, 0]] * 4, "ignore_index": 255,
}
net = Trained(Saved(config, models.build(config, 4, 4).state_dict()))
with torch.no_grad():
    net(torch.zeros(1, 4, 64, 64))  # whatever torch sets up once

def resident(key):
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith(key))

Path("/proc/self/clear_refs").write_text("5")  # the peak so far is that of the imports
before = resident("VmRSS")
scene, output = map(Path, sys.argv[1:])
segment_scene(net, scene, Inference(net.period, 1024, 0.0), output, "scene", False)
print(json.dumps({"peak": resident("VmHWM") - before}))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads the peak of resident memory from /proc")
def test_a_scene_of_20000_pixels_a_side_and_four_bands_takes_less_than_2_gb(tmp_path: Path) -> None:
    """3.2 GB as stored, all but a corner of it left out of the file; the mask is read back where there are data."""
    shape = {"driver": "GTiff", "count": 4, "height": SIDE, "width": SIDE, "dtype": "uint16", "nodata": 0}
    tiles = {"tiled": True, "blockxsize": 512, "blockysize": 512, "SPARSE_OK": True, "compress": "deflate"}
    place = {"crs": "EPSG:32633", "transform": from_origin(300000, 5400000, 10, 10)}
    corner = Window(SIDE - 3000, SIDE - 2000, 3000, 2000)
    with rasterio.open(tmp_path / "scene.tif", "w", **shape, **tiles, **place) as target:
        target.write(np.random.default_rng(0).integers(1, 1000, (4, 2000, 3000), np.uint16), window=corner)
    command = [sys.executable, "-c", CODE, str(tmp_path / "scene.tif"), str(tmp_path)]
    run = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert run.returncode == 0, run.stderr
    peak = json.loads(run.stdout)["peak"]
    print(f"{peak / 1e9:.2f} GB beyond the model")
    assert peak < 2e9
    with rasterio.open(tmp_path / "masks/scene.tif") as mask:
        assert (mask.shape, mask.crs.to_epsg()) == ((SIDE, SIDE), 32633)
        assert mask.transform == place["transform"]
        assert set(np.unique(mask.read(1, window=corner))) <= {0, 1, 2, 3}
        assert (mask.read(1, window=Window(0, 9000, SIDE, 1000)) == 255).all()
