"""What the numbers and colours in masks mean: which is which class, which are no class, and how sure that is."""

import re
import shlex
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from data.files.finding import Finder, Pair
from data.files.masks import Colours, read_mask
from data.files.palette import own_palette
from data.files.reading import opened, read_header
from plumbing.messages import printable

Ignore = int | list[int] | str  # data.ignore_index: a number, several, "auto" or "none"
USUAL = 255  # the number that stands for no class in most published masks
MOST_CLASSES = 255
LONGEST = 1000  # characters of a class's name
PAIR = re.compile(r"\s*(-?\d+)\s*[\s:=,;]\s*(\S.*?)\s*")
SHOWN_COLOURS = 32


@dataclass(frozen=True)
class Labelling:
    """The classes of masks: their names, their numbers in the files, the numbers that are no class, and notes."""

    classes: list[str]
    labels: list[int]
    ignored: tuple[int, ...]
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Found:
    """What is in masks: how many pixels hold each number, and which numbers each pair's mask holds."""

    pixels: Counter[int]
    numbers: dict[Pair, frozenset[int]]


def look(find: Finder, pairs: Sequence[Pair], colours: Colours | None = None) -> Found:
    """Count the numbers in all masks, each once."""

    def one(pair: Pair) -> dict[int, int]:
        assert pair.mask is not None
        values = read_mask(pair.mask, read_header(pair.image), colours)
        if values.dtype == np.uint8:
            counts = np.bincount(values.ravel(), minlength=256)
            return {int(number): int(counts[number]) for number in np.flatnonzero(counts)}
        return {int(n): int(c) for n, c in zip(*np.unique(values, return_counts=True), strict=True)}

    seen = find.usable(one, list(dict.fromkeys(pairs)), "Looking for classes in the masks")
    pixels: Counter[int] = Counter()
    for counts in seen.values():
        pixels.update(counts)
    return Found(pixels, {pair: frozenset(counts) for pair, counts in seen.items()})


def named_in(path: Path) -> list[str] | dict[int, str] | None:
    """What classes.txt says, a class a line: names, the first for number 0, or numbers with names ("255 road"); None
    where there is no such file. What a terminal would obey is written as its escape: names stand in tables, pages and
    checkpoints. Raises ValueError, naming the file and the line."""
    if not path.exists():
        return None
    lines = [printable(line.strip(), LONGEST) for line in text_of(path).splitlines()]
    while lines and not lines[-1]:
        lines.pop()
    pairs = [PAIR.fullmatch(line) for line in lines]
    names = [pair[2] for pair in pairs if pair] if all(pairs) else lines
    for i, name in enumerate(names, 1):
        if not name or (name in names[: i - 1] and name != "ignore"):
            raise ValueError(f"{path} must name each class in a line of its own; line {i} is empty or repeats a name")
    if not 1 <= len(names) <= MOST_CLASSES:
        raise ValueError(f"{path} must name 1 to {MOST_CLASSES} classes, a line each, but it has {len(names)} lines")
    if not all(pairs):
        return names
    table = {int(pair[1]): pair[2] for pair in pairs if pair}
    if len(table) < len(names):
        raise ValueError(f"{path} names one number twice; give each its own line")
    return table


def text_of(path: Path) -> str:
    """A text file in UTF-8 or, by its byte order mark, UTF-16 or UTF-32. Raises ValueError naming the file."""
    stored = path.read_bytes()
    marks = {b"\xff\xfe\0\0": "utf-32", b"\0\0\xfe\xff": "utf-32", b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}
    encoding = next((name for mark, name in marks.items() if stored.startswith(mark)), "utf-8-sig")
    try:
        text = stored.decode(encoding)
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{path} is not in {encoding.removesuffix('-sig').upper()} (byte {error.start} is "
            f"{stored[error.start]:#04x}); save it again as UTF-8"
        ) from None
    if "\0" in text:
        raise ValueError(f"{path} is no text: it holds zero bytes; save it again as UTF-8")
    return text


