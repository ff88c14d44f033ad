"""Files from a hub: hf://user/repo through huggingface_hub, file:///folder, or http(s):// of any server of files."""

import shutil
import urllib.error
import urllib.request
from pathlib import Path
from types import ModuleType
from urllib.parse import quote, urlsplit
from urllib.request import url2pathname

CHUNK = 2**20  # bytes
TIMEOUT = 30  # seconds without a byte


def local_folder(hub: str) -> Path:
    """The folder of a file:// hub."""
    parts = urlsplit(hub)
    if parts.netloc not in ("", "localhost") or not parts.path:
        raise ValueError(f"{hub} names no folder of this machine; write file:///path/to/folder")
    return Path(url2pathname(parts.path))


def repository(hub: str) -> str:
    """user/repo of an hf:// hub."""
    user, _, repo = hub.removeprefix("hf://").partition("/")
    if not user or not repo or "/" in repo:
        raise ValueError(f"{hub} names no repository; write hf://user/repo")
    return f"{user}/{repo}"


def fetch(hub: str, path: str, to: Path, limit: int) -> None:
    """Bring the hub's file `path` to `to`, at most `limit` bytes of it.

    What `to` already holds, from a transfer that broke off, is not asked for again where the hub can resume.
    Raises ValueError, in one sentence, for what the hub does not have or where it cannot be reached.
    """
    scheme = hub.partition("://")[0]
    if scheme == "file":
        _copy(local_folder(hub) / path, to, limit, hub)
    elif scheme in ("http", "https"):
        _download(f"{hub.rstrip('/')}/{quote(path)}", to, limit)
    elif scheme == "hf":
        _copy(_from_hugging_face(repository(hub), path), to, limit, hub)
    else:
        raise ValueError(f"'{hub}' is no hub; write hf://user/repo, file:///folder or http://server/folder")


def _copy(source: Path, to: Path, limit: int, hub: str) -> None:
    if hub.startswith("file:") and (source.is_symlink() or source.parent.is_symlink()):
        raise ValueError(f"{source} is or lies behind a symbolic link; a hub holds plain files only")
    if not source.is_file():
        raise ValueError(f"{hub} has no {source.name} ({source})")
    if source.stat().st_size > limit:
        raise ValueError(f"{source} of {hub} is larger than the {limit:,} bytes it should have")
    shutil.copyfile(source, to)


def _download(url: str, to: Path, limit: int) -> None:
    have = to.stat().st_size if to.exists() else 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={have}-"} if have else {})
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT) as answer:
            resumed = have and answer.status == 206
            with to.open("ab" if resumed else "wb") as file:
                while chunk := answer.read(CHUNK):
                    if file.tell() + len(chunk) > limit:
                        raise ValueError(f"{url} is larger than the {limit:,} bytes it should have")
                    file.write(chunk)
    except urllib.error.HTTPError as error:
        if error.code != 416:  # all of it is here already; the checksum will tell
            raise ValueError(f"{url} could not be fetched ({error.code} {error.reason})") from None
    except (urllib.error.URLError, OSError) as error:
        cause = getattr(error, "reason", None) or error
        raise ValueError(f"{url} could not be fetched ({cause}); the same command goes on where it stopped") from None


def _from_hugging_face(repo: str, path: str) -> Path:
    """Where huggingface_hub keeps the file, after its own resumable download."""
    hub = hugging_face()
    try:
        return Path(hub.HfApi().hf_hub_download(repo, path)).resolve()
    except (hub.errors.HfHubHTTPError, hub.errors.EntryNotFoundError, OSError, ValueError) as error:
        raise ValueError(f"hf://{repo} did not give {path} ({str(error).partition(chr(10))[0]})") from None


def hugging_face() -> ModuleType:
    """The package huggingface_hub, an optional extra. Raises ValueError where it is missing."""
    try:
        import huggingface_hub
        import huggingface_hub.errors
    except ImportError:
        raise ValueError(
            "hf:// needs huggingface_hub, which is not installed: uv run --extra hub python -m models.zoo ..., "
            "or pip install -e .[hub]"
        ) from None
    return huggingface_hub
