"""Records of images, laid end to end and read again."""

import torch

from upsample.instrument.records import read, record


def test_values_come_back_by_name_whatever_the_channels() -> None:
    fields = {"level": ("C",), "table": (2, "C", 3), "flag": (1,)}
    for channels in (1, 5):
        images = [
            {"level": torch.randn(channels), "table": torch.randn(2, channels, 3), "flag": torch.tensor(number > 1)}
            for number in range(4)
        ]
        found = read(torch.cat([record(image, fields) for image in images]), 4, fields)
        for name, shape in (("level", (4, channels)), ("table", (4, 2, channels, 3)), ("flag", (4, 1))):
            expected = torch.stack([image[name] for image in images]).double().reshape(shape)
            torch.testing.assert_close(found[name], expected)
