"""What a saved network says of itself, checked value by value: it comes from anyone's file."""

import math
import unicodedata
from typing import Any

from plumbing.messages import printable

TASKS = ("segmentation", "regression", "super_resolution", "gan")
BUILDING = ("model", "upsample", "encoder")  # the sections that a network is built from
MAX_DEPTH, MAX_VALUES = 8, 20_000  # of a configuration; this project's own have 4 levels and 100 to 2,000 values
MAX_TEXT = 4096  # characters, as long as a path may be
MAX_NUMBER = 4096  # in BUILDING: beyond every width, kernel and depth that a saved network may have parameters for
MAX_TASK = 2**20  # in the section task: of images to score, pixels of a window
MAX_ELSEWHERE = 2**53  # beyond which numbers are not what they were in every reader
CONTROL = ("Cc", "Cs", "Zl", "Zp")  # Unicode's categories of what acts on a terminal, or is no text at all
REORDER = ("LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI")  # its bidirectional classes of what makes
# letters around it appear in another order (Unicode Standard Annex 9)


def section(where: str) -> str:
    """The section that a dotted path through a configuration lies in."""
    return where.split(".")[1] if "." in where else ""


def check(config: Any) -> None:
    """Raise ValueError, in one sentence, unless this is a configuration as `models.trained.saved.Saved` describes."""
    check_plain(config)
    if not isinstance(config, dict):
        raise ValueError(f"the configuration is a {type(config).__name__}, not a table of sections")
    for key in ("task", "model", "upsample", "data"):
        if not isinstance(config.get(key), dict) or not isinstance(config[key].get("name"), str):
            raise ValueError(f"the configuration has no section '{key}' with a name")
    if config["task"]["name"] not in TASKS:
        raise ValueError(
            f"task.name is '{config['task']['name']}', which does not exist; choose from {', '.join(TASKS)}"
        )
    if not is_whole(config.get("seed"), 0, 2**32 - 1):
        raise ValueError("the configuration has no 'seed' that is a whole number from 0 to 4294967295")
    check_normalisation(
        config.get("mean"), config.get("std"), bool(check_bands(config.get("bands"), config.get("mean")))
    )
    if not isinstance(config.get("encoder", {}), dict):
        raise ValueError("the section 'encoder' of the configuration is no table")
    if config["task"]["name"] == "regression":
        check_values(config.get("values"))
    if config["task"]["name"] == "gan" and config["model"].get("classes") is not None:
        check_names(config.get("classes"))
    if config["task"]["name"] == "segmentation":
        check_classes(config.get("classes"), config.get("palette"), config.get("ignore_index"))
        check_thresholds(config)
    check_numbers(config)


def check_plain(config: Any) -> None:
    """Raise ValueError unless a configuration is plain values alone, of moderate depth, number, length and size."""
    todo, seen = [("configuration", config, 1)], 0
    while todo:  # no recursion: depth is what an attacker chooses
        where, value, depth = todo.pop()
        seen += 1
        if depth > MAX_DEPTH or seen > MAX_VALUES:
            raise ValueError(f"the configuration has more than {MAX_DEPTH} levels or {MAX_VALUES} values")
        if isinstance(value, dict):
            if not all(isinstance(key, str) for key in value):
                raise ValueError(f"{where} has keys that are no text")
            todo += [(f"{where}.{printable(key)}"[:80], item, depth + 1) for key, item in value.items()]
            todo += [(f"a key of {where}"[:80], key, depth + 1) for key in value]
        elif isinstance(value, list):
            todo += [(where, item, depth + 1) for item in value]
        elif isinstance(value, str):
            if len(value) > MAX_TEXT or any(map(acts, value)):
                raise ValueError(f"{where} is text with control characters, or of more than {MAX_TEXT} characters")
        elif not isinstance(value, int | float | bool | None):
            raise ValueError(f"{where} is a {type(value).__name__}, not plain data")
        elif value is not None:
            most = MAX_NUMBER if section(where) in BUILDING else MAX_TASK if section(where) == "task" else MAX_ELSEWHERE
            if not abs(value) <= most:
                shown = value if isinstance(value, float) else f"a number of {value.bit_length()} bits"
                raise ValueError(f"{where} is {shown}, beyond the {most} that a saved network may ask for")


def acts(character: str) -> bool:
    """Whether a character does something to what is shown around it, rather than be shown. Bytes of a path that are no
    UTF-8 come as half characters, which are written as their escapes."""
    if "\udc80" <= character <= "\udcff":
        return False
    return unicodedata.category(character) in CONTROL or unicodedata.bidirectional(character) in REORDER


def is_whole(value: Any, low: int, high: int) -> bool:
    """Whether a value is a whole number within bounds; true and false are none."""
    return type(value) is int and low <= value <= high


