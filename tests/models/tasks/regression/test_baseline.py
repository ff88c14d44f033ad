"""The table from colour to mean value, against a loop."""

import math
from collections import defaultdict

import pytest
import torch

from models.tasks.regression.baseline import sums_by_code, table_scores


def test_each_colour_gets_the_mean_of_its_training_values_and_a_new_one_that_of_all() -> None:
    random = torch.Generator().manual_seed(0)

    def batch(levels: int) -> dict[str, torch.Tensor]:
        image = torch.randint(0, levels, (2, 3, 6, 6), generator=random, dtype=torch.uint8) * 16
        return {"image": image, "target": 100 * torch.rand(2, 6, 6, generator=random)}

    train, test = [batch(2), batch(2)], [batch(3)]
    train[0]["target"][0, 0] = math.nan
    test[0]["target"][1, 2] = math.nan
    values = defaultdict(list)

    def pixels(part: dict[str, torch.Tensor]) -> list[tuple[tuple[int, ...], float]]:
        colours = part["image"].movedim(1, -1).reshape(-1, 3).tolist()
        return [(tuple(c), v) for c, v in zip(colours, part["target"].flatten().tolist(), strict=True) if v == v]

    for part in train:
        for colour, value in pixels(part):
            values[colour].append(value)
    every = [value for several in values.values() for value in several]
    errors = []
    for colour, value in pixels(test[0]):
        known = values.get(colour, every)
        errors.append(sum(known) / len(known) - value)
    found = table_scores(sums_by_code(train, lambda x: x, 3), test, lambda x: x).compute()
    assert any(colour not in values for colour, _ in pixels(test[0]))
    assert found["rmse"] == pytest.approx(math.sqrt(sum(e * e for e in errors) / len(errors)), rel=1e-5)
    assert found["mae"] == pytest.approx(sum(map(abs, errors)) / len(errors), rel=1e-5)
