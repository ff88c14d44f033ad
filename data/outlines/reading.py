"""The files of COCO, labelme, YOLO and GeoJSON to outlines. What is wrong with one is said in a sentence that names
it."""

import base64
import io
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from PIL import Image

from data.files.finding import walk
from data.files.reading import SUFFIXES, read_header
from data.outlines.geojson import read_geojson
from data.outlines.shapes import IGNORED, Outlined, Outlines, Shape

YOLO_NAMES = ("data.yaml", "dataset.yaml", "data.yml")


def read(source: Path) -> tuple[str, Outlines]:
    """The tool that wrote a file or folder, and its outlines. Raises ValueError where none can be told."""
    files = [source] if source.is_file() else list(walk(source))
    documents = [path for path in files if path.suffix.lower() in (".json", ".geojson")]
    contents = {path: loaded(path) for path in documents}
    coco = [path for path, content in contents.items() if {"images", "annotations", "categories"} <= set(content)]
    labelme = [path for path, content in contents.items() if isinstance(content.get("shapes"), list)]
    maps = {path: content for path, content in contents.items() if content.get("type") == "FeatureCollection"}
    if len(coco) > 1:
        names = ", ".join(str(path) for path in coco)
        raise ValueError(f"{source} holds several files of COCO, {names}; name one of them")
    if coco:
        return "COCO", read_coco(coco[0], contents[coco[0]], source.parent if source.is_file() else source)
    if labelme:
        return "labelme", read_labelme({path: contents[path] for path in labelme})
    if maps:
        return "GeoJSON", read_geojson(maps, source.parent if source.is_file() else source)
    texts = [path for path in files if path.suffix.lower() == ".txt" and path.name != "classes.txt"]
    if texts and source.is_dir():
        return "YOLO", read_yolo(source, texts)
    raise ValueError(f"{source} holds no outlines of COCO (.json), labelme (.json), GeoJSON or YOLO (.txt)")


def loaded(path: Path) -> dict[str, Any]:
    """A JSON file that holds an object, else an empty one."""
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} is no JSON file ({error}); save it again") from None
    return content if isinstance(content, dict) else {}


def pictures(top: Path) -> dict[str, Path]:
    """The images below a folder by their names and by their paths below it."""
    found = [path for path in walk(top) if path.suffix.lower() in SUFFIXES]
    return {path.name: path for path in found} | {path.relative_to(top).as_posix(): path for path in found}


def read_coco(path: Path, content: dict[str, Any], top: Path) -> Outlines:
    """Polygons and run lengths, the largest drawn first, so that small ones stay visible. Crowds are no class."""
    try:
        names = {each["id"]: str(each["name"]) for each in content["categories"]}
        shift = int(0 in names)  # 0 is the background
        outlines = Outlines([], {name: number + shift for number, name in names.items()})
        found, images = pictures(top), {}
        for each in content["images"]:
            image = found.get(str(each["file_name"])) or found.get(Path(str(each["file_name"])).name)
            if image is None:
                raise ValueError(f"{path} names the image {each['file_name']}, which is not below {top}; put it there")
            images[each["id"]] = Outlined(image, *read_header(image).upright)
        shapes: dict[Any, list[tuple[float, Shape]]] = {}
        for each in content["annotations"]:
            area = each.get("segmentation")
            if not area:
                outlines.leave_out("boxes")
                continue
            shape = Shape(None if each.get("iscrowd") else names[each["category_id"]], area)
            shapes.setdefault(each["image_id"], []).append((-float(each.get("area", 0)), shape))
        for key, drawn in shapes.items():
            images[key].shapes.extend(shape for _, shape in sorted(drawn, key=lambda pair: pair[0]))
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{path} is no file of COCO: it lacks {error}") from None
    outlines.images.extend(images.values())
    return outlines


def read_labelme(contents: dict[Path, dict[str, Any]]) -> Outlines:
    """Polygons, rectangles, circles and masks, in the order in which they were drawn; __ignore__ is no class."""
    outlines = Outlines([], {})
    names: set[str] = set()
    for path, content in contents.items():
        image = image_of(path, content)
        outlined = Outlined(image, *read_header(image).upright)
        for each in content["shapes"]:
            try:
                kind, points = each.get("shape_type") or "polygon", np.array(each["points"], float).reshape(-1, 2)
                area = labelme_area(kind, points, each, outlined)
                name = str(each["label"])
            except (KeyError, TypeError, ValueError, AttributeError) as error:
                raise ValueError(f"{path} holds a shape that cannot be read ({error}); save it again") from None
            if area is None:
                outlines.leave_out(f"{kind}s")
                continue
            outlined.shapes.append(Shape(None if name == "__ignore__" else name, area))
            names |= {name} - {"__ignore__", "_background_"}
        outlines.images.append(outlined)
    outlines.numbers.update({name: number for number, name in enumerate(sorted(names), 1)}, _background_=0)
    return outlines


