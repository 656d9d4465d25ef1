"""TOML with good errors: typed tables from text and options, the line of a key, the words for a type, and back to text.

`tomllib` reads values but forgets their lines, msgspec checks types but names no remedy, and nothing in the standard
library writes TOML. Every error raised here is one line, `FILE:LINE: section.key: what is wrong; remedy`. The writer
knows the values a topology can hold: tables, lists, strings, numbers and booleans.
"""

import difflib
import json
import re
import tomllib
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, TypeVar

import msgspec.inspect

from dfl_actors.errors import ConfigError

Table = dict[str, Any]
Path = tuple[str, ...]
T = TypeVar("T", bound=msgspec.Struct)

HEADER = re.compile(r"\s*\[\s*([^\[\]]+?)\s*\]")
ASSIGNMENT = re.compile(r"""\s*((?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*')(?:\s*\.\s*(?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*'))*)\s*=""")
PART = re.compile(r"""[A-Za-z0-9_-]+|"[^"]*"|'[^']*'""")
BARE = re.compile(r"[A-Za-z0-9_-]+")
FAILED_KEY = re.compile(r"at `\$\.([A-Za-z0-9_]+)")
SHOWN = 60


class Source(msgspec.Struct, frozen=True):
    """Where values come from, to point at them in an error: a file's text, and the options that were put over it."""

    where: str
    text: str = ""
    options: dict[Path, str] = {}

    def error(self, path: Path, problem: str) -> ConfigError:
        """The error about the key at `path`; `problem` is `what is wrong; remedy`."""
        return ConfigError(f"{self._place(path)}: {'.'.join(path)}: {problem}")

    def _place(self, path: Path) -> str:
        for option, text in reversed(self.options.items()):
            shorter = min(len(option), len(path))
            if option[:shorter] == path[:shorter]:
                return f"--set {text}"
        line = find_line(self.text, path)
        return f"{self.where}:{line}" if line else self.where


def parse_table(text: str, where: str) -> Table:
    """The table that TOML text holds. Raises ConfigError."""
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as problem:
        raise ConfigError(f"{where}: not TOML: {problem}; mend that line") from problem


def put_options(table: Table, options: Sequence[str]) -> dict[Path, str]:
    """Put options `section.key=value` into the table in place; returns which keys they set. Raises ConfigError."""
    given: dict[Path, str] = {}
    for option in options:
        dotted, equals, value = option.partition("=")
        path = tuple(part.strip() for part in dotted.split("."))
        if not equals or len(path) < 2 or not all(path):
            raise ConfigError(f"--set {option}: not understood; write section.key=value, such as training.batch=32")
        _put(table, path, parse_value(value.strip()), option)
        given[path] = option
    return given


def _put(table: Table, path: Path, value: Any, option: str) -> None:
    for depth, part in enumerate(path[:-1], start=1):
        table = table.setdefault(part, {})
        if not isinstance(table, dict):
            raise ConfigError(f"--set {option}: {'.'.join(path[:depth])}: is a value and holds no keys; set it as a whole")
    table[path[-1]] = value


def check_known(table: Mapping[str, Any], known: Collection[str], path: Path, source: Source, what: str = "") -> None:
    """Every key of the table must be one of `known`. Raises ConfigError with the nearest known one."""
    for key in table:
        if key not in known:
            raise source.error((*path, key), f"unknown {what or ('key' if path else 'section')}; {nearest(key, known)}")


def convert(kind: type[T], table: Any, path: Path, source: Source) -> T:
    """The table as a checked `kind`. Raises ConfigError naming the key, its value and what may stand there."""
    if not isinstance(table, dict):
        raise source.error(path, f"is not a table; write it as a section [{'.'.join(path)}]")
    check_known(table, kind.__struct_fields__, path, source)
    try:
        return msgspec.convert(table, kind)
    except msgspec.ValidationError as problem:
        found = FAILED_KEY.search(str(problem))
        if found is None:
            raise source.error(path, f"{problem}; see docs/topology-format.md") from problem
        key = found[1]
        raise source.error((*path, key), f"{_shown(table[key])} does not fit; give {describe(_type_of(kind, key))}") from problem


def _type_of(kind: type[msgspec.Struct], key: str) -> msgspec.inspect.Type:
    info = msgspec.inspect.type_info(kind)
    assert isinstance(info, msgspec.inspect.StructType)
    return next(field.type for field in info.fields if field.name == key)


