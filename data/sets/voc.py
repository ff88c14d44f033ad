"""PASCAL VOC 2012 (Everingham et al., 2015) and SBD, more labelled images of it (Hariharan et al., 2011)."""

from pathlib import Path

from data.contract import data_set
from data.files.finding import Finder
from data.files.palette import voc_palette
from data.forms import LabelledFiles
from data.sets.published import VAL_IS_TEST, explained, pairs

CLASSES = [
    "background", "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow", "diningtable",
    "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor",
]  # fmt: skip
PALETTE = voc_palette(len(CLASSES))


@data_set("voc", LabelledFiles, terms="Flickr's terms of use for the photographs.", reads=["VOCdevkit/VOC2012"])
def voc(find: Finder, root: str | None, download: bool) -> LabelledFiles:
    """1464 training and 1449 validation images. The seam around each object, 255, is ignored."""
    layout = "VOCdevkit/VOC2012 with JPEGImages, SegmentationClass and ImageSets/Segmentation"
    with explained("voc", root, layout, download):
        from torchvision.datasets import VOCSegmentation  # here: it is slow to import

        assert root is not None
        absent = not Path(root, "VOCdevkit/VOC2012").is_dir()
        found = {"train": VOCSegmentation(root, "2012", "train", download=download and absent)}
        found["val"] = VOCSegmentation(root, "2012", "val")
    splits = {split: pairs(files.images, files.masks) for split, files in found.items()}
    return LabelledFiles("voc", CLASSES, PALETTE, splits | {"test": splits["val"]}, notes=[f"VOC: {VAL_IS_TEST}"])


@data_set(
    "sbd",
    LabelledFiles,
    terms="Flickr's terms of use for the photographs of VOC 2011 that it labels.",
    reads=["img", "cls", "train.txt", "val.txt"],
)
def sbd(find: Finder, root: str | None, download: bool) -> LabelledFiles:
    """8498 training and 2857 validation images, the classes of VOC. Nothing is ignored."""
    try:
        import scipy.io  # noqa: F401  # which data.reading needs for its masks
    except ImportError:
        raise ValueError("data=sbd has its masks in .mat files, which SciPy reads; pip install scipy") from None
    with explained("sbd", root, "img, cls, train.txt and val.txt of its dataset folder", download):
        from torchvision.datasets import SBDataset  # here: it is slow to import

        assert root is not None
        absent = not Path(root, "img").is_dir()
        found = {"train": SBDataset(root, "train", "segmentation", download=download and absent)}
        found["val"] = SBDataset(root, "val", "segmentation")
    splits = {split: pairs(files.images, files.masks) for split, files in found.items()}
    notes = ["SBD has no test split, so the validation split is tested on as well"]
    return LabelledFiles("sbd", CLASSES, PALETTE, splits | {"test": splits["val"]}, notes=notes)
