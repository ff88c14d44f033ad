"""CamVid: road scenes (Brostow et al., 2008), as the SegNet authors share them: 11 classes at 480 x 360 pixels."""

from data.contract import data_set
from data.files.finding import Finder, existing
from data.forms import LabelledFiles

CLASSES = ["sky", "building", "pole", "road", "pavement", "tree", "sign", "fence", "car", "pedestrian", "bicyclist"]
PALETTE = [
    (128, 128, 128), (128, 0, 0), (192, 192, 128), (128, 64, 128), (60, 40, 222), (128, 128, 0),
    (192, 128, 128), (64, 64, 128), (64, 0, 128), (64, 64, 0), (0, 128, 192),
]  # fmt: skip
VOID = 11


@data_set(
    "camvid",
    LabelledFiles,
    terms="Research use; no licence stated by its authors. Not to be redistributed.",
    reads=["train", "trainannot", "val", "valannot", "test", "testannot"],
)
def camvid(find: Finder, root: str | None) -> LabelledFiles:
    """root/train, root/val and, where there is one, root/test, each beside its masks: root/trainannot and so on."""
    top = existing(root, "data.root")
    splits = {
        split: find.pairs(existing(top / split, f"CamVid's {split}"), existing(top / f"{split}annot", "its masks"))
        for split in ("train", "val", *(["test"] if (top / "test").is_dir() else []))
    }
    notes = [] if "test" in splits else [f"{top} has no test folder: the validation images serve as test images too"]
    splits.setdefault("test", splits["val"])
    return LabelledFiles("camvid", CLASSES, PALETTE, splits, ignored=(VOID,), notes=notes)
