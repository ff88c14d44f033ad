"""What is learnt of each pixel: exactly one class, or any of several that may overlap, of which binary is one alone."""

from typing import Literal

from data.loading.loaded import LabelledImages
from models.tasks.segmentation.labels.exclusive import Exclusive
from models.tasks.segmentation.labels.overlapping import Overlapping
from plumbing.options import OptionError

Wish = Literal["auto", "exclusive", "overlapping", "binary"]


def chosen(wish: Wish, info: LabelledImages, loss: str, dice: float) -> Exclusive | Overlapping:
    """The labels that task.labels asks for. Raises OptionError where data or losses do not fit them.

    loss, dice  of the task, by name and weight
    """
    count = len(info.classes)
    if wish == "exclusive" and info.overlapping:
        raise OptionError(f"task.labels=exclusive, but the masks of {info.name} may overlap; leave task.labels=auto")
    if wish == "binary" and count != 2 - info.overlapping:
        raise OptionError(
            f"task.labels=binary takes a background and one class, or one mask, but {info.name} has {count} classes "
            f"({', '.join(info.classes[:5])}{', ...' if count > 5 else ''}); leave task.labels=auto"
        )
    if wish in ("overlapping", "binary") or info.overlapping:
        return Overlapping(info, loss, dice, binary=wish == "binary")
    return Exclusive(info, loss, dice)