def check_bands(bands: Any, mean: Any) -> bool:
    """Raise ValueError unless this is a section as `data.files.bands.Bands` has it, or there is none. Returns whether
    images come as stored, in float32, with mean and deviation in any unit."""
    if bands is None:
        return False
    fits = isinstance(bands, dict) and set(bands) == {"order", "floating", "nodata", "fill", "show"}
    fits = fits and all(isinstance(bands[key], list) for key in ("order", "fill", "show"))
    fits = fits and all(is_whole(number, 1, 65535) for number in bands["order"] + bands["show"])
    fits = fits and all(is_number(value) for value in bands["fill"]) and type(bands["floating"]) is bool
    fits = fits and (bands["nodata"] in ("auto", "none") or is_number(bands["nodata"]))
    fits = fits and len(bands["show"]) in (1, 3) and set(bands["show"]) <= set(bands["order"])
    count = len(mean) if isinstance(mean, list) else 0
    if not fits or not count == len(bands["order"]) == len(set(bands["order"])) == len(bands["fill"]):
        raise ValueError("bands of the configuration are not the order, fill and choice for pictures of as many bands")
    return bands["floating"]


def is_number(value: Any) -> bool:
    """Whether a value is a finite number; true and false are none."""
    return type(value) in (int, float) and math.isfinite(value)


def check_normalisation(mean: Any, std: Any, any_unit: bool = False) -> None:
    """Raise ValueError unless these are as many numbers each: means of images in [0, 1], or of bands in any unit, and
    what divides them."""
    for name, values, low in (("mean", mean, 0.0), ("std", std, 1e-6)):
        numbers = isinstance(values, list) and all(type(v) in (int, float) and low <= v <= 1 for v in values)
        if any_unit:
            numbers = isinstance(values, list) and all(is_number(v) and (v > 0 or name == "mean") for v in values)
        if not numbers or not values:
            ends = "that are finite" if any_unit else f"from {low:g} to 1"
            raise ValueError(f"the configuration has no '{name}' that is a list of numbers {ends}")
    if len(mean) != len(std):
        raise ValueError("mean and std of the configuration are not as many numbers each")


def check_values(values: Any) -> None:
    """Raise ValueError unless this says of the numbers that were learnt what `data.loading.loaded.Values` has."""
    fits = isinstance(values, dict) and set(values) == {"unit", "mean", "std", "low", "high"}
    fits = fits and isinstance(values["unit"], str) and all(is_number(values[key]) for key in set(values) - {"unit"})
    if not fits or not (values["std"] > 0 and values["low"] < values["high"]):
        raise ValueError(
            "values of the configuration are not their unit, mean, deviation above 0, and two ends in order"
        )


def outputs(config: dict[str, Any]) -> int | None:
    """How many channels the network of a checked configuration answers with: one for each class, or one; None: as many
    as its images have. Of a generator how many classes it can be asked for, or None."""
    task = config["task"]
    single = task["name"] == "regression" or task.get("labels") == "binary"
    return 1 if single else len(config.get("classes", [])) or None


def check_thresholds(config: dict[str, Any]) -> None:
    """Raise ValueError unless classes that may overlap have a threshold of probability each, and no others have."""
    apart = config["task"].get("labels") not in ("overlapping", "binary")
    found = config.get("thresholds")
    if apart if found is not None else not apart:
        raise ValueError("thresholds of the configuration are of task.labels=overlapping or binary, and of these alone")
    if found is not None and not (
        isinstance(found, list) and len(found) == outputs(config) and all(is_number(t) and 0 < t < 1 for t in found)
    ):
        raise ValueError("thresholds of the configuration are not a number between 0 and 1 for each class")


def check_names(classes: Any) -> None:
    """Raise ValueError unless these are the names of classes."""
    if not isinstance(classes, list) or not classes or not all(isinstance(c, str) for c in classes):
        raise ValueError("the configuration has no 'classes' that is a list of names")


def check_classes(classes: Any, palette: Any, ignore_index: Any) -> None:
    """Raise ValueError unless these are names, a colour (R, G, B) for each, and the label of no class."""
    check_names(classes)
    if not isinstance(palette, list) or len(palette) != len(classes) or not all(map(is_colour, palette)):
        raise ValueError("the configuration has no 'palette' that is a list of three numbers from 0 to 255 a class")
    if not is_whole(ignore_index, -(2**31), 2**31 - 1):
        raise ValueError("the configuration has no 'ignore_index' that is a whole number of 32 bits")


def is_colour(value: Any) -> bool:
    """Whether a value is a list of three whole numbers from 0 to 255."""
    return isinstance(value, list) and len(value) == 3 and all(is_whole(v, 0, 255) for v in value)


def check_numbers(config: dict[str, Any]) -> None:
    """Raise ValueError unless what a configuration says of the files of its training, if anything, makes sense."""
    for key in ("labels", "ignored"):
        found = config.get(key, [])
        if not isinstance(found, list) or not all(is_whole(n, 1 - 2**31, 2**31 - 1) for n in found):
            raise ValueError(f"{key} of the configuration are not whole numbers of 32 bits")
    labels = config.get("labels")
    if labels is not None and not len(labels) == len(set(labels)) == len(config.get("classes", [])):
        raise ValueError("labels of the configuration are not a different number for each class")
    span = config.get("span")
    if span is not None and not (
        isinstance(span, list)
        and len(span) == 2
        and all(type(v) in (int, float) and math.isfinite(v) for v in span)
        and span[0] < span[1]
    ):
        raise ValueError("span of the configuration is not two numbers, the lower one first")
