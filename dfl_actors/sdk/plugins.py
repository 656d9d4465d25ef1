"""Finds what a topology names: an algorithm or an attack.

A name is a built-in one, ``package.module:function``, ``file.py:function`` (relative to the topology file), or an entry point of the
registry's group. What it names is a function that takes the parameters as keywords and returns the value. An author's mistake ends as one
line that names the plug-in and the rule; the traceback stays attached as its cause.
"""

import hashlib
import importlib
import importlib.util
import inspect
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType
from typing import Generic, TypeVar

from dfl_actors.errors import AlgorithmError, ConfigError, DflError

V = TypeVar("V")
T = TypeVar("T")


@dataclass(frozen=True)
class Registry(Generic[V]):
    """One kind of plug-in: what people call it, its entry points' group, those built in, and the type of its values."""

    kind: str
    group: str
    built_in: Mapping[str, Callable[..., V]]
    value: type[V]

    def names(self) -> list[str]:
        """The names that need no file or module: built in, then installed as entry points."""
        return [*self.built_in, *sorted(point.name for point in entry_points(group=self.group) if point.name not in self.built_in)]

    def load(self, name: str, parameters: Mapping[str, object], base: Path | None = None) -> V:
        """The plug-in `name` built with `parameters`; `base` is the directory that a relative ``file.py`` starts from.

        Raises `AlgorithmError` when it cannot be found or loaded or is none, `ConfigError` when the parameters do not fit.
        """
        what = f"{self.kind} {name!r}"
        build = self.find(name, base)
        check_keywords(what, build, parameters)
        value = guarded(f"{what} cannot be built", lambda: build(**parameters))
        if not isinstance(value, self.value):
            raise AlgorithmError(f"{what}: its function returned {type(value).__name__}; it must return an {self.value.__name__}")
        return value

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
        raise AlgorithmError(f"{what} is not known; use one of {', '.join(self.names())}, 'package.module:function' or 'file.py:function'")

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
        found = getattr(module, function, None)
        if found is None:
            public = [key for key, value in vars(module).items() if inspect.isfunction(value) and not key.startswith("_")]
            raise AlgorithmError(f"{what}: its module has no {function!r}; its functions are {', '.join(public) or 'none'}")
        return self._callable(what, found)

    def _callable(self, what: str, found: object) -> Callable[..., V]:
        if not callable(found):
            raise AlgorithmError(f"{what} is a {type(found).__name__}; name a function that returns an {self.value.__name__}")
        return found


def load_file(path: Path) -> ModuleType:
    """Runs the file as a module of its own name: two files called alike must not replace each other."""
    unique = f"dfl_actors_plugin_{path.stem}_{hashlib.sha256(bytes(path)).hexdigest()[:12]}"
    spec = importlib.util.spec_from_file_location(unique, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    # Dataclasses look up their module by name while the file runs.
    sys.modules[unique] = module
    spec.loader.exec_module(module)
    return module


def check_keywords(what: str, build: Callable[..., object], parameters: Mapping[str, object]) -> None:
    """Whether `build` takes these parameters. Raises `ConfigError`."""
    try:
        inspect.signature(build).bind(**parameters)
    except TypeError as error:
        raise ConfigError(f"{what}, parameters: {error}; it takes {inspect.signature(build)}") from error


def guarded(what: str, action: Callable[[], T]) -> T:
    """`action()`; an error of foreign code becomes one line, the project's own errors pass."""
    try:
        return action()
    except DflError:
        raise
    except Exception as error:
        reason = " ".join(str(error).split())
        raise AlgorithmError(f"{what}: {type(error).__name__}: {reason}") from error
