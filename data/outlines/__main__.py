"""Outlines of a labelling tool to a folder that data=folder reads.

    python -m data.outlines SOURCE OUT

SOURCE is a file of COCO with its images beside it, or a folder of COCO, labelme, YOLO or GeoJSON over GeoTIFF. OUT gets
images/, masks/ (8 bits, 0 is the background, 255 no class) and classes.txt with the number and name of each class.
"""

import argparse
import shutil
from pathlib import Path

from PIL import Image

from data.outlines.reading import read, refuse_numbers
from data.outlines.shapes import mask_of
from plumbing.atomic import whole, write_text
from plumbing.messages import say_error


def convert(source: Path, out: Path) -> list[str]:
    """Write OUT; returns what there is to say. Raises ValueError, in one sentence, for what cannot be read."""
    if not source.exists():
        raise ValueError(f"{source} is not there; name a file of COCO, or a folder of COCO, labelme, YOLO or GeoJSON")
    if out.exists() and any(out.iterdir()):
        raise ValueError(f"{out} holds files already; name another folder, so that nothing is mixed")
    tool, outlines = read(source)
    refuse_numbers(outlines.numbers)
    stems: set[str] = set()
    for i, each in enumerate(outlines.images):
        stem = each.image.stem if each.image.stem not in stems else f"{each.image.stem}-{i}"
        stems.add(stem)
        try:
            mask = mask_of(each, outlines.numbers)
        except ValueError as error:
            raise ValueError(f"{each.image}: {error}") from None
        with whole(out / "masks" / f"{stem}.png") as partial:
            Image.fromarray(mask).save(partial, "PNG")
        with whole(out / "images" / f"{stem}{each.image.suffix}") as partial:
            shutil.copyfile(each.image, partial)
    numbers = {name: number for name, number in outlines.numbers.items() if number} or {}
    lines = ["0 background", *(f"{number} {name}" for name, number in sorted(numbers.items(), key=lambda n: n[1]))]
    write_text(out / "classes.txt", "\n".join(lines) + "\n")
    drawn = sum(len(each.shapes) for each in outlines.images)
    said = [f"{tool}: {drawn} outlines in {len(outlines.images)} images, {len(numbers)} classes and the background"]
    said += [f"Left out, since they have no area: {count} {kind}" for kind, count in outlines.left_out.items()]
    said += [f"Without any outline, so background alone: {bare} images"] if (bare := empty(outlines.images)) else []
    return [*said, f"Next: python check_data.py data.root={out}"]


def empty(images: list) -> int:
    """How many images have no shape."""
    return sum(not each.shapes for each in images)


def main() -> None:
    """Convert what the command line names."""
    parser = argparse.ArgumentParser(prog="python -m data.outlines", description=__doc__.partition("\n")[0])
    parser.add_argument("source", type=Path, help="a file of COCO, or a folder of COCO, labelme, YOLO or GeoJSON")
    parser.add_argument("out", type=Path, help="the folder to write")
    arguments = parser.parse_args()
    try:
        print(*convert(arguments.source.expanduser(), arguments.out.expanduser()), sep="\n")
    except (ValueError, OSError) as error:
        say_error(error)
        raise SystemExit(1) from None


if __name__ == "__main__":
    main()
