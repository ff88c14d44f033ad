"""Entries to and from hubs. No archives: a hub is an index.yaml and one folder of four files for each entry."""

import hashlib
import shutil
import tempfile
from pathlib import Path
from typing import Any

from models.trained import saved
from models.zoo import entry as entries
from models.zoo import index
from models.zoo.index import FILES, MAX_INDEX, Entry, File
from models.zoo.plain_file import contents, held
from models.zoo.transfer import answered, fetch, hugging_face, local_folder, repository

PUSHES = 10  # tries at a repository that others push to as well
OVERTAKEN = (409, 412)  # what the Hugging Face hub answers to a commit that does not follow the newest one


def fetch_index(hub: str) -> index.Index:
    """The index of a hub. Raises ValueError where it has none."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "index.yaml")
        fetch(hub, "index.yaml", path, MAX_INDEX)
        return index.parse(contents(path, MAX_INDEX), f"the index of {hub}")


def fetch_checked(hub: str, path: str, to: Path, file: File) -> None:
    """Bring a file of known size and checksum to `to`, under another name until it is whole."""
    partial = to.with_name(to.name + ".partial")
    for _ in range(2):  # the first try may go on with what a broken transfer left of an older version
        before = partial.stat().st_size if partial.exists() else 0
        fetch(hub, path, partial, file.size)
        found = contents(partial, file.size)
        if (len(found), hashlib.sha256(found).hexdigest()) == (file.size, file.sha256):
            partial.replace(to)
            return
        if before < len(found) < file.size and hub.lower().startswith("http"):
            raise ValueError(f"{path} of {hub} broke off; the same command goes on where it stopped")
        partial.unlink()
        if not before:
            break
    raise ValueError(f"{path} of {hub} is not the file that its index describes: its size or SHA-256 differs")


def pull(name: str, hub: str, zoo: Path) -> Entry:
    """Bring an entry of a hub into a zoo: checked, built once, and only then put in place. Returns what it is."""
    index.check_name(name)
    there = fetch_index(hub)
    if name not in there:
        some = ", ".join(list(there)[:10]) + (f" and {len(there) - 10} more" if len(there) > 10 else "")
        raise ValueError(f"{hub} has no '{name}'; it has {some or 'nothing'}")
    wanted, staged = there[name], zoo / f".{name}.partial"
    with held(staged):  # the same entry may come twice at once
        for file, described in wanted.files.items():
            fetch_checked(hub, f"{name}/{file}", staged / file, described)
        saved.build(entries.read(staged, wanted))
        entries.install(staged, zoo, name, wanted)
    return wanted


def push(name: str, hub: str, zoo: Path) -> None:
    """Copy an entry of a zoo to a hub, file:// or hf://, and into the hub's index."""
    index.check_name(name)
    entries.read_named(name, zoo)  # refuses what is altered
    entry = index.read(zoo)[name]
    if hub.startswith("file://"):
        folder = local_folder(hub)
        folder.mkdir(parents=True, exist_ok=True)
        index.read(folder)  # where that cannot be read, nothing is copied there
        with tempfile.TemporaryDirectory(dir=folder, prefix=".") as staged:
            shutil.copytree(zoo / name, Path(staged, name))
            entries.install(Path(staged, name), folder, name, entry)
    elif hub.startswith("hf://"):
        _push_to_hugging_face(name, entry, repository(hub), zoo)
    else:
        raise ValueError(f"nothing can be pushed to '{hub}'; write hf://user/repo or file:///folder")


def _push_to_hugging_face(name: str, entry: Entry, repo: str, zoo: Path) -> None:
    """One commit of the entry's files and the index, so that nobody sees the one without the other.

    The commit names the one whose index it goes on from: where another push came between, the hub refuses it, and the
    index is read again, so that both keep their lines.
    """
    hub = hugging_face()
    api = hub.HfApi()
    files: dict[str, Path | bytes] = {f"{name}/{file}": zoo / name / file for file in FILES}
    with answered(f"hf://{repo} did not take {name}"):
        api.create_repo(repo, exist_ok=True)
        for _ in range(PUSHES):
            before = api.repo_info(repo).sha
            files["index.yaml"] = index.text(_index_at(api, repo, before) | {name: entry}).encode()
            operations = [hub.CommitOperationAdd(path, source) for path, source in files.items()]
            try:
                api.create_commit(repo, operations, commit_message=f"Add {name}", parent_commit=before)
            except hub.errors.HfHubHTTPError as error:
                if error.response.status_code not in OVERTAKEN:
                    raise
                continue
            return
        raise ValueError(f"others push there all the time: {PUSHES} tries")


def _index_at(api: Any, repo: str, commit: str) -> index.Index:
    """The index of a repository as one commit has it; an empty one where there is none."""
    if not api.file_exists(repo, "index.yaml", revision=commit):
        return {}
    path = Path(api.hf_hub_download(repo, "index.yaml", revision=commit)).resolve()
    return index.parse(contents(path, MAX_INDEX), f"the index of hf://{repo}")
