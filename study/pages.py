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

# What these pages say of their own words, where they use them.
WORDS = {
    "fixed pattern": "what the network's grid adds to the output whatever the image: the checkerboard. Its size is the "
    "root mean square, in the output's unit. None shown: no more than chance brings, and smaller than the limit named.",
    "content-locked error": "what else the grid does, which depends on the image: stairs along an edge, dots in a "
    "texture. A pattern that is seen where no fixed one is shown is of this kind.",
    "period": "pixels after which a pattern repeats.",
    "logits": "the network's scores of the classes, before softmax or sigmoid.",
    "% of SD": "of the standard deviation of the output.",
    "colour table": "what a table from a pixel's colour alone scores: a network that is no better learnt no shapes.",
    "bicubic": "what enlarging by bicubic interpolation scores, without any network.",
    "real images": "what real images score against other real images.",
    "repaired": "the same network after the phases of its layers were made to answer flat areas alike, which takes the "
    "fixed pattern out; evaluate.py with repair=true writes it.",
    "macs": "multiply-adds, one multiplication and one addition each.",
}


def words(text: str) -> list[tuple[str, str]]:
    """Those of `WORDS` that a text uses, and what each means."""
    return [(word, meaning) for word, meaning in WORDS.items() if word in text]


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
