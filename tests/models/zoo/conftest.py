"""A zoo of one small entry."""

from collections.abc import Callable
from pathlib import Path

import pytest
import safetensors.torch
import torch
import yaml

from models.trained import checkpoint
from models.training.task import Task
from models.zoo import entry, index
from models.zoo.from_run import as_used
from models.zoo.index import Entry


def write(zoo: Path, name: str, files: dict[str, bytes]) -> Path:
    """An entry of any four files, and an index that describes them."""
    folder = zoo / name
    folder.mkdir(parents=True, exist_ok=True)
    for key, content in files.items():
        (folder / key).write_bytes(content)
    made = Entry("segmentation", "dilated_deconv", {"test/miou": 0.5}, entry.measured(folder))
    index.write(zoo, index.read(zoo) | {name: made})
    return folder


@pytest.fixture(scope="session")
def files(saved_run: Callable[..., tuple[Task, Path]]) -> dict[str, bytes]:
    """The four files of a small U-Net."""
    stored = checkpoint.read(saved_run("segmentation")[1])
    return {
        "model.safetensors": safetensors.torch.save(as_used(stored, half=False).weights),
        "config.yaml": yaml.safe_dump(stored.config).encode(),
        "card.md": b"# small\n",
        "preview.png": b"a picture",
    }


@pytest.fixture
def make_entry() -> Callable[[Path, str, dict[str, bytes]], Path]:
    return write


@pytest.fixture
def zoo(tmp_path: Path, files: dict[str, bytes]) -> Path:
    """A zoo with the entry `small`."""
    torch.manual_seed(0)
    write(tmp_path / "zoo", "small", files)
    return tmp_path / "zoo"
