"""Decoded pixels, kept: in memory, in a file that is mapped into memory, or not at all."""

import hashlib
import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from data.files import pixel_file
from data.files.finding import Pair
from data.files.threads import in_threads
from data.forms import Decoded, Size
from plumbing.messages import say

# Of what lies in the user's cache folder; one more whenever data/files/reading.py reads other pixels from a file.
FORMAT = 2


def free_memory() -> int | None:
    """Bytes that this process may still take, or None where the system does not tell."""
    limits = []
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        limits.append(next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable")))
        group = Path("/sys/fs/cgroup")
        limits.append(int((group / "memory.max").read_text()) - int((group / "memory.current").read_text()))
    except (OSError, ValueError, StopIteration):  # no Linux, no such group, or a group without limit ("max")
        pass
    return min(limits, default=None)


class Cache:
    """The decoded pixels of pairs: `cache[i]` is what `decode(pairs[i])` gives, views of the memory that keeps it.

    kind     ram: all are decoded now | disk: the same in a file in the user's cache folder, written once, found again
             while files and sizes are unchanged and checked at each start; a crop reads its own rows of it only | none:
             decoded when asked for
    sizes    of the pairs' images
    version  whatever else the pixels depend on
    channels of the images; floating: they are float32, else uint8
    truth    how what is beside an image is stored: torch.uint8 labels (H, W), or torch.float32 numbers
    planes   of labels, where these are (planes, H, W)
    labels   of each pair how many pixels have each label, where that was counted before; else None
    """

    def __init__(
        self,
        kind: str,
        pairs: Sequence[Pair],
        sizes: Sequence[Size],
        decode: Callable[[Pair], Decoded],
        version: str,
        channels: int = 3,
        floating: bool = False,
        truth: torch.dtype = torch.uint8,
        planes: int | None = None,
        labels: Sequence[dict[int, int] | None] | None = None,
    ) -> None:
        self.labels = labels
        self.pairs, self.sizes, self.decode = pairs, sizes, decode
        self.channels, self.dtype = channels, torch.float32 if floating else torch.uint8
        self.truth, self.planes = truth, planes
        self.starts = [0]
        for pair, (height, width) in zip(pairs, sizes, strict=True):
            beside = truth.itemsize * (planes or 1) * (pair.mask is not None)
            size = self._image_bytes(height * width) + beside * height * width
            size += -size % self.dtype.itemsize  # the next one begins where its numbers may
            self.starts.append(self.starts[-1] + size)
        self.pixels: Tensor | None = None
        total = self.starts[-1]
        if kind == "ram":
            free = free_memory()
            if free is not None and total > 0.8 * free:
                say(
                    f"data.cache=ram would take {total / 1e9:.1f} GB, but {free / 1e9:.1f} GB are free: files are "
                    "decoded again each time they are asked for; data.cache=disk decodes them once"
                )
            else:
                self.pixels = torch.empty(total, dtype=torch.uint8)
                self._fill(self.pixels)
        elif kind == "disk":
            self.pixels = pixel_file.opened(cache_folder() / f"{self._key(version)}.pixels", self.starts, self._fill)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor | None]:
        if self.pixels is None:
            image, labels = self.decode(self.pairs[index])
            return torch.from_numpy(image), None if labels is None else torch.from_numpy(labels)
        (height, width), area = self.sizes[index], self.sizes[index][0] * self.sizes[index][1]
        kept = self.pixels[self.starts[index] : self.starts[index + 1]]
        pixels = kept[: self.dtype.itemsize * self.channels * area].view(self.dtype).view(self.channels, height, width)
        if self.pairs[index].mask is None:
            return pixels, None
        taken = self._image_bytes(area)
        truth = kept[taken : taken + self.truth.itemsize * (self.planes or 1) * area].view(self.truth)
        return pixels, truth.view(height, width) if self.planes is None else truth.view(self.planes, height, width)

    def _image_bytes(self, area: int) -> int:
        """Bytes of an image and what follows it up to where the numbers beside it may begin."""
        size = self.dtype.itemsize * self.channels * area
        return size + -size % self.truth.itemsize

    def _fill(self, pixels: Tensor) -> None:
        def one(index: int) -> None:
            image, mask = self.decode(self.pairs[index])
            start = self.starts[index]
            parts = [(start, image)]
            if mask is not None:
                parts.append((start + self._image_bytes(mask.size // (self.planes or 1)), mask))
            for at, part in parts:
                stored = part.ravel().view(np.uint8)
                pixels[at : at + len(stored)].numpy()[:] = stored

        for _ in in_threads(one, range(len(self.pairs)), "Decoding"):
            pass

    def _key(self, version: str) -> str:
        """What tells these pixels from others: files by place, size and when they were last changed in any way."""
        files = [path for pair in self.pairs for path in pair.files]
        states = ((path, path.stat()) for path in files)
        state = [(os.fsencode(p.resolve()).hex(), s.st_size, s.st_mtime_ns, s.st_ctime_ns) for p, s in states]
        return hashlib.sha256(json.dumps([FORMAT, version, state, self.sizes]).encode()).hexdigest()[:24]


def cache_folder() -> Path:
    """Where decoded pixels are kept: $XDG_CACHE_HOME/evenly, by default ~/.cache/evenly. Anything in it may go."""
    path = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "evenly")
    path.mkdir(parents=True, exist_ok=True)
    return path
