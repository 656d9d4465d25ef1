"""The parameters of a plug-in are the keyword arguments of its `build`, typed and bounded by `Annotated`.

    def build(share: Annotated[float, Meta(ge=0, le=1)] = 0.5) -> Algorithm

What a topology gives is held to that signature, and what people read of the parameters is derived from it. An argument takes
anything where it has no type, or one that no topology can give; `**others` takes what no argument is called.
"""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import msgspec

from dfl_actors.errors import ConfigError

Build = Callable[..., object]

NAMED = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
KINDS = {"integer": "whole number"}
NOTHING = "none"  # The default of what may be left out; its documentation says what is taken then.
BOUNDS = {"minimum": "at least", "exclusiveMinimum": "above", "maximum": "at most", "exclusiveMaximum": "below"}


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter as text: its name, its type and range, and its default; empty where nobody says."""

    name: str
    values: str
    default: str

    @property
    def meaning(self) -> str:
        """What it takes, and what it is when left out."""
        left_out = "may be left out" if self.default == NOTHING else f"default {self.default}" if self.default else "must be given"
        return f"{self.values or 'anything'}; {left_out}"


def described_parameters(build: Build) -> tuple[Parameter, ...]:
    """The parameters of `build` in words."""
    return tuple(
        Parameter(one.name, _words(one.annotation), _default(one)) for one in _signature(build).parameters.values() if one.kind in NAMED
    )


def fitted(what: str, build: Build, given: Mapping[str, object]) -> dict[str, object]:
    """`given` as the arguments of `build`, each of its type and within its bounds. Raises `ConfigError` naming the parameter."""
    arguments = _signature(build).parameters.values()
    takes_others = any(one.kind is one.VAR_KEYWORD for one in arguments)
    shape = msgspec.defstruct(
        "Parameters", [_field(one) for one in arguments if one.kind in NAMED], kw_only=True, forbid_unknown_fields=not takes_others
    )
    try:
        checked = msgspec.convert(dict(given), shape)
    except msgspec.ValidationError as error:
        known = ", ".join(f"{one.name} ({one.meaning})" for one in described_parameters(build))
        raise ConfigError(f"{what}, parameters: {error}; it takes {known or 'none'}") from error
    return {name: getattr(checked, name, value) for name, value in given.items()}


def _field(one: inspect.Parameter) -> tuple[str, object, object]:
    """A default is Python's to fill in, for it need not be of the type: here only whether there is one matters."""
    kind = object if _schema(one.annotation) is None else one.annotation
    return one.name, kind, msgspec.NODEFAULT if one.default is one.empty else None


def _default(one: inspect.Parameter) -> str:
    if one.default is one.empty:
        return ""
    return NOTHING if one.default is None else repr(one.default)


def _signature(build: Build) -> inspect.Signature:
    """With types in place of their names, if they can be found: some are imported for type checkers alone."""
    try:
        return inspect.signature(build, eval_str=True)
    except NameError:
        return inspect.signature(build)


def _schema(kind: object) -> dict[str, object] | None:
    """The JSON schema of a type that a topology can give; None of another."""
    try:
        return None if isinstance(kind, str) or kind is inspect.Parameter.empty else msgspec.json.schema(kind)
    except TypeError:
        return None


def _words(kind: object) -> str:
    """A type in words: `number, at least 0, below 0.5`; its own name where there are none."""
    field = _schema(kind)
    if field is None:
        return "" if kind is inspect.Parameter.empty else inspect.formatannotation(kind)
    return _range(field) or inspect.formatannotation(kind)


def _range(field: Mapping[str, object]) -> str:
    choices = field.get("anyOf")
    if isinstance(choices, list):
        return " or ".join(words for choice in choices if (words := _range(choice)) != "null")
    values = field.get("enum")
    if isinstance(values, list):
        return f"one of {', '.join(map(str, values))}"
    kind = str(field.get("type", ""))
    return ", ".join([KINDS.get(kind, kind), *(f"{word} {field[key]:g}" for key, word in BOUNDS.items() if key in field)])