def _shown(value: Any) -> str:
    try:
        text = dump_value(value)
    except TypeError:
        text = str(value)
    return text if len(text) <= SHOWN else text[: SHOWN - 3] + "..."


def find_line(text: str, path: Path) -> int | None:
    """The line (from 1) where `path` is set, or the nearest table or key that holds it; None when there is no trace of it."""
    section: Path = ()
    best, depth = None, 0
    for number, line in enumerate(text.splitlines(), start=1):
        if header := HEADER.match(line):
            here = section = _parts(header[1])
        elif key := ASSIGNMENT.match(line):
            here = (*section, *_parts(key[1]))
        else:
            continue
        if len(here) > depth and here == path[: len(here)]:
            best, depth = number, len(here)
    return best


def parse_value(text: str) -> Any:
    """The value of an option: TOML where it is TOML (`4`, `true`, `["a"]`), otherwise the text itself."""
    try:
        table = tomllib.loads(f"value = {text}")
    except tomllib.TOMLDecodeError:
        return text
    return table["value"] if len(table) == 1 else text


def dump_table(table: Mapping[str, Any], path: Path = ()) -> str:
    """The table as TOML text that `tomllib` reads back to an equal table: plain values first, then one section a sub-table."""
    plain = [f"{_key(key)} = {dump_value(value)}\n" for key, value in table.items() if not isinstance(value, Mapping)]
    tables = [(key, value) for key, value in table.items() if isinstance(value, Mapping)]
    head = f"[{'.'.join(map(_key, path))}]\n" if path and (plain or not tables) else ""
    body = head + "".join(plain)
    return "\n".join(part for part in (body, *(dump_table(value, (*path, key)) for key, value in tables)) if part)


def dump_value(value: Any) -> str:
    """One value as TOML on one line. Raises TypeError for a value that a topology cannot hold."""
    match value:
        case bool():
            return "true" if value else "false"
        case int() | float():
            return repr(value)
        case str():
            # A JSON string is a TOML basic string, except for the one control character that JSON leaves alone.
            return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
        case list() | tuple():
            return f"[{', '.join(map(dump_value, value))}]"
        case dict():
            return "{" + ", ".join(f"{_key(key)} = {dump_value(item)}" for key, item in value.items()) + "}"
        case _:
            raise TypeError(f"{type(value).__name__} has no place in a topology")


def nearest(word: str, known: Iterable[str]) -> str:
    """What to offer for an unknown word: the nearest known one, else all of them."""
    words = list(known)
    close = difflib.get_close_matches(word, words, n=1, cutoff=0.5)
    return f'did you mean "{close[0]}"?' if close else f"known here: {', '.join(words)}"


def describe(kind: msgspec.inspect.Type) -> str:
    """A type and its limits in words: `a whole number from 1 to 8`."""
    match kind:
        case msgspec.inspect.Metadata():
            return str((kind.extra_json_schema or {}).get("description") or describe(kind.type))
        case msgspec.inspect.IntType():
            return "a whole number" + _limits(kind)
        case msgspec.inspect.FloatType():
            return "a number" + _limits(kind)
        case msgspec.inspect.StrType():
            return "a text" + _length(kind)
        case msgspec.inspect.BoolType():
            return "true or false"
        case msgspec.inspect.LiteralType(values):
            return "one of " + ", ".join(f'"{value}"' for value in values)
        case msgspec.inspect.UnionType(types):
            return " or ".join(describe(each) for each in types if not isinstance(each, msgspec.inspect.NoneType))
        case msgspec.inspect.DictType():
            return f"a table, each value {describe(kind.value_type)}"
        case msgspec.inspect.VarTupleType() | msgspec.inspect.ListType():
            return f"a list, each item {describe(kind.item_type)}"
        case _:
            return "a value of another kind"


def _limits(kind: msgspec.inspect.IntType | msgspec.inspect.FloatType) -> str:
    low = next((f" {word} {value:.10g}" for word, value in (("from", kind.ge), ("above", kind.gt)) if value is not None), "")
    high = next((f" {word} {value:.10g}" for word, value in (("to", kind.le), ("below", kind.lt)) if value is not None), "")
    return low + (" up" if low and not high else high)


def _length(kind: msgspec.inspect.StrType) -> str:
    if kind.max_length is None:
        return ""
    return f" of {kind.min_length or 0} to {kind.max_length} characters"


def _parts(dotted: str) -> Path:
    return tuple(part.strip("\"'") for part in PART.findall(dotted))


def _key(key: str) -> str:
    return key if BARE.fullmatch(key) else dump_value(key)
