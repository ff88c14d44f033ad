"""Colours to draw classes in, where a data set brings none of its own."""


def voc_palette(count: int) -> list[tuple[int, int, int]]:
    """The first `count` colours of Pascal VOC's palette: the bits of a label, dealt to red, green and blue from the
    highest bit down, so that neighbouring labels differ most (VOC development kit, VOClabelcolormap.m)."""
    channels = [
        [sum((label >> (3 * i + c) & 1) << (7 - i) for i in range(8)) for c in range(3)] for label in range(count)
    ]
    return [(red, green, blue) for red, green, blue in channels]
