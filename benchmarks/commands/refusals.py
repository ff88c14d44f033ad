"""How long a wrong argument waits for its sentence."""

import tempfile

from benchmarks.commands.process import first_word, run
from benchmarks.measure import Line

Command = tuple[str, ...]

# By the exit code with which they refuse. None of these needs torch.
WRONG: dict[Command, int] = {
    ("train.py", "upsample=deconf"): 1,
    ("train.py", "model.widht=8"): 1,
    ("train.py", "data=folder", "data.root=nowhere"): 1,
    ("train.py", "init=zoo:nothing"): 1,
    ("evaluate.py", "checkpoint=nowhere.ckpt"): 1,
    ("predict.py", "nowhere.ckpt", "photo.png"): 1,
    ("export.py", "checkpoint=nowhere.ckpt"): 1,
    ("check_data.py", "data=foldre"): 1,
    ("compare.py", "nowhere"): 1,
    ("-m", "upsample", "explain", "deconf"): 2,
    ("-m", "upsample", "audit", "nowhere:model"): 2,
    ("-m", "upsample", "inspect", "nowhere.png"): 2,
    ("-m", "models.zoo", "show", "nothing"): 1,
}
# What only the classes behind the configuration know to be wrong, which need torch: a command first says that.
AFTER_TORCH: tuple[Command, ...] = (("train.py", "task.lr=fast"), ("train.py", "encoder.width=-1"))


def slowest(times: dict[Command, float]) -> str:
    """The three that wait longest."""
    shown = sorted(times, key=lambda command: -times[command])[:3]
    return ", ".join(f"`{' '.join(command)}` {times[command]:.1f} s" for command in shown)


def refusals(rounds: int) -> list[Line]:
    """12: in seconds, of each round the longest, after a round that does not count."""
    with tempfile.TemporaryDirectory() as folder:
        _, *told = [{words: run(words, folder, code) for words, code in WRONG.items()} for _ in range(rounds + 1)]
        _, *first = [{words: first_word(words, folder)[0] for words in AFTER_TORCH} for _ in range(rounds + 1)]
        _, ends = [{words: run(words, folder, 1) for words in AFTER_TORCH} for _ in range(2)]
    return [
        Line(
            f"refusal of a wrong argument, the slowest of {len(WRONG)} commands",
            "",
            [max(each.values()) for each in told],
            2.0,
            False,
            f"seconds; {slowest(told[-1])}",
        ),
        Line(
            "first word where torch must say what is wrong",
            "",
            [max(each.values()) for each in first],
            2.0,
            False,
            f"seconds; refused are {slowest(ends)}",
        ),
    ]
