"""One entry of a zoo: a folder of weights, configuration, card and preview, read as data and checked."""

import hashlib
import os
import shutil
from pathlib import Path

import safetensors
import safetensors.torch

from models.trained.configuration import check
from models.trained.saved import Saved, Trained
from models.zoo import index
from models.zoo.index import FILES, Entry, File
from models.zoo.plain_file import contents, held
from plumbing import plain_yaml


def stored(folder: Path, name: str, file: File | None) -> bytes:
    """The bytes of one file of an entry, of the size and checksum that the index gives where it is in one.

    What is checked is what is used: the file is not opened a second time. Raises ValueError.
    """
    path = folder / name
    if folder.is_symlink():
        raise ValueError(f"{folder} is a symbolic link; a zoo holds plain files and folders only")
    try:
        found = contents(path, FILES[name])
    except (FileNotFoundError, NotADirectoryError):
        raise ValueError(f"{folder} is no entry of a zoo: it holds no {name}") from None
    if file is not None and (len(found), hashlib.sha256(found).hexdigest()) != (file.size, file.sha256):
        raise ValueError(
            f"{path} is not the file that the index describes: its size or SHA-256 differs; fetch it again"
        )
    return found


def measured(folder: Path, without: str = "") -> dict[str, File]:
    """Size and checksum of each file of an entry, but of the one called `without`."""
    contents = {name: stored(folder, name, None) for name in FILES if name != without}
    return {name: File(len(found), hashlib.sha256(found).hexdigest()) for name, found in contents.items()}


def read(folder: Path, entry: Entry | None) -> Saved:
    """What an entry's folder holds; `entry` is what an index says of it. Every file is checked against that.

    Raises ValueError, in one sentence, for what is missing, altered, or no plain data.
    """
    files = {name: stored(folder, name, entry.files[name] if entry else None) for name in FILES}
    config = plain_yaml.parse(files["config.yaml"], str(folder / "config.yaml"))
    check(config)
    try:
        weights = safetensors.torch.load(files["model.safetensors"])
    except safetensors.SafetensorError as error:
        raise ValueError(f"{folder / 'model.safetensors'} is no whole safetensors file ({error})") from None
    return Saved(config, weights)


def read_folder(folder: Path) -> Saved:
    """`read` by path, checked against the index beside the folder where that lists it."""
    folder = Path(os.path.abspath(folder))
    return read(folder, index.read(folder.parent).get(folder.name))


def read_named(name: str, zoo: str | Path | None = None) -> Saved:
    """`read` by name, always against the index of the zoo (None: the user's, or else this project's).

    Raises ValueError, naming what is near, for an unknown name.
    """
    zoo, entry = index.find(name, zoo)
    return read(zoo / name, entry)


def load(name: str, zoo: str | Path | None = None) -> Trained:
    """The trained network of a name, ready to use, on the CPU; see `models.trained.saved.Trained`."""
    return Trained(read_named(name, zoo))


def install(staged: Path, zoo: Path, name: str, entry: Entry) -> None:
    """Move a whole entry to its place in a zoo, instead of the one that was there, and into the index."""
    final, old = zoo / name, zoo / f".{name}.old"
    with held(zoo):  # two that install at once would each write an index without the other's entry
        entries = index.read(zoo) | {name: entry}
        shutil.rmtree(old, ignore_errors=True)
        if final.exists():
            os.replace(final, old)
        os.replace(staged, final)
        index.write(zoo, entries)
        shutil.rmtree(old, ignore_errors=True)
