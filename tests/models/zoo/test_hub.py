"""Hubs: folders, a local HTTP server that can break off, and a local stand-in for the Hugging Face hub."""

import base64
import hashlib
import json
import re
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from models.zoo import entry, hub, index


class Server(SimpleHTTPRequestHandler):
    """A folder over HTTP, with ranges; `server.breaks` bytes into the weights, the connection is cut, once."""

    def do_GET(self) -> None:
        path = Path(self.translate_path(self.path))
        if not path.is_file():
            self.send_error(404)
            return
        content, start = path.read_bytes(), 0
        if asked := self.headers["Range"]:
            self.server.ranges.append(asked)
            start = int(asked.removeprefix("bytes=").partition("-")[0])
            if start >= len(content):
                self.send_error(416)
                return
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        cut = len(content)
        if path.suffix == ".safetensors" and self.server.breaks:
            cut, self.server.breaks = self.server.breaks, None
        self.wfile.write(content[start : start + cut])

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def serve(zoo: Path) -> Iterator[ThreadingHTTPServer]:
    """The zoo over HTTP."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Server, directory=str(zoo)))
    server.breaks, server.ranges = None, []
    server.url = f"http://127.0.0.1:{server.server_address[1]}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def same(one: Path, other: Path) -> bool:
    names = {path.name for path in one.iterdir()}
    return names == set(index.FILES) and all((one / n).read_bytes() == (other / n).read_bytes() for n in names)


def test_an_entry_goes_to_a_folder_and_comes_back_from_it(zoo: Path, tmp_path: Path) -> None:
    there, mine = tmp_path / "my hub", tmp_path / "mine"
    hub.push("small", there.as_uri(), zoo)
    hub.pull("small", there.as_uri(), mine)
    assert same(mine / "small", zoo / "small")
    assert index.read(mine) == index.read(zoo)
    assert {path.name for path in mine.iterdir()} == {"small", "index.yaml"}
    net = entry.load("small", mine)
    assert (net.upsampler, net.classes) == ("dilated_deconv", ["ocean", "land", "lake"])


def test_an_entry_is_replaced_and_its_neighbours_stay(zoo: Path, tmp_path: Path, files: Any, make_entry: Any) -> None:
    there = (tmp_path / "hub").as_uri()
    hub.push("small", there, zoo)
    make_entry(zoo, "other", files)
    make_entry(zoo, "small", files | {"card.md": b"# another card\n"})
    hub.push("other", there, zoo)
    hub.push("small", there, zoo)
    assert set(hub.fetch_index(there)) == {"small", "other"}
    assert (tmp_path / "hub" / "small" / "card.md").read_bytes() == b"# another card\n"
    assert not list((tmp_path / "hub").glob(".*"))


def test_a_broken_download_goes_on_where_it_stopped(serve: ThreadingHTTPServer, zoo: Path, tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    serve.breaks = 1000
    with pytest.raises(ValueError, match=r"small/model.safetensors of http.* broke off; the same command goes on"):
        hub.pull("small", serve.url, mine)
    assert not (mine / "small").exists()
    assert index.read(mine) == {}
    hub.pull("small", serve.url, mine)
    assert serve.ranges == ["bytes=1000-"]
    assert same(mine / "small", zoo / "small")


def test_what_a_broken_download_left_of_an_older_file_is_not_kept(
    serve: ThreadingHTTPServer, zoo: Path, tmp_path: Path
) -> None:
    staged = tmp_path / "mine" / ".small.partial"
    staged.mkdir(parents=True)
    (staged / "model.safetensors.partial").write_bytes(b"of another version")
    hub.pull("small", serve.url, tmp_path / "mine")
    assert same(tmp_path / "mine" / "small", zoo / "small")


@pytest.mark.parametrize("change", [b"x" * 5, b""])
def test_a_file_that_is_not_what_the_index_says_is_not_installed(
    serve: ThreadingHTTPServer, zoo: Path, tmp_path: Path, change: bytes
) -> None:
    """Longer by five bytes; or as long, but different."""
    path = zoo / "small" / "card.md"
    path.write_bytes(path.read_bytes() + change if change else path.read_bytes().swapcase())
    for where in (serve.url, zoo.as_uri()):
        with pytest.raises(ValueError, match=r"larger than the \d+ bytes |its size or SHA-256 differs"):
            hub.pull("small", where, tmp_path / "mine")
    assert not (tmp_path / "mine" / "small").exists()
    assert index.read(tmp_path / "mine") == {}


def test_what_a_hub_does_not_have_is_said(serve: ThreadingHTTPServer, zoo: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="has no 'large'; it has small"):
        hub.pull("large", serve.url, tmp_path)
    with pytest.raises(ValueError, match=r"nothing/index.yaml could not be fetched \(404 "):
        hub.pull("small", f"{serve.url}/nothing", tmp_path)
    with pytest.raises(ValueError, match=r"could not be fetched \(.*refused"):
        hub.pull("small", "http://127.0.0.1:1", tmp_path)
    with pytest.raises(ValueError, match=r"'ftp://x' is no hub; write hf://user/repo, "):
        hub.pull("small", "ftp://x", tmp_path)
    with pytest.raises(ValueError, match="nothing can be pushed to 'http://x'"):
        hub.push("small", "http://x", zoo)
    with pytest.raises(ValueError, match="hf://user names no repository"):
        hub.pull("small", "hf://user", tmp_path)


def test_a_link_in_a_hub_is_not_followed(zoo: Path, tmp_path: Path) -> None:
    card = zoo / "small" / "card.md"
    card.rename(tmp_path / "secret")
    card.symlink_to(tmp_path / "secret")
    with pytest.raises(ValueError, match="symbolic link"):
        hub.pull("small", zoo.as_uri(), tmp_path / "mine")


class HuggingFace(SimpleHTTPRequestHandler):
    """As much of the hub's HTTP interface as creating a repository, one commit and downloads take."""

    def answer(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for key, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(key.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path == "/api/repos/create":
            self.server.created.append(json.loads(body)["name"])
            self.answer(200, json.dumps({"url": f"{self.server.url}/me/nets"}).encode())
        elif "/preupload/" in self.path:
            paths = [file["path"] for file in json.loads(body)["files"]]
            modes = [{"path": path, "uploadMode": "regular", "shouldIgnore": False} for path in paths]
            self.answer(200, json.dumps({"files": modes}).encode())
        else:
            if self.server.between:  # what another push brings while this one is on its way
                self.server.files["index.yaml"] = self.server.between.pop()
            lines = [json.loads(line) for line in body.splitlines()]
            header = next(line["value"] for line in lines if line["key"] == "header")
            if header.get("parentCommit") != self.head():
                self.answer(412, b'{"error": "A commit has happened since. Please refresh and try again."}')
                return
            self.server.commits.append(header["summary"])
            for file in (line["value"] for line in lines if line["key"] == "file"):
                self.server.files[file["path"]] = base64.b64decode(file["content"])
            commit = {"commitUrl": f"{self.server.url}/me/nets/commit/1", "commitOid": "1" * 40, "hookOutput": ""}
            self.answer(200, json.dumps(commit).encode())

    def head(self) -> str:
        return hashlib.sha1(repr(sorted(self.server.files.items())).encode()).hexdigest()

    def do_GET(self) -> None:
        commit = self.head()
        if self.path.partition("?")[0] == "/api/models/me/nets":
            self.answer(200, json.dumps({"id": "me/nets", "sha": commit}).encode())
            return
        content = self.server.files.get(re.sub("/me/nets/resolve/[^/]+/", "", self.path))
        if content is None:
            self.answer(404, X_Error_Code="EntryNotFound")
        else:
            self.answer(200, content, ETag=f'"{hashlib.sha1(content).hexdigest()}"', X_Repo_Commit=commit)

    def do_HEAD(self) -> None:
        self.do_GET()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def hugging_face(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[ThreadingHTTPServer]:
    """A local hub to which huggingface_hub talks instead of its own."""
    constants = pytest.importorskip("huggingface_hub.constants", reason="the extra hub is not installed")
    server = ThreadingHTTPServer(("127.0.0.1", 0), HuggingFace)
    server.url, server.files = f"http://127.0.0.1:{server.server_address[1]}", {}
    server.created, server.commits, server.between = [], [], []
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setattr(constants, "ENDPOINT", server.url)
    monkeypatch.setattr(
        constants, "HUGGINGFACE_CO_URL_TEMPLATE", server.url + "/{repo_id}/resolve/{revision}/{filename}"
    )
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setenv("HF_TOKEN", "hf_" + "x" * 34)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    yield server
    server.shutdown()
    server.server_close()


def test_an_entry_goes_to_hugging_face_in_one_commit_and_comes_back(
    hugging_face: ThreadingHTTPServer, zoo: Path, tmp_path: Path
) -> None:
    hub.push("small", "hf://me/nets", zoo)
    assert hugging_face.created == ["nets"]
    assert hugging_face.commits == ["Add small"]
    assert set(hugging_face.files) == {"index.yaml", *(f"small/{name}" for name in index.FILES)}
    hub.pull("small", "hf://me/nets", tmp_path / "mine")
    assert same(tmp_path / "mine" / "small", zoo / "small")
    assert torch.is_tensor(next(entry.load("small", tmp_path / "mine").parameters()))


def test_two_who_push_to_hugging_face_at_once_both_stay_in_its_index(
    hugging_face: ThreadingHTTPServer, zoo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = index.read(zoo)["small"]
    hugging_face.between = [index.text({"theirs": line, "more": line}).encode(), index.text({"theirs": line}).encode()]
    hub.push("small", "hf://me/nets", zoo)
    assert hugging_face.commits == ["Add small"]
    assert set(index.parse(hugging_face.files["index.yaml"], "it")) == {"small", "theirs", "more"}
    monkeypatch.setattr(hub, "PUSHES", 2)
    hugging_face.between = [index.text({f"net{i}": line}).encode() for i in range(5)]
    with pytest.raises(ValueError, match=r"did not take small \(others push there all the time: 2 tries\)"):
        hub.push("small", "hf://me/nets", zoo)


def test_what_hugging_face_gives_is_checked_too(hugging_face: ThreadingHTTPServer, zoo: Path, tmp_path: Path) -> None:
    hub.push("small", "hf://me/nets", zoo)
    hugging_face.files["small/card.md"] = b"# SMALL\n"
    with pytest.raises(ValueError, match=r"card.md of hf://me/nets is not the file that its index describes"):
        hub.pull("small", "hf://me/nets", tmp_path / "mine")
    del hugging_face.files["small/card.md"]
    with pytest.raises(ValueError, match=r"hf://me/nets did not give small/card.md"):
        hub.pull("small", "hf://me/nets", tmp_path / "other")
    hugging_face.files["index.yaml"] = yaml.safe_dump({"../small": {}}).encode()
    with pytest.raises(ValueError, match="is no name of a zoo entry"):
        hub.pull("small", "hf://me/nets", tmp_path / "another")
