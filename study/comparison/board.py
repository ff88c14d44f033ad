"""The leaderboard: every group's scores over its seeds, and how it differs from the best."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from statistics import fmean

from models.tasks.score_rows import percent, prints
from study.comparison import scores
from study.comparison.runs import Group, Run, group, in_order
from study.comparison.statistics import Difference, Family, deviation, family, paired


@dataclass(frozen=True)
class Entry:
    """One score of one group: mean and standard deviation over n seeds, the mean of its floors where it has one, and
    the differences to the reference group."""

    n: int
    mean: float
    deviation: float | None
    floor: float | None
    difference: Difference | None

    def written(self) -> str:
        """`28.0 ± 1.8`."""
        return scores.written(self.mean, self.deviation)


class Board:
    """Runs of one kind, compared.

    main          the score they are ranked by; `scores`, all that any of them has, costs last
    groups        best first, those without a finished run last
    best          of the groups with the most finished seeds that with the best mean of the main score, with which the
                  others are compared; it is called the best where it has two seeds or more
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
        found = [key for key, value in metrics.items() if scores.is_score(key, value)]
        self.scores = [main, *(k for k in found if k != main and k not in scores.COSTS)]
        self.scores += [key for key in scores.COSTS if key in found]

        def rank(each: Group) -> tuple[bool, float]:
            values = each.values(main).values()
            return not values, -scores.direction(main) * fmean(values) if values else 0.0

        self.groups = sorted(groups, key=rank)
        self.most = max(len(each.values(main)) for each in groups)
        self.best = next(each for each in self.groups if len(each.values(main)) == self.most)
        self.seeds = in_order({seed for each in groups for seed in each.runs})
        self.missing = [
            (each.label, seed, each.runs[seed].reason if seed in each.runs else "not started")
            for each in groups
            for seed in self.seeds
            if seed not in each.runs or not each.runs[seed].metrics
        ]

    @property
    def title(self) -> str:
        """`segmentation on earth`, `segmentation on my-images, files 1a2b3c4d5e6f`."""
        run = next(iter(self.best.runs.values()))
        task, data, files = run.kind
        of = f", files {files}" if files and " " not in files else ""
        return f"{task.replace('_', ' ')} on {run.data or data}{of}"

    @cached_property
    def families(self) -> dict[str, Family]:
        """Of each score the groups that are compared by it."""
        return {score: family([each.values(score) for each in self.groups]) for score in self.scores}

    @cached_property
    def entries(self) -> dict[tuple[str, str], Entry]:
        """By a group's label and a score, where any of the group's finished runs has it."""
        return {
            (each.label, score): self._entry(each, score)
            for each in self.groups
            for score in self.scores
            if each.values(score)
        }

    def _entry(self, each: Group, score: str) -> Entry:
        values, others = each.values(score), self.best.values(score)
        floors = each.values(f"{score}/null").values()
        pairs = [values[seed] - others[seed] for seed in values if seed in others]
        difference = paired(pairs, self.families[score]) if pairs and each is not self.best else None
        found = list(values.values())
        return Entry(len(found), fmean(found), deviation(found), fmean(floors) if floors else None, difference)

    def entry(self, each: Group, score: str) -> Entry | None:
        """A group's score, None where none of its finished runs has it."""
        return self.entries.get((each.label, score))

    def verdict(self, each: Group, score: str) -> str:
        """What the differences to the reference, by the main score, show: a word or a few."""
        entry = self.entry(each, score)
        if entry is None:
            return "not finished" if not each.finished else "absent"
        if each is self.best:
            return "best" if score == self.main and self.most > 1 else "the reference"
        if entry.difference is None:
            return "no seed in common"
        if entry.difference.t is None:
            return "one seed shows nothing"
        if not entry.difference.shown:
            return "no difference shown"
        way = scores.direction(score) * entry.difference.mean
        return "better" if way > 0 else "worse" if way < 0 else "different"

    def findings(self) -> list[str]:
        """The answer in sentences that the intervals support."""
        lines = [self._first()]
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
        lines += self._patterns()
        if self.of_folds:
            lines.append("Folds share training images: the intervals take them for more independent than they are.")
        for key, doubtful in (("precision", "scores"), ("machine", "seconds and memory")):
            found = {str(run.metrics.get(key)) for each in self.groups for run in each.finished if run.metrics}
            if len(found) > 1:
                lines.append(f"{doubtful.capitalize()} may not compare: {key} is {' or '.join(sorted(found))}.")
        return lines

    def headlines(self) -> list[str]:
        """The best score, and who prints: the title of the picture."""
        return [self._first(), *self._patterns()]

    @property
    def of_folds(self) -> bool:
        """Whether repeats are folds of a cross-validation."""
        return isinstance(self.seeds[0], str)

    def _first(self) -> str:
        entry = self.entry(self.best, self.main)
        assert entry is not None
        name, label, value = scores.name(self.main), self.best.label, scores.written(entry.mean, entry.deviation)
        if self.most == 1:
            return f"No best is named, as none has two seeds; of one each, {label} has {name} {value}."
        repeats = f"{entry.n} {'folds' if self.of_folds else 'seeds'}"
        fewer = any(0 < len(each.values(self.main)) < self.most for each in self.groups)
        among = f" of those with {repeats}: {value}" if fewer else f": {value} over {repeats}"
        return f"{label} has the best mean {name}{among}."

    def _patterns(self) -> list[str]:
        """In which groups' outputs a fixed pattern of the grid is shown, in how many of their runs, how large."""
        shown, none, unknown = [], [], []
        for each in self.groups:
            told = [found for run in each.finished if (found := prints(run.metrics or {})) is not None]
            share = self.entry(each, "test/grid/fixed/share")
            if not told:
                unknown += [each.label] if each.finished else []
            elif any(told):
                size = f", {percent(share.mean)} of SD in the mean" if share else ""
                shown.append(f"{each.label} ({sum(told)} of {len(told)} runs{size})")
            else:
                none.append(each.label)
        lines = [f"A fixed pattern of the grid is shown in {'; '.join(shown)}."] if shown else []
        lines += [f"No fixed pattern of the grid is shown in {', '.join(none)}."] if none else []
        return lines + ([f"The grid's pattern is not measured in {', '.join(unknown)}."] if unknown else [])
