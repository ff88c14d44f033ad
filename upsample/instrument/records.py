"""What a metric keeps of each image, as one flat tensor: processes then exchange it at once, and one may have none."""

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor

Field = tuple[int | str, ...]  # a shape, in which "C" stands for the number of channels


def record(values: Mapping[str, Tensor], fields: Mapping[str, Field]) -> Tensor:
    """One image's values by name, laid end to end in the order of the fields: 1-D, float32."""
    return torch.cat([values[name].detach().cpu().float().flatten() for name in fields])


def numbers(shape: Field, channels: int) -> int:
    """How many numbers a field has."""
    return int(torch.Size([channels if size == "C" else int(size) for size in shape]).numel())


def read(records: Tensor, count: int, fields: Mapping[str, Field]) -> dict[str, Tensor]:
    """The values (count, ...) by name, float64 on the CPU, of `count` records laid end to end."""
    table = records.cpu().double().view(count, -1)
    alone = sum(numbers(shape, 0) if "C" in shape else numbers(shape, 1) for shape in fields.values())
    each = sum(numbers(shape, 1) for shape in fields.values() if "C" in shape)
    channels = (table.shape[1] - alone) // each

    def parts() -> Iterator[tuple[str, Tensor]]:
        begin = 0
        for name, shape in fields.items():
            end = begin + numbers(shape, channels)
            sizes = [channels if size == "C" else int(size) for size in shape]
            yield name, table[:, begin:end].reshape(count, *sizes)
            begin = end

    return dict(parts())
