"""The page on which a reader moves the settings of a transposed convolution and sees what it does.

    python -m upsample explore

One file that needs nothing else: no network, no other file. Its parts are in explorer/, each in its own language.
"""

import hashlib
import os
from base64 import b64encode
from pathlib import Path

PARTS = Path(__file__).with_name("explorer")
SCRIPTS = (
    "algebra",
    "frameworks",
    "drawing",
    "landing",
    "picture",
    "page",
)  # in the order in which they need each other


def page() -> str:
    """The page as HTML; the browser may load and run nothing but its own style and script."""
    style = (PARTS / "style.css").read_text(encoding="utf-8")
    script = "\n".join((PARTS / f"{name}.js").read_text(encoding="utf-8") for name in SCRIPTS)
    policy = (
        f"default-src 'none'; img-src data: blob:; style-src {_own(style)}; script-src {_own(script)}; "
        "base-uri 'none'; form-action 'none'"
    )
    text = (PARTS / "page.html").read_text(encoding="utf-8")
    for name, part in {"policy": policy, "style": style, "script": script}.items():
        text = text.replace(f"{{{{{name}}}}}", part)
    return text


def write(path: Path) -> None:
    """Write the page to `path`, whole or not at all; its folder is made if need be."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    part.write_text(page(), encoding="utf-8")
    os.replace(part, path)


def _own(text: str) -> str:
    """What a Content-Security-Policy allows one style or script by."""
    return f"'sha256-{b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
