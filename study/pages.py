"""What the pages of runs and of comparisons share: nothing but their own style and script is loaded or run."""

import hashlib
from base64 import b64encode
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

HERE = Path(__file__).parent
# Names come from anyone's run folders, so everything is escaped where it is written.
TEMPLATES = Environment(
    loader=FileSystemLoader([HERE, HERE / "comparison"]), autoescape=True, undefined=StrictUndefined, trim_blocks=True
)


def policy(style: str, script: str) -> str:
    """The Content-Security-Policy of a page that needs no network and no other file."""
    return (
        f"default-src 'none'; img-src data:; style-src {own(style)}; script-src {own(script)}; base-uri 'none'; "
        "form-action 'none'"
    )


def own(text: str) -> str:
    """What a Content-Security-Policy allows one style or script by."""
    return f"'sha256-{b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def encoded(png: bytes) -> str:
    """A picture as the address that an img takes."""
    return f"data:image/png;base64,{b64encode(png).decode()}"
