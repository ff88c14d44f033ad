"""The page and what answers it, by Python's own server: no package, no other host, nothing kept.

Gradio would bring some forty packages, asks other hosts for scripts and fonts, and holds Pillow below the release that
this project is known to work with.
"""

import json
import tempfile
import threading
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from numpy.typing import NDArray
from PIL import Image

from plumbing.messages import MAX_SENTENCE, printable, say
from study.pages import encoded, own, words

HERE = Path(__file__).parent
HOST = "127.0.0.1"
MOST_BYTES = 64 * 2**20  # of an image
STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; margin: 1.5em auto; max-width: 1240px; padding: 0 1em;
  color-scheme: light dark; background: Canvas; color: CanvasText }
h1 { font-size: 1.5em; line-height: 1.25 }
#drop { display: block; border: 2px dashed #8888; border-radius: 8px; padding: 2em 1em; text-align: center;
  cursor: pointer }
#drop.over, #drop:focus-within { border-color: #0072b2 }
input, button { font: inherit }
#pictures { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 320px), 1fr)); gap: 1em }
figure { margin: 0 }
img { max-width: 100%; display: block }
#pictures img { width: 100%; image-rendering: pixelated }
#patches { overflow-x: auto }
#patches img { min-width: 760px }
:focus-visible { outline: 3px solid #0072b2; outline-offset: 2px }
#drop:focus-within { border-style: solid }
dt { font-weight: 600 }
dd { margin: 0 0 .4em 1.2em }
@media (prefers-color-scheme: dark) { #patches img { filter: brightness(.8) } }
.error { border-left: 4px solid #d55e00; padding-left: .7em }
.legend span { margin-right: 1em; white-space: nowrap }
"""
SCRIPT = """
const at = id => document.getElementById(id), state = at("state");
const add = (parent, name, text) => { const made = document.createElement(name); made.textContent = text;
  parent.append(made); return made; };
async function ask(address, body) {
  state.className = ""; state.textContent = "Working ...";
  for (const id of ["sentences", "pictures", "patches"]) at(id).replaceChildren();
  try {
    const answer = await fetch(address, { method: "POST", body });
    const seen = await answer.json();
    if (seen.error) throw new Error(seen.error);
    for (const [title, text] of Object.entries(seen.sentences)) add(at("sentences"), "p", `${title}: ${text}`);
    for (const [title, address] of Object.entries(seen.pictures)) {
      const figure = add(at("pictures"), "figure", "");
      const image = add(figure, "img", ""); image.src = address; image.alt = title;
      add(figure, "figcaption", title);
    }
    if (seen.patches) { const image = add(at("patches"), "img", ""); image.src = seen.patches;
      image.alt = "a part of the output magnified, and what the grid adds to it"; }
    state.textContent = seen.patches ? "" : "The image is too small to show what the grid adds.";
  } catch (error) { state.className = "error"; state.textContent = error.message; }
}
if (at("ask")) at("ask").onsubmit = event => { event.preventDefault(); ask("seed", at("seed").value); };
else {
  const drop = at("drop"), file = at("file");
  file.onchange = () => file.files.length && ask("image", file.files[0]);
  drop.ondragover = event => { event.preventDefault(); drop.className = "over"; };
  drop.ondragleave = () => drop.className = "";
  drop.ondrop = event => { event.preventDefault(); drop.className = "";
    event.dataTransfer.files.length && ask("image", event.dataTransfer.files[0]); };
}
"""
POLICY = (
    f"default-src 'none'; img-src data:; connect-src 'self'; style-src {own(STYLE)}; script-src {own(SCRIPT)}; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
TASKS = {
    "segmentation": "A network that finds classes.",
    "regression": "A network that finds a value for each pixel.",
    "super_resolution": "A network that enlarges.",
    "gan": "A network that makes images out of noise.",
}


class Shows(Protocol):
    """`models.tasks.showing.Showing`, which takes torch to import."""

    net: Any

    def of(self, image: Any) -> Any:
        """What is seen of an image."""

    def made(self, seed: int) -> Any:
        """What is seen of a seed."""


def page(name: str, net: Any) -> str:
    """The page of a network."""
    coloured = zip(net.classes, net.palette, strict=True) if net.task == "segmentation" else ()
    said = "fixed pattern, period, % of SD, repaired" + (", logits" if net.task == "segmentation" else "")
    about = TASKS[net.task]
    if net.task == "regression":
        known = net.config["values"]
        about += f" Colours go from {known['low']:.4g} (dark) to {known['high']:.4g} {known['unit']} (yellow)."
    legend = [(each, f"rgb{tuple(colour)}") for each, colour in coloured]
    templates = Environment(loader=FileSystemLoader(HERE), autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    return templates.get_template("page.html.j2").render(
        policy=POLICY.partition("; frame-ancestors")[0],  # which only a header may say
        style=STYLE,
        script=SCRIPT,
        title=name,
        about=about,
        words=words(said),
        generates=net.task == "gan",
        legend=legend if len(legend) <= 40 else [],
    )


def answer(showing: Shows, address: str, body: bytes) -> dict[str, Any]:
    """What the page is told: `sentences` and `pictures` by their titles, and `patches`. Raises ValueError."""
    import torch

    from data.files.reading import Unreadable, read_image

    if address == "/seed":
        if showing.net.task != "gan" or not body.isdigit() or len(body) > 6:
            raise ValueError("the seed must be a whole number below 1000000")
        seen = showing.made(int(body))
    else:
        if showing.net.task == "gan":
            raise ValueError("this network makes images out of noise; it takes none")
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "the image")
            path.write_bytes(body)
            try:
                image = read_image(path, showing.net.span)
            except Unreadable as error:
                raise ValueError(str(error).replace(str(path), "the image")) from None
        seen = showing.of(torch.from_numpy(image))
    return {
        "sentences": seen.sentences,
        "pictures": {title: encoded(png(picture)) for title, picture in seen.pictures.items()},
        "patches": seen.patches and encoded(seen.patches),
    }


def png(picture: NDArray[np.uint8]) -> bytes:
    """(H, W, 3) uint8 as a file."""
    file = BytesIO()
    Image.fromarray(picture).save(file, "PNG")
    return file.getvalue()


def server(showing: Shows, name: str, port: int) -> ThreadingHTTPServer:
    """What serves a network's page to this machine; port 0 is any that is free. Raises OSError where it is taken."""
    shown = page(name, showing.net).encode()
    one = threading.Lock()  # a network at a time

    class Handler(BaseHTTPRequestHandler):
        """Answers this machine's browser, and refuses pages of other sites that ask through it."""

        server_version, sys_version = "evenly", ""
        timeout = 60

        def ours(self) -> bool:
            """Whether the page that asks is this one: other sites can name this address, but not be it."""
            here = {f"{host}:{self.server.server_port}" for host in (HOST, "localhost")}  # type: ignore[attr-defined]
            origin = self.headers.get("Origin")
            return self.headers.get("Host") in here and (origin is None or origin.partition("://")[2] in here)

        def reply(self, status: HTTPStatus, kind: str, body: bytes) -> None:
            self.send_response(status)
            for key, value in (
                ("Content-Type", f"{kind}; charset=utf-8"),
                ("Content-Length", str(len(body))),
                ("Content-Security-Policy", POLICY),
                ("X-Content-Type-Options", "nosniff"),
                ("Cache-Control", "no-store"),
            ):
                self.send_header(key, value)
            self.end_headers()
            self.wfile.write(body)

        def refuse(self, status: HTTPStatus, sentence: str) -> None:
            self.close_connection = True
            self.reply(status, "application/json", json.dumps({"error": sentence}).encode())

        def do_GET(self) -> None:  # the server's name for it
            if not self.ours() or self.path != "/":
                self.refuse(HTTPStatus.NOT_FOUND, "there is only one page, /")
            else:
                self.reply(HTTPStatus.OK, "text/html", shown)

        def do_POST(self) -> None:
            length = self.headers.get("Content-Length", "")
            if not self.ours() or self.path not in ("/image", "/seed"):
                self.refuse(HTTPStatus.NOT_FOUND, "only this server's own page may ask")
            elif not length.isdigit() or int(length) > MOST_BYTES:
                self.refuse(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"an image may have {MOST_BYTES // 2**20} MB here")
            else:
                body = self.rfile.read(int(length))
                try:
                    with one:
                        told = answer(showing, self.path, body)
                except (ValueError, RuntimeError, MemoryError) as error:  # torch raises RuntimeError for lack of memory
                    self.refuse(HTTPStatus.BAD_REQUEST, printable(error, MAX_SENTENCE))
                else:
                    self.reply(HTTPStatus.OK, "application/json", json.dumps(told).encode())

        def log_message(self, format: str, *arguments: Any) -> None:
            """Nothing is written down."""

    return ThreadingHTTPServer((HOST, port), Handler)


def serve(showing: Shows, name: str, port: int) -> None:
    """Serve until Ctrl-C; says where."""
    try:
        serving = server(showing, name, port)
    except OSError as error:
        raise ValueError(f"port {port} cannot be had ({error.strerror}); name another, as --port {port + 1}") from None
    with serving:
        say(f"http://{HOST}:{serving.server_port}/  (Ctrl-C ends it; this machine alone sees it)")
        serving.serve_forever()