def image_of(path: Path, content: dict[str, Any]) -> Path:
    """The image that a file of labelme belongs to."""
    named = str(content.get("imagePath") or "").replace("\\", "/")
    beside = [path.with_suffix(end) for end in SUFFIXES]
    for image in [path.parent / named, path.parent / Path(named).name, *beside]:
        if image.is_file():
            return image
    raise ValueError(f"{path} names the image {named or '(none)'}, which is not beside it; put it there")


def labelme_area(kind: str, points: np.ndarray, shape: dict[str, Any], image: Outlined) -> Any:
    """The area of one shape, None where it has none."""
    if kind == "polygon":
        return [points.ravel().tolist()]
    if kind == "rectangle":
        (x0, y0), (x1, y1) = points.min(0), points.max(0)
        return [[x0, y0, x1, y0, x1, y1, x0, y1]]
    if kind == "circle":
        radius = math.dist(points[0], points[1])
        turns = np.linspace(0, 2 * math.pi, 72, endpoint=False)
        return [(points[0] + radius * np.stack([np.cos(turns), np.sin(turns)], 1)).ravel().tolist()]
    if kind == "mask":
        left, top = np.round(points.min(0)).astype(int).tolist()
        with Image.open(io.BytesIO(base64.b64decode(shape["mask"])), formats=("PNG",)) as picture:
            part = np.asarray(picture.convert("L")) > 0
        whole = np.zeros((image.height, image.width), bool)
        place = whole[top : top + part.shape[0], left : left + part.shape[1]]
        place |= part[: place.shape[0], : place.shape[1]]
        return whole
    return None


def read_yolo(top: Path, texts: list[Path]) -> Outlines:
    """Polygons in shares of the image's sides, a line each; number n becomes n + 1, as 0 is the background."""
    images = {path.with_suffix("").name: path for path in walk(top) if path.suffix.lower() in SUFFIXES}
    names = yolo_names(top)
    outlines = Outlines([], {})
    for path in texts:
        image = images.get(path.stem)
        if image is None:
            raise ValueError(f"{path} has no image of the same name below {top}; put it there, or remove the file")
        height, width = read_header(image).upright
        outlined = Outlined(image, height, width)
        for number, line in enumerate(path.read_text(encoding="utf-8-sig").splitlines(), 1):
            if not line.strip():
                continue
            try:
                label, *shares = line.split()
                name = names.get(int(label), label)
                ring = (np.array(shares, float).reshape(-1, 2) * (width, height)).ravel().tolist()
            except ValueError:
                raise ValueError(f"line {number} of {path} is no class and pairs of numbers; save it again") from None
            if len(ring) == 4:
                outlines.leave_out("boxes")
                continue
            outlined.shapes.append(Shape(name, [ring]))
            outlines.numbers[name] = int(label) + 1
        outlines.images.append(outlined)
    outlines.numbers.update({name: number + 1 for number, name in names.items()})
    return outlines


def yolo_names(top: Path) -> dict[int, str]:
    """The names in data.yaml or classes.txt, by number."""
    for path in (path for path in walk(top) if path.name in YOLO_NAMES):
        try:
            names = yaml.safe_load(path.read_text(encoding="utf-8")).get("names")
        except (yaml.YAMLError, AttributeError) as error:
            raise ValueError(f"{path} cannot be read ({' '.join(str(error).split())})") from None
        return {int(k): str(v) for k, v in (names.items() if isinstance(names, dict) else enumerate(names or []))}
    for path in (path for path in walk(top) if path.name == "classes.txt"):
        return dict(enumerate(path.read_text(encoding="utf-8-sig").split("\n")))
    return {}


def refuse_numbers(numbers: dict[str, int]) -> None:
    """Raise ValueError for classes that a mask of 8 bits cannot number."""
    wrong = {name: number for name, number in numbers.items() if not 0 <= number < IGNORED}
    if wrong:
        name, number = next(iter(wrong.items()))
        raise ValueError(f"the class {name} has the number {number}; masks of 8 bits hold 0 to {IGNORED - 1}")