def of_numbers(
    found: Mapping[int, int], names: list[str] | dict[int, str] | None, ignore: Ignore, where: str
) -> Labelling:
    """Which number is which class.

    found   pixels of each number in all masks
    names   of classes.txt
    ignore  data.ignore_index. What it names is ignored, whatever else is said; `auto` ignores 255 where it is plainly
            no class; `none` ignores nothing
    where   the folder, for sentences
    Raises ValueError for numbers of which this cannot be told.
    """
    asked = () if isinstance(ignore, str) else (ignore,) if isinstance(ignore, int) else tuple(ignore)
    present = [number for number in sorted(found) if number not in asked]
    ignored = list(asked)
    if isinstance(names, dict):
        table = {number: name for number, name in names.items() if number not in asked and name != "ignore"}
        ignored += [number for number, name in names.items() if name == "ignore" and number not in asked]
        if ignore == "auto" and USUAL in found and USUAL not in names:
            ignored.append(USUAL)
    elif names is None:
        refuse_negative(present, found, where)
        refuse_smoothed(found, where)
        others = [number for number in present if number != USUAL]
        in_a_row = len(others) > 1 and others in ([*range(len(others))], [*range(1, len(others) + 1)])
        if ignore == "auto" and USUAL in present and in_a_row:
            ignored.append(USUAL)
            present = others
        table = {number: str(number) for number in present}
    else:
        table, more = named_in_order(present, names, asked, ignore)
        ignored += more
    if not table:
        raise ValueError(f"{where} has no class but what is ignored, {listed(ignored)}; change data.ignore_index")
    if len(table) > MOST_CLASSES:
        raise ValueError(f"the masks of {where} hold {len(table)} numbers; {MOST_CLASSES} classes are the most")
    return Labelling(list(table.values()), list(table), tuple(ignored), told(found, table, ignored, ignore, names))


def named_in_order(
    present: list[int], names: list[str], asked: tuple[int, ...], ignore: Ignore
) -> tuple[dict[int, str], list[int]]:
    """Which numbers a list of names stands for, and what is ignored besides: 0, 1, 2, ... where that can be; where it
    cannot and there are as many numbers as names, these in their order; and 255 where it is one too many."""
    in_order = {number: name for number, name in enumerate(names) if number not in asked}
    if set(present) <= set(range(len(names))):
        return in_order, []
    if len(present) == len(names):
        return dict(zip(present, names, strict=True)), []
    if ignore == "auto" and USUAL in present and len(names) <= USUAL:
        others = [number for number in present if number != USUAL]
        if not set(others) <= set(range(len(names))) and len(others) == len(names):
            return dict(zip(others, names, strict=True)), [USUAL]
        return in_order, [USUAL]
    return in_order, []


def told(
    found: Mapping[int, int],
    table: dict[int, str],
    ignored: Sequence[int],
    ignore: Ignore,
    names: list[str] | dict[int, str] | None,
) -> list[str]:
    """Notes: which number is which class where that is not 0, 1, 2, ..., and what share of all pixels is ignored."""
    notes = []
    if names is None:
        notes.append(f"Classes found in the masks: {listed(list(table))}; classes.txt, a name a line, names them")
    elif list(table) != list(range(len(table))):
        notes.append("Classes: " + ", ".join(f"{number} is {name}" for number, name in table.items()))
    total = max(1, sum(found.values()))
    for number in ignored:
        if share := found.get(number, 0) / total:
            by = "by data.ignore_index" if ignore not in ("auto", "none") else "as no class"
            keep = "" if isinstance(names, dict) and number in names else "; data.ignore_index=none makes it a class"
            notes.append(f"Ignored {by}: the number {number}, {share:.1%} of all pixels{keep}")
    if USUAL in table and USUAL in found and (names is None or not isinstance(names, dict)):
        notes.append(f"255 is a class here, {found[USUAL] / total:.1%} of all pixels; data.ignore_index=255 ignores it")
    return notes


def listed(numbers: Sequence[int]) -> str:
    """Numbers in words."""
    return ", ".join(map(str, numbers))


def refuse_negative(present: list[int], found: Mapping[int, int], where: str) -> None:
    """Raise ValueError for negative numbers, which as a rule mark what was not measured."""
    if present and present[0] < 0:
        raise ValueError(
            f"the masks of {where} hold the number {present[0]} in {found[present[0]]:,} pixels, which looks like "
            f"no data; ignore it by data.ignore_index={present[0]}, or name it as a class in classes.txt "
            f'("{present[0]} name")'
        )


def refuse_smoothed(found: Mapping[int, int], where: str) -> None:
    """Raise ValueError for masks whose numbers are grey levels rather than labels."""
    if len(found) <= 4:
        return
    most = sorted(found, key=lambda number: -found[number])[:2]
    share = sum(found[number] for number in most) / sum(found.values())
    between = [number for number in found if number not in most]
    spread = len(found) > 64 or max(found) - min(found) > 2 * len(found)  # labels lie close together
    if spread and {0, 255} & set(most) and share > 0.7 and len(between) > 2:
        raise ValueError(
            f"the masks of {where} hold {len(found)} different numbers, {share:.0%} of them {most[0]} or {most[1]}: "
            "edges that were smoothed, or saved as JPEG; save masks without smoothing as PNG, or name the classes in "
            "classes.txt"
        )
    if len(found) > 64:
        raise ValueError(
            f"the masks of {where} hold {len(found)} different numbers, too many to be found by looking; name the "
            "classes in classes.txt, and save masks that are JPEG as PNG"
        )


