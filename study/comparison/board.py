"""The leaderboard: every group's scores over its seeds, and how it differs from the best."""

from collections.abc import Iterable
from dataclasses import dataclass
from statistics import mean

from study.comparison import scores
from study.comparison.runs import Group, Run, group, in_order
from study.comparison.statistics import Difference, deviation, paired


@dataclass(frozen=True)
class Entry:
    """One score of one group: mean and standard deviation over n seeds, and the differences to the best group."""

    n: int
    mean: float
    deviation: float | None
    difference: Difference | None


class Board:
    """Runs of one kind, compared.

    main          the score they are ranked by; `scores`, all that any of them has, costs last
    groups        best first, those without a finished run last
    best          the group with the best mean of the main score, of those with the most finished seeds
    missing       (label, seed, reason) of what is not finished
    Raises ValueError where no run is finished.
    """

    def __init__(self, runs: Iterable[Run]) -> None:
        groups = group(runs)
        metrics = {key: value for each in groups for run in each.finished for key, value in (run.metrics or {}).items()}
        main = scores.first(scores.MAIN, metrics)
        if main is None:
            raise ValueError("no run is finished yet, so there is nothing to compare; start the same command again")
        self.main = main
        self.checkerboard = scores.first(scores.CHECKERBOARD, metrics)
        self.noise = metrics.get(f"{self.checkerboard}/null")
        found = [key for key, value in metrics.items() if scores.is_score(key, value)]
        self.scores = [main, *(k for k in found if k != main and k not in scores.COSTS)]
        self.scores += [key for key in scores.COSTS if key in found]

        def rank(each: Group) -> tuple[bool, float]:
            values = each.values(main).values()
            return not values, -scores.direction(main) * mean(values) if values else 0.0

        self.groups = sorted(groups, key=rank)
        most = max(len(each.values(main)) for each in groups)
        self.best = next(each for each in self.groups if len(each.values(main)) == most)
        seeds = in_order({seed for each in groups for seed in each.runs})
        self.missing = [
            (each.label, seed, each.runs[seed].reason if seed in each.runs else "not started")
            for each in groups
            for seed in seeds
            if seed not in each.runs or not each.runs[seed].metrics
        ]
        self.seeds = seeds

    @property
    def title(self) -> str:
        """`segmentation on earth`, `segmentation on folder, files 1a2b3c4d5e6f`."""
        task, data, files = next(iter(self.best.runs.values())).kind
        return f"{task.replace('_', ' ')} on {data}" + (f", files {files}" if files and " " not in files else "")

    def entry(self, each: Group, score: str) -> Entry | None:
        """A group's score, None where none of its finished runs has it."""
        values, best = each.values(score), self.best.values(score)
        if not values:
            return None
        pairs = [values[seed] - best[seed] for seed in values if seed in best]
        difference = paired(pairs) if pairs and each is not self.best else None
        return Entry(len(values), mean(values.values()), deviation(list(values.values())), difference)

    def verdict(self, each: Group, score: str) -> str:
        """What the differences to the best group, by the main score, show: a word or a few."""
        entry = self.entry(each, score)
        if entry is None:
            return "not finished" if not each.finished else "absent"
        if each is self.best:
            return "best" if score == self.main else "the reference"
        if entry.difference is None:
            return "no seed in common"
        if entry.difference.bootstrap is None:
            return "one seed shows nothing"
        if not entry.difference.shown:
            return "no difference shown"
        way = scores.direction(score) * entry.difference.mean
        return "better" if way > 0 else "worse" if way < 0 else "different"

    def findings(self) -> list[str]:
        """The answer in sentences that the intervals support."""
        entry = self.entry(self.best, self.main)
        assert entry is not None
        value = scores.written(entry.mean, entry.deviation)
        of_folds = isinstance(self.seeds[0], str)
        seeds = f"{entry.n} {'fold' if of_folds else 'seed'}{'s' if entry.n > 1 else ''}"
        lines = [f"{self.best.label} has the best mean {scores.name(self.main)}: {value} over {seeds}."]
        by_verdict: dict[str, list[str]] = {}
        for each in self.groups:
            by_verdict.setdefault(self.verdict(each, self.main), []).append(each.label)
        texts = {
            "worse": "Shown to be worse",
            "better": "Shown to be better, on the seeds in common",
            "no difference shown": "No difference shown to",
            "one seed shows nothing": "One seed in common shows nothing about",
            "no seed in common": "No seed in common with",
            "not finished": "Not finished",
        }
        lines += [f"{text}: {', '.join(by_verdict[key])}." for key, text in texts.items() if key in by_verdict]
        if self.checkerboard and self.noise is not None:
            entries = {each.label: self.entry(each, self.checkerboard) for each in self.groups}
            prints = [label for label, entry in entries.items() if entry and entry.mean > self.noise]
            even = [label for label, entry in entries.items() if entry and entry.mean <= self.noise]
            if prints:
                lines.append(f"Print a checkerboard (mean above noise's {self.noise:.2g} dB): {', '.join(prints)}.")
            if even:
                lines.append(f"Print none that stands out of noise: {', '.join(even)}.")
        if of_folds:
            lines.append("Folds share training images: the intervals take them for more independent than they are.")
        for key, doubtful in (("precision", "scores"), ("machine", "seconds and memory")):
            found = {str(run.metrics.get(key)) for each in self.groups for run in each.finished if run.metrics}
            if len(found) > 1:
                lines.append(f"{doubtful.capitalize()} may not compare: {key} is {' or '.join(sorted(found))}.")
        return lines
