"""Cityscapes (Cordts et al., 2016): street scenes of 2048 x 1024 pixels, finely labelled."""

from data.contract import data_set
from data.files.finding import Finder
from data.forms import LabelledFiles
from data.sets.published import VAL_IS_TEST, explained, pairs


@data_set(
    "cityscapes",
    LabelledFiles,
    terms="Non-commercial use only, after registration.",
    reads=["leftImg8bit", "gtFine"],
)
def cityscapes(find: Finder, root: str | None) -> LabelledFiles:
    """2975 training and 500 validation images; the 19 of 34 labels that the benchmark judges, the others ignored."""
    layout = "leftImg8bit and gtFine, each with train and val, from cityscapes-dataset.com"
    with explained("cityscapes", root, layout, download=None):
        from torchvision.datasets import Cityscapes  # here: it is slow to import

        found = {split: Cityscapes(root, split, target_type="semantic") for split in ("train", "val")}
    splits = {
        split: sorted(pairs(files.images, [mask for (mask,) in files.targets]), key=lambda pair: pair.name)
        for split, files in found.items()
    }
    drawn = [c for c in Cityscapes.classes if c.id >= 0]  # -1, a number plate, is in no mask
    judged = sorted((c for c in drawn if not c.ignore_in_eval), key=lambda c: c.train_id)
    return LabelledFiles(
        "cityscapes",
        [c.name for c in judged],
        [c.color for c in judged],
        splits | {"test": splits["val"]},
        labels=[c.id for c in judged],
        ignored=tuple(c.id for c in drawn if c.ignore_in_eval),
        notes=[f"Cityscapes: {VAL_IS_TEST}"],
    )
