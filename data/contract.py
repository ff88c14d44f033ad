"""What every data set keeps, and the table that finds them by name.

A data set is one function in data/sets/, and conf/data/<name>.yaml beside it:

    @data_set("name", LabelledFiles, terms="Under what terms it comes, in a sentence.")
    def name(find: Finder, root: str | None, ...) -> LabelledFiles

It says what there is, in one of the forms of data/forms.py. A form is of one kind of data, which tasks ask for, and
brings the options that all sets of the form share: how samples are drawn, augmented and kept. The keys of the YAML are
those and the function's own parameters, and type hints are their rules: `Literal["a", "b"]`, `Annotated[float,
Range(0, 1)]`. Not from the YAML come `find`, a Finder that lists files and refuses what cannot be used, and `kind`, for
a set that has several forms, and `known`, what a trained network knows that the data are to score; each is given where
the function asks for it. Nothing here imports torch.
"""

import importlib.metadata
import inspect
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, TypeVar

from data.augment_options import read_augment
from data.degrade_options import read_degrade
from data.files.bands import Bands
from data.files.finding import Finder
from data.files.fingerprint import fingerprint, places
from data.files.reading import Span
from data.forms import Form, InFiles, Kind
from plumbing.options import check_options
from plumbing.table import Table

Describe = TypeVar("Describe", bound=Callable[..., Form])
USERS_OWN = "Not known: a folder of the user's own."  # the terms of what no one published
GIVEN = ("find", "kind", "known")  # to a function that asks for them


@dataclass(frozen=True)
class Known:
    """What a trained network knows, where data are to score it.

    classes, labels, ignored  of a segmentation: the names, and the numbers in the masks of its training
    span     of values in files of more than 8 bits
    bands    that are taken of each file; None: images are pictures of three colours
    part     of a folder of the user's to score: "test", "val", "all", or "auto"; None: as training splits it
    """

    classes: list[str] | None = None
    labels: list[int] = field(default_factory=list)
    ignored: tuple[int, ...] = ()
    span: Span | None = None
    bands: Bands | None = None
    part: str | None = None

    def ignored_beside(self, found: Collection[int], ignore: int | list[int] | str) -> tuple[int, ...]:
        """The numbers in masks that are no class of the network's: those asked for, or as in its training."""
        if isinstance(ignore, str):
            return tuple(number for number in self.ignored if number not in self.labels) if ignore == "auto" else ()
        return (ignore,) if isinstance(ignore, int) else tuple(ignore)


@dataclass(frozen=True)
class DataSet:
    """A named data set: what describes it, the forms it comes in, its terms, and where its files are."""

    describe: Callable[..., Form]
    forms: tuple[type[Form], ...]
    terms: str
    reads: tuple[str, ...] = ()
    wheel: str | None = None

    @property
    def kinds(self) -> list[Kind]:
        """The kinds of data that it gives."""
        return [kind for form in self.forms for kind in form.kinds]

    @property
    def own(self) -> list[str]:
        """The keys of its YAML that its forms do not bring."""
        return [name for name in inspect.signature(self.describe).parameters if name not in GIVEN]

    def check(self, options: Mapping[str, Any]) -> None:
        """Raise OptionError for a key that is unknown, missing or of another type, whichever form it concerns."""
        check_options("data", (self.describe, *(form.Options for form in self.forms)), options, given=GIVEN)
        if "augment" in options:
            read_augment(options["augment"])
        read_degrade(options.get("degrade"))


_table = Table("data", "data.sets")


def data_set(
    name: str, *forms: type[Form], terms: str, reads: Sequence[str] = (), wheel: str | None = None
) -> Callable[[Describe], Describe]:
    """Put the decorated function into the table under `name`.

    forms  that it can return, each of another kind of data
    terms  under which the set comes, as far as its authors say: a network trained on it is told to carry them
    reads  patterns of the files and folders in data.root that it reads: what else lies there tells no run from another.
           Without any, and where there is none, all of data.root does
    wheel  the package that the set is embedded in, whose version stands for its files
    """

    def put(describe: Describe) -> Describe:
        for parameter in inspect.signature(describe).parameters.values():
            if parameter.kind in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL):
                raise TypeError(f"data set '{name}' takes {parameter}; name each option, or a typo is swallowed")
        _table(name)(DataSet(describe, forms, terms, tuple(reads), wheel))
        return describe

    return put


def available() -> Mapping[str, DataSet]:
    """All data sets by name, in alphabetical order."""
    return _table


def choose(config: Mapping[str, Any]) -> tuple[DataSet, dict[str, Any]]:
    """The set that a configuration's `data` section names, and its options, checked. Raises ValueError in a sentence.

    What can be told at once is: names, keys, types and ranges, and, where nothing is to be fetched, that data.root is
    not there.
    """
    chosen, options = _table.choose(config)
    chosen.check(options)
    root = options.get("root")
    if "root" in options and not options.get("download") and (root is None or not Path(root).is_dir()):
        find(chosen, chosen.kinds[0], options)  # which says it in the set's own words
    return chosen, options


def find(
    chosen: DataSet, kind: Kind, options: Mapping[str, Any], known: Known | None = None
) -> tuple[Form, Any, Finder]:
    """What there is of a kind of data, files listed but not read; the options of its form; and the Finder that listed.

    Raises ValueError for a set that does not give the kind, and in its own words for what is missing.
    """
    form = next((form for form in chosen.forms if kind in form.kinds), None)
    if form is None:
        able = ", ".join(name for name, other in available().items() if kind in other.kinds)
        name = next(name for name, other in available().items() if other is chosen)
        raise ValueError(f"data={name} has no {kind.replace('_', ' ')}; choose from {able}")
    names = [each.name for each in fields(form.Options)]
    shared = form.Options(**{name: options[name] for name in names if name in options})
    asked = inspect.signature(chosen.describe).parameters
    finder = shared.finder() if isinstance(shared, InFiles) else Finder("raise", "skip")
    given = {"find": finder, "kind": kind, "known": known}
    own = {key: options[key] for key in chosen.own if key in options}
    found = chosen.describe(**{key: value for key, value in given.items() if key in asked}, **own)
    return found, shared, finder


def fingerprint_of(config: Mapping[str, Any]) -> str | None:
    """What tells the files of a configuration's `data` section from others, wherever they lie: a few letters, or the
    version of the package that they are embedded in. None where nothing is there.

    Where data.download says so, what is missing is fetched first. Nothing else of the section is looked at. Raises
    ValueError and OSError.
    """
    chosen, options = _table.choose(config)
    if chosen.wheel is not None:
        return f"{chosen.wheel} {importlib.metadata.version(chosen.wheel)}"
    given = (options.get("root"), options.get("test_root"))
    root, test_root = (Path(each).expanduser() if isinstance(each, str) else None for each in given)
    if options.get("download") and root is not None and not places(root, chosen.reads):
        find(chosen, chosen.kinds[0], options)
    tops = [(root, chosen.reads), (test_root, ())]
    return fingerprint([(top, reads) for top, reads in tops if top is not None and top.is_dir()])
