"""Finds what a topology names: an algorithm or an attack.

A name is a built-in one, ``package.module:function``, ``file.py:function`` (relative to the topology file), or an entry point of the
registry's group. What it names is a function that takes the parameters as keywords (`parameters`) and returns the value. A plug-in that
gives itself no name is called as its module is.
"""

import importlib
import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from importlib.metadata import entry_points
from pathlib import Path
from types import MappingProxyType, ModuleType
from typing import Generic, TypeVar

from dfl_actors.config.toml_text import nearest
from dfl_actors.errors import AlgorithmError, ConfigError
from dfl_actors.learning.foreign import guarded, load_file
from dfl_actors.learning.momentum import Optimiser
from dfl_actors.sdk.attack import MOST_REMEMBERED, Attack
from dfl_actors.sdk.interface import KNOWN_NEEDS, Algorithm
from dfl_actors.sdk.parameters import fitted

V = TypeVar("V", bound=Algorithm | Attack | Optimiser)


@dataclass(frozen=True)
class Registry(Generic[V]):
    """One kind of plug-in: what people call it, its entry points' group, those built in, and the type of its values."""

    kind: str
    group: str
    built_in: Mapping[str, Callable[..., V]]
    values: tuple[type[V], ...]

    def names(self) -> list[str]:
        """The names that need no file or module: built in, then installed as entry points."""
        return [*self.built_in, *sorted(point.name for point in entry_points(group=self.group) if point.name not in self.built_in)]

    def load(self, name: str, parameters: Mapping[str, object], base: Path | None = None) -> V:
        """The plug-in `name` built with `parameters`; `base` is the directory that a relative ``file.py`` starts from.

        Raises `AlgorithmError` when it cannot be found or loaded, is none, or asks for what nobody provides, `ConfigError` when the
        parameters do not fit.
        """
        what = f"{self.kind} {name!r}"
        build = self.find(name, base)
        value = guarded(f"{what} cannot be built", lambda: self._built(name, build, parameters))
        if not isinstance(value, self.values):
            raise AlgorithmError(f"{what}: its function returned {type(value).__name__}; it must return an {self._value()}")
        _check_demands(name, value)
        return value if value.name else replace(value, name=module_name(name))

    def _built(self, name: str, build: Callable[..., V], parameters: Mapping[str, object]) -> V:
        arguments = fitted(f"{self.kind} {name}", build, parameters)
        try:
            return build(**arguments)
        except ConfigError as error:
            raise ConfigError(f"{self.kind} {name}, parameters: {error}") from error

    def _value(self) -> str:
        return " or an ".join(value.__name__ for value in self.values)

    def find(self, name: str, base: Path | None = None) -> Callable[..., V]:
        """The function that builds the plug-in `name`. Raises `AlgorithmError` when it cannot be found or loaded."""
        what = f"{self.kind} {name!r}"
        if name in self.built_in:
            return self.built_in[name]
        place, colon, function = name.rpartition(":")
        if colon:
            return self._function(what, self._module(what, place, base), function)
        for point in entry_points(group=self.group, name=name):
            return self._callable(what, guarded(f"{what}, entry point {point.value!r}, cannot be loaded", point.load))
        raise AlgorithmError(f"{what} is not known; {nearest(name, self.names())} (or 'file.py:function', 'package.module:function')")

    def _module(self, what: str, place: str, base: Path | None) -> ModuleType:
        if place.endswith(".py"):
            path = ((base or Path()) / place).resolve()
            if not path.is_file():
                raise AlgorithmError(
                    f"{what}: there is no file {path}; give its path from the topology file, or a name of {', '.join(self.names())}"
                )
            return guarded(f"{what} cannot be loaded from {path}", lambda: load_file(path))
        return guarded(f"{what}: module {place!r} cannot be imported", lambda: importlib.import_module(place))

    def _function(self, what: str, module: ModuleType, function: str) -> Callable[..., V]:
        found = guarded(f"{what} cannot be loaded", lambda: getattr(module, function, None))
        if found is None:
            public = [key for key, value in vars(module).items() if inspect.isfunction(value) and not key.startswith("_")]
            raise AlgorithmError(f"{what}: its module has no {function!r}; its functions are {', '.join(public) or 'none'}")
        return self._callable(what, found)

    def _callable(self, what: str, found: object) -> Callable[..., V]:
        if not callable(found):
            raise AlgorithmError(f"{what} is a {type(found).__name__}; name a function that returns an {self._value()}")
        return found


def _check_demands(name: str, plugin: Algorithm | Attack | Optimiser) -> None:
    if isinstance(plugin, Algorithm):
        unknown = guarded(f"algorithm {name!r} cannot be used, its needs", lambda: sorted(set(plugin.needs) - KNOWN_NEEDS))
        if unknown:
            needs = f"needs {', '.join(unknown)}, which nobody provides; it may need {', '.join(sorted(KNOWN_NEEDS))}"
            raise AlgorithmError(f"algorithm {name!r} {needs}")
    if isinstance(plugin, Attack):
        _check_attack(name, plugin)


def _check_attack(name: str, attack: Attack) -> None:
    if not guarded(f"attack {name!r} cannot be used, what it remembers", lambda: 0 <= attack.remembers <= MOST_REMEMBERED):
        raise AlgorithmError(f"attack {name!r} remembers {attack.remembers} models; it may remember 0 to {MOST_REMEMBERED}")
    if attack.rehearses and not attack.watches:
        raise AlgorithmError(f"attack {name!r} rehearses with the models of others and sees none; make it watch as well")


def module_name(name: str) -> str:
    """What the module is called that a plug-in of this name comes from."""
    place = name.rpartition(":")[0] or name
    return Path(place).stem if place.endswith(".py") else place.rpartition(".")[2]


def by_module(modules: Iterable[ModuleType]) -> Mapping[str, Callable[..., V]]:
    """The `build` of each module, by the module's name."""
    return MappingProxyType({module.__name__.rpartition(".")[2]: module.build for module in modules})
