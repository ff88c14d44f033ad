"""Files from a hub: hf://user/repo through huggingface_hub, file:///folder, or http(s):// of any server of files."""

import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import Empty, Queue
from threading import Thread
from types import ModuleType
from typing import IO, Any
from urllib.parse import quote, urlsplit
from urllib.request import url2pathname

from models.zoo.plain_file import contents
from plumbing.messages import needs, printable

CHUNK = 2**20  # bytes
GRACE = 30  # seconds that a server may be silent, and that it may be late by
SLOWEST = 10_000  # bytes a second, on average, that it must give else


def local_folder(hub: str) -> Path:
    """The folder of a file:// hub."""
    try:
        parts = urlsplit(hub)
    except ValueError as error:
        raise ValueError(f"{hub} names no folder of this machine ({error}); write file:///path/to/folder") from None
    if parts.netloc not in ("", "localhost") or not parts.path or "\0" in url2pathname(parts.path):
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
    Raises ValueError, in one sentence, for what the hub does not have or where it cannot be reached, or takes longer
    than GRACE and a time for each byte.
    """
    scheme = hub.partition("://")[0].lower()
    if scheme == "file":
        _copy(local_folder(hub) / path, to, limit, hub)
    elif scheme in ("http", "https"):
        if "?" in hub or "#" in hub:
            raise ValueError(f"{hub} names no folder of a server; write http://server/folder without ? and #")
        _download(f"{hub.rstrip('/')}/{quote(path)}", to, limit)
    elif scheme == "hf":
        _copy(_from_hugging_face(repository(hub), path), to, limit, hub)
    else:
        raise ValueError(f"'{hub}' is no hub; write hf://user/repo, file:///folder or http://server/folder")


def _copy(source: Path, to: Path, limit: int, hub: str) -> None:
    if hub.startswith("file:") and source.parent.is_symlink():
        raise ValueError(f"{source} lies behind a symbolic link; a hub holds plain files only")
    try:
        to.write_bytes(contents(source, limit))
    except (FileNotFoundError, NotADirectoryError):
        raise ValueError(f"{hub} has no {source.name} ({source})") from None


@contextmanager
def answered(refusal: str) -> Iterator[None]:
    """Whatever talking to a server raises becomes a sentence: urllib, http.client and huggingface_hub raise exceptions
    of many kinds, also for what a server says that makes no sense."""
    try:
        yield
    except Exception as error:
        if isinstance(error, urllib.error.HTTPError):
            cause = f"{error.code} {error.reason}"
        else:
            cause = str(getattr(error, "reason", None) or error).strip().partition("\n")[0] or type(error).__name__
        raise ValueError(f"{refusal} ({printable(cause)})") from None


class _ToWebsites(urllib.request.HTTPRedirectHandler):
    """Follows a server that names another place, but only to another server of files: not to ftp:// or file://."""

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: Any, newurl: str
    ) -> urllib.request.Request | None:
        if urlsplit(newurl).scheme not in ("http", "https"):
            raise ValueError(f"it names another place, {printable(newurl, 80)}, that is no http:// or https://")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


_openers = (urllib.request.ProxyHandler, urllib.request.HTTPHandler, urllib.request.HTTPSHandler, _ToWebsites,
            urllib.request.HTTPDefaultErrorHandler, urllib.request.HTTPErrorProcessor)  # fmt: skip


def _receive(url: str, have: int, limit: int, pieces: "Queue[Any]") -> None:
    """Put what a server gives into a queue: whether it goes on where `have` bytes ended, then bytes, b"" or an error at
    the end."""
    try:
        opener = urllib.request.OpenerDirector()
        for handler in _openers:
            opener.add_handler(handler())
        request = urllib.request.Request(url, headers={"Range": f"bytes={have}-"} if have else {})
        with opener.open(request, timeout=GRACE) as answer:
            resumed = bool(have) and answer.status == 206
            if answer.length is not None and answer.length + (have if resumed else 0) > limit:
                raise ValueError(f"larger than the {limit:,} bytes it should have")
            pieces.put(resumed)
            while piece := answer.read1(CHUNK):
                pieces.put(piece)
        pieces.put(b"")
    except Exception as error:
        pieces.put(error)


def _download(url: str, to: Path, limit: int) -> None:
    """The server talks to a thread, so that one that gives a byte now and then, be it of a header, is waited for no
    longer than this says."""
    have, got, began = to.stat().st_size if to.exists() else 0, 0, time.monotonic()
    pieces: Queue[Any] = Queue(4)
    Thread(target=_receive, args=(url, have, limit, pieces), daemon=True).start()

    def following() -> Any:
        patience = GRACE + got / SLOWEST - (time.monotonic() - began)
        try:
            piece = pieces.get(timeout=max(patience, 0.001))
        except Empty:
            raise ValueError(
                f"{url} could not be fetched (it gave {got:,} bytes in {time.monotonic() - began:.0f} s); the same "
                "command goes on where it stopped"
            ) from None
        if isinstance(piece, urllib.error.HTTPError) and piece.code == 416 and have:
            return b""  # all of it is here already; the checksum will tell
        if isinstance(piece, Exception):
            with answered(f"{url} could not be fetched"):
                raise piece
        return piece

    resumed = following()
    if resumed == b"":
        return
    with to.open("ab" if resumed else "wb") as file:
        while piece := following():
            got += len(piece)
            if file.tell() + len(piece) > limit:
                raise ValueError(f"{url} is larger than the {limit:,} bytes it should have")
            file.write(piece)


def _from_hugging_face(repo: str, path: str) -> Path:
    """Where huggingface_hub keeps the file, after its own resumable download."""
    hub = hugging_face()
    with answered(f"hf://{repo} did not give {path}"):
        return Path(hub.HfApi().hf_hub_download(repo, path)).resolve()


def hugging_face() -> ModuleType:
    """The package huggingface_hub, an optional extra. Raises ValueError where it is missing."""
    try:
        import huggingface_hub
        import huggingface_hub.errors
    except ImportError:
        raise ValueError(needs("hf://", "hub", "huggingface_hub")) from None
    return huggingface_hub
