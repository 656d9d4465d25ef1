"""What there is to say of an algorithm or an attack: its documentation and its parameters."""

import inspect
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from dfl_actors.errors import DflError
from dfl_actors.sdk.attacks import ATTACKS
from dfl_actors.sdk.loader import ALGORITHMS
from dfl_actors.sdk.plugins import Registry


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter as text: its name, its type and range, and its default; empty where nobody says."""

    name: str
    values: str
    default: str


@dataclass(frozen=True, slots=True)
class Description:
    """`kind` is algorithm, attack or either; `text` the documentation of the module, or of the function if its module has none."""

    name: str
    kind: str
    text: str
    parameters: tuple[Parameter, ...]

    @property
    def headline(self) -> str:
        """The first line of the documentation."""
        return self.text.partition("\n")[0]


def known_names() -> list[tuple[str, str]]:
    """Kind and name of everything that can be named without a file or a module."""
    return [(registry.kind, name) for registry in (ALGORITHMS, ATTACKS) for name in registry.names()]


def described(name: str, base: Path) -> Description:
    """What the plug-in `name` says of itself, without building it. Raises `AlgorithmError` when there is none."""
    kind, build = _found(name, base)
    module = sys.modules.get(getattr(build, "__module__", ""))
    text = inspect.getdoc(module) if module is not None and module.__doc__ else inspect.getdoc(build)
    return Description(name, kind, (text or "").strip(), tuple(_parameters(build, module)))


def briefly(kind: str, name: str) -> str:
    """The first line about something installed, or why there is none."""
    try:
        return described(name, Path()).headline
    except DflError as error:
        return f"cannot be used: {error}"


def _found(name: str, base: Path) -> tuple[str, Callable[..., object]]:
    kinds: tuple[Registry[Any], ...] = (ALGORITHMS, ATTACKS)
    for registry in kinds:
        if name in registry.names():
            return registry.kind, registry.find(name, base)
    both = {**ALGORITHMS.built_in, **ATTACKS.built_in}
    return "algorithm or attack", Registry("algorithm or attack", "", both, object).find(name, base)


def _parameters(build: Callable[..., object], module: object) -> list[Parameter]:
    """Those of the function, or, when it takes whatever comes, the fields of its module's structure."""
    found = inspect.signature(build).parameters.values()
    if any(one.kind is inspect.Parameter.VAR_KEYWORD for one in found):
        kinds = [kind for kind in vars(module).values() if inspect.isclass(kind) and issubclass(kind, msgspec.Struct)]
        own = [kind for kind in kinds if kind.__module__ == getattr(module, "__name__", "")]
        return [parameter for kind in own for parameter in _fields(kind)]
    return [Parameter(one.name, _annotation(one.annotation), "" if one.default is one.empty else repr(one.default)) for one in found]


def _annotation(kind: object) -> str:
    return "" if kind is inspect.Parameter.empty else inspect.formatannotation(kind)


def _fields(kind: type[msgspec.Struct]) -> list[Parameter]:
    (_, schemas) = msgspec.json.schema_components([kind])
    fields: Mapping[str, Any] = schemas[kind.__name__]["properties"]
    return [Parameter(name, _range(field), _default(field.get("default"))) for name, field in fields.items()]


def _default(value: object) -> str:
    return "chosen" if value is None else str(value)


def _range(field: Mapping[str, Any]) -> str:
    """A field of a JSON schema in words: `number, at least 0, below 0.5`."""
    for choice in field.get("anyOf", ()):
        if choice.get("type") != "null":
            return _range(choice)
    words = {"minimum": "at least", "exclusiveMinimum": "above", "maximum": "at most", "exclusiveMaximum": "below"}
    bounds = [f"{word} {field[key]:g}" for key, word in words.items() if key in field]
    return ", ".join([{"integer": "whole number"}.get(field["type"], field["type"]), *bounds])
