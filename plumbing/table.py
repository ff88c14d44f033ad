"""The one way to add a thing: a table for each kind, filled by what stands in the kind's folder.

>>> network = Table("model", "models.networks")     # doctest: +SKIP
>>> @network("unet")                                # doctest: +SKIP
... class UNet(nn.Module): ...
"""

import importlib
import pkgutil
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

from plumbing.options import OptionError, unknown

Thing = TypeVar("Thing")


class Table(Mapping[str, Any]):
    """Things of one kind by the names that a configuration has for them, in alphabetical order.

    section  of the configuration that names one; `key` is where it does
    folder   the package whose modules put their things into the table; it is imported when the table is first read
    """

    def __init__(self, section: str, folder: str, key: str = "name") -> None:
        self.section, self.folder, self.key = section, folder, key
        self._things: dict[str, Any] = {}
        self._read = False

    def __call__(self, name: str) -> Callable[[Thing], Thing]:
        """Put the decorated class or function into the table. Raises ValueError for a name that is taken."""

        def put(thing: Thing) -> Thing:
            if name in self._things:
                raise ValueError(f"{self.section}: two things are called '{name}'")
            self._things[name] = thing
            return thing

        return put

    def _all(self) -> dict[str, Any]:
        if not self._read:
            self._read = True
            package = importlib.import_module(self.folder)
            for module in pkgutil.walk_packages(package.__path__, f"{self.folder}."):
                importlib.import_module(module.name)
            self._things = dict(sorted(self._things.items()))
        return self._things

    def __getitem__(self, name: str) -> Any:
        return self._all()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._all())

    def __len__(self) -> int:
        return len(self._all())

    def choose(self, config: Mapping[str, Any]) -> tuple[Any, dict[str, Any]]:
        """Split a configuration section into the thing that it names and its other keys. Raises OptionError."""
        options = dict(config)
        chosen = options.pop(self.key, None)
        if not isinstance(chosen, str) or chosen not in self:
            raise OptionError(unknown(f"{self.section}.{self.key}", chosen, self))
        return self[chosen], options
