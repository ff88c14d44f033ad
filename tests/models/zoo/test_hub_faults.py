"""Hubs that fail or mean harm: each is refused in one printable sentence, in bounded time, and nothing is installed."""

import os
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from models.zoo import entry, hub, index, transfer
from models.zoo.index import Entry
from models.zoo.plain_file import held

OK = b"HTTP/1.1 200 OK\r\n"
DRIP = 0.02  # seconds between bytes


class Scripted(threading.Thread):
    """A server that answers every request with the same bytes, at once or one by one, and closes."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listening.getsockname()[1]}"
        self.start_, self.drip, self.silent, self.reset = b"", b"", False, False
        self.stopped = threading.Event()

    def run(self) -> None:
        while not self.stopped.is_set():
            try:
                connection, _ = self.listening.accept()
            except OSError:
                return
            threading.Thread(target=self.answer, args=(connection,), daemon=True).start()

    def answer(self, connection: socket.socket) -> None:
        with connection:
            try:
                connection.recv(65536)
                connection.sendall(self.start_.replace(b"HERE", self.url.encode()))
                while self.drip and not self.stopped.is_set():
                    connection.sendall(self.drip)
                    time.sleep(DRIP)
                if self.silent:
                    self.stopped.wait(5)
                if self.reset:
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            except OSError:
                pass


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Scripted]:
    """With half a second of patience."""
    monkeypatch.setattr(transfer, "GRACE", 0.5)
    made = Scripted()
    made.start()
    yield made
    made.stopped.set()
    made.listening.close()


def refused(what: Callable[[], object]) -> str:
    """The sentence with which something is refused, within three seconds."""
    began = time.monotonic()
    with pytest.raises(ValueError) as error:  # noqa: PT011  # the sentence is what is returned
        what()
    assert time.monotonic() - began < 3
    assert type(error.value) is ValueError  # no UnicodeError or such: those say nothing of the hub
    sentence = str(error.value)
    assert sentence.isprintable()
    assert len(sentence) < 500
    return sentence


def moved(place: bytes, code: bytes = b"302 Found") -> bytes:
    return b"HTTP/1.1 %b\r\nLocation: %b\r\nContent-Length: 0\r\n\r\n" % (code, place)


ANSWERS: dict[str, bytes] = {
    "nothing": b"",
    "no HTTP": b"garbage\r\n\r\n",
    "a protocol alone": b"HTTP/1.1\r\n\r\n",
    "another protocol": b"HTTP/9.9 200 OK\r\n\r\n",
    "a status that is no number": b"HTTP/1.1 abc OK\r\n\r\n",
    "a status below all": b"HTTP/1.1 099 OK\r\n\r\n",
    "a status beyond all": b"HTTP/1.1 1000 OK\r\n\r\n",
    "binary": bytes(range(256)) * 10,
    "a long status line": b"HTTP/1.1 200 " + b"x" * 70_000 + b"\r\n\r\n",
    "a long header": OK + b"A: " + b"x" * 70_000 + b"\r\n\r\n",
    "many headers": OK + b"A: b\r\n" * 200 + b"\r\n",
    "headers of escape codes": OK + b"A\x1b[2J: \x1b]0;owned\x07\r\n\r\n",
    "less than announced": OK + b"Content-Length: 100\r\n\r\nabc",
    "more than allowed": OK + b"Content-Length: 1000000000000000\r\n\r\nabc",
    "a negative length": OK + b"Content-Length: -5\r\n\r\nabc",
    "a length of words": OK + b"Content-Length: many\r\n\r\nabc",
    "two lengths": OK + b"Content-Length: 3\r\nContent-Length: 300000000\r\n\r\nabc",
    "chunks without size": OK + b"Transfer-Encoding: chunked\r\n\r\nzz\r\nabc",
    "a chunk cut short": OK + b"Transfer-Encoding: chunked\r\n\r\nff\r\nabc",
    "a negative chunk": OK + b"Transfer-Encoding: chunked\r\n\r\n-5\r\nabc",
    "a chunk beyond all": OK + b"Transfer-Encoding: chunked\r\n\r\n" + b"f" * 30 + b"\r\nabc",
    "a chunk size without end": OK + b"Transfer-Encoding: chunked\r\n\r\n" + b"0" * 100_000,
    "compressed": OK + b"Content-Encoding: gzip\r\nContent-Length: 4\r\n\r\n\x1f\x8b\x08\x00",
    "a page": OK + b"Content-Type: text/html\r\nContent-Length: 20\r\n\r\n<html>[1, 2}</html>\n",
    "zeros": OK + b"Content-Length: 1000\r\n\r\n" + bytes(1000),
    "no index": OK + b"Content-Length: 6\r\n\r\n[1, 2]",
    "an index of escape codes": OK + b"Content-Length: 19\r\n\r\n\"\\e]0;owned\\a\": {}  \n",
    "an index of paths": OK + b"Content-Length: 10\r\n\r\n../x: {} \n",
    "partial content unasked": b"HTTP/1.1 206 Partial\r\nContent-Range: bytes 5-9/10\r\nContent-Length: 5\r\n\r\nabcde",
    "no content": b"HTTP/1.1 204 No Content\r\n\r\n",
    "reset content": b"HTTP/1.1 205 Reset\r\nContent-Length: 0\r\n\r\n",
    **{f"status {code.decode()}": b"HTTP/1.1 %b Nope\r\nContent-Length: 0\r\n\r\n" % code
       for code in (b"300", b"304", b"400", b"401", b"403", b"404", b"407", b"410", b"416", b"418", b"429", b"500",
                    b"503", b"999")},
    "a reason of escape codes": b"HTTP/1.1 404 \x1b]0;owned\x07\x1b[2J\r\nContent-Length: 0\r\n\r\n",
    "moved to a file": moved(b"file:///etc/passwd"),
    "moved to ftp": moved(b"ftp://127.0.0.1/x", b"301 Moved"),
    "moved to data": moved(b"data:text/plain,x", b"307 Temporary"),
    "moved to a script": moved(b"javascript:alert(1)", b"308 Permanent"),
    "moved to escape codes": moved(b"\x1b]0;owned\x07://x"),
    "moved in a circle": moved(b"HERE/index.yaml"),
    "moved without a place": b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n",
    "moved to a bad address": moved(b"http://[::1"),
    "moved to a bad port": moved(b"http://127.0.0.1:99999/"),
    "moved to no host": moved(b"http:///x"),
}  # fmt: skip


@pytest.mark.parametrize("answer", ANSWERS)
def test_what_a_server_answers(answer: str, server: Scripted, tmp_path: Path) -> None:
    server.start_ = ANSWERS[answer]
    refused(lambda: hub.pull("small", server.url, tmp_path / "mine"))
    assert not (tmp_path / "mine").exists()


SLOW: dict[str, tuple[bytes, bytes]] = {
    "silence": (b"", b""),
    "silence after the headers": (OK + b"Content-Length: 10\r\n\r\n", b""),
    "a status line in drips": (b"", b"H"),
    "headers in drips": (OK + b"A: ", b"x"),
    "headers without end": (OK, b"A: b\r\n"),
    "a body in drips": (OK + b"Content-Length: 4000000\r\n\r\n", b"x"),
    "chunks in drips": (OK + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"),
    "a chunk size in drips": (OK + b"Transfer-Encoding: chunked\r\n\r\n", b"0"),
    "continue, without end": (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
}


@pytest.mark.parametrize("how", SLOW)
def test_a_server_that_takes_its_time(how: str, server: Scripted, tmp_path: Path) -> None:
    server.start_, server.drip = SLOW[how]
    server.silent = True
    assert "could not be fetched (" in refused(lambda: hub.pull("small", server.url, tmp_path / "mine"))


def test_a_body_without_end_stops_at_its_limit(server: Scripted, tmp_path: Path) -> None:
    server.start_, server.drip = OK + b"\r\n", b"x" * 2**20
    sentence = refused(lambda: transfer.fetch(server.url, "a", tmp_path / "a", 2**22))
    assert "larger than the 4,194,304 bytes" in sentence
    assert (tmp_path / "a").stat().st_size <= 2**22


def test_a_connection_that_is_reset(server: Scripted, tmp_path: Path) -> None:
    server.reset = True
    refused(lambda: hub.pull("small", server.url, tmp_path / "mine"))


def test_a_server_without_encryption_asked_for_it(server: Scripted, tmp_path: Path) -> None:
    server.start_ = b"HTTP/1.1 400 Bad Request\r\n\r\n"
    refused(lambda: hub.pull("small", server.url.replace("http", "https"), tmp_path / "mine"))


@pytest.mark.parametrize("url", [
    "", "x", "http:", "http://", "http:///", "http:///x", "http://[", "http://[::1", "http://127.0.0.1:port",
    "http://127.0.0.1:99999", "http://127.0.0.1:-1", "http://a b/", "http://a\nb", "http://\x00", "http://\x1b[2J",
    "http://.", "http://..", "http://" + "a" * 300, "http://ä" + "ö" * 70 + ".invalid", "http://127.0.0.1:1/?a=b",
    "http://127.0.0.1:1/#a", "HTTP://127.0.0.1:1", "ftp://127.0.0.1", "data:text/plain,x", "javascript:x",
    "file:", "file://", "file://elsewhere/x", "file:relative", "file:///nothing\x00here", "file://[", "hf://", "hf://a",
    "hf://a/b/c", "hf:///", "FILE:///nowhere",
])  # fmt: skip
def test_an_address_that_is_none(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transfer, "GRACE", 0.5)
    with pytest.raises(ValueError):  # noqa: PT011  # any sentence; the command makes it printable
        hub.pull("small", url, tmp_path / "mine")
    assert not (tmp_path / "mine").exists()


def sparse(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(2**40)


def bound(path: Path) -> None:
    os.chdir(path.parent)  # a socket's address is short
    socket.socket(socket.AF_UNIX).bind(path.name)


STRANGE: dict[str, Callable[[Path], object]] = {
    "a pipe": os.mkfifo,
    "a link to a device": lambda path: path.symlink_to("/dev/zero"),
    "a link to a file": lambda path: path.symlink_to("/etc/passwd"),
    "a link to itself": lambda path: path.symlink_to(path),
    "a link to nothing": lambda path: path.symlink_to("nothing"),
    "a folder": Path.mkdir,
    "a terabyte": sparse,
    "a socket": bound,
}


@pytest.mark.parametrize("what", STRANGE)
@pytest.mark.parametrize("name", ["index.yaml", "small/model.safetensors"])
def test_what_lies_in_the_place_of_a_file(
    what: str, name: str, zoo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (zoo / name).unlink()
    STRANGE[what](zoo / name)
    for work in (lambda: hub.pull("small", zoo.as_uri(), tmp_path / "mine"), lambda: entry.load("small", zoo)):
        began = time.monotonic()
        with pytest.raises((ValueError, OSError)):
            work()
        assert time.monotonic() - began < 3
    assert not (tmp_path / "mine/small").exists()


def in_processes(count: int, work: Callable[[int], object]) -> None:
    """Do something in several forks of this process at once."""
    children = []
    for number in range(count):
        child = os.fork()
        if not child:
            try:
                work(number)
                os._exit(0)
            except BaseException:
                os._exit(1)
        children.append(child)
    assert all(os.waitpid(child, 0)[1] == 0 for child in children)


def test_installers_at_once_keep_all_names(zoo: Path, files: dict[str, bytes], tmp_path: Path) -> None:
    described = index.read(zoo)["small"]

    def install(number: int) -> None:
        for i in range(5):
            staged = zoo / f".{number}-{i}.partial"
            staged.mkdir()
            (staged / "card.md").write_bytes(b"x")
            made = Entry("segmentation", f"by {number}", {}, described.files)
            entry.install(staged, zoo, f"net-{number}-{i}", made)
            entry_of_all = zoo / ".all.partial"
            with held(entry_of_all):
                (entry_of_all / "card.md").write_bytes(b"x")
                entry.install(entry_of_all, zoo, "of-all", made)

    in_processes(4, install)
    found = yaml.safe_load((zoo / "index.yaml").read_text())
    assert set(found) == {"small", "of-all", *(f"net-{number}-{i}" for number in range(4) for i in range(5))}
    assert {path.name for path in zoo.iterdir()} == {*found, "index.yaml"}