def of_colours(colours: Mapping[str, Sequence[int]], ignore: Ignore) -> tuple[Colours, Labelling, list[tuple]]:
    """data.colours: the number of each colour, the classes in their order, and their colours; `ignore` is no class."""
    for name, rgb in colours.items():
        if not (isinstance(rgb, Sequence) and len(rgb) == 3 and all(isinstance(c, int) and 0 <= c <= 255 for c in rgb)):
            raise ValueError(f"data.colours.{name} is {rgb}; a colour is three whole numbers from 0 to 255")
    colours = {printable(name, LONGEST): rgb for name, rgb in colours.items()}
    names = [name for name in colours if name != "ignore"]
    if len({tuple(rgb) for rgb in colours.values()}) < len(colours):
        raise ValueError("data.colours gives one colour to two classes; each needs its own")
    if not 1 <= len(names) <= MOST_CLASSES:
        raise ValueError(f"data.colours names {len(names)} classes; 1 to {MOST_CLASSES} are possible")
    if isinstance(ignore, list) or (isinstance(ignore, int) and 0 <= ignore < len(names)):
        raise ValueError(f"data.ignore_index is {ignore}, but colours are ignored by `ignore` in data.colours")
    numbers = {name: i for i, name in enumerate(names)} | {"ignore": USUAL}
    by_colour = {(rgb[0], rgb[1], rgb[2]): numbers[name] for name, rgb in colours.items()}
    return by_colour, Labelling(names, list(range(len(names))), (USUAL,)), [tuple(colours[name]) for name in names]


def palettes(find: Finder, pairs: Sequence[Pair], labels: Sequence[int]) -> list[tuple[int, int, int]] | None:
    """The colours that palette masks give to labels, where all have the same distinct ones; else None.

    Raises ValueError where masks give one index different colours: their indices are then no labels.
    """

    def one(pair: Pair) -> dict[int, tuple[int, int, int]] | None:
        assert pair.mask is not None
        if read_header(pair.mask).mode != "P":
            return None
        with opened(pair.mask) as (picture, _):
            flat = picture.getpalette("RGB")
            if flat is None:
                return None
            used = np.flatnonzero(np.bincount(np.asarray(picture).ravel(), minlength=256)).tolist()
            return {i: (flat[3 * i], flat[3 * i + 1], flat[3 * i + 2]) for i in used if 3 * i + 2 < len(flat)}

    colours: dict[int, tuple[tuple[int, int, int], Path]] = {}
    seen = find.usable(one, list(dict.fromkeys(pairs)), "Looking at the palettes")
    for pair, palette in seen.items():
        for index, colour in (palette or {}).items():
            assert pair.mask is not None
            before, first = colours.setdefault(index, (colour, pair.mask))
            if before != colour:
                raise ValueError(
                    f"the palettes of masks differ: index {index} is {before} in {first} and {colour} in {pair.mask}; "
                    "indices are no labels then, so name the colours in data.colours"
                )
    chosen = [colours[label][0] for label in labels if label in colours]
    return chosen if len(set(chosen)) == len(labels) else None


def is_grey(path: Path) -> bool:
    """Whether a colour picture is grey throughout: labels, saved as RGB."""
    with opened(path) as (picture, _):
        rgb = np.asarray(picture.convert("RGB"))
    return bool((rgb[..., :1] == rgb).all())


def colours_to_name(pairs: Sequence[Pair]) -> str:
    """What to put on the command line for masks in colour: data.colours with the colours found, to be given names."""
    colours: Counter[tuple[int, int, int]] = Counter()
    for pair in pairs[:200]:
        assert pair.mask is not None
        with opened(pair.mask) as (picture, _):
            rgb = np.asarray(picture.convert("RGB")).reshape(-1, 3)
        codes, counts = np.unique(rgb.astype(np.int64) @ (65536, 256, 1), return_counts=True)
        for code, count in zip(codes.tolist(), counts.tolist(), strict=True):
            colours[code >> 16, code >> 8 & 255, code & 255] += count
    if len(colours) > SHOWN_COLOURS:
        return f"{len(colours)} colours, too many to be classes: masks must be saved without loss and smoothing"
    named = ", ".join(f"class{i}: {list(colour)}" for i, (colour, _) in enumerate(colours.most_common()))
    return shlex.quote(f"data.colours={{{named}}}")


def drawn_in(labelling: Labelling, colours: Sequence[tuple[int, int, int]] | None) -> list[tuple[int, int, int]]:
    """The colours that classes are shown in."""
    return list(colours) if colours else own_palette(labelling.classes)
