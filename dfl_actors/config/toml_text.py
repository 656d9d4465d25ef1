"""TOML with good errors: typed tables from text and options, the line of a key, the words for a type, and back to text.

`tomllib` reads values but forgets their lines, msgspec checks types but names no remedy, and nothing in the standard
library writes TOML. What is wrong is gathered as `Mistakes`, each one line, `FILE:LINE: section.key: what is wrong; remedy`:
a wrong value is left out and reading goes on, so that one reading finds them all. The writer knows the values a topology
can hold: tables, lists, strings, numbers and booleans.
"""

import difflib
import json
import re
import tomllib
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, TypeVar

import msgspec
import msgspec.inspect
import msgspec.structs

from dfl_actors.errors import ConfigError

Table = dict[str, Any]
Path = tuple[str, ...]
T = TypeVar("T", bound=msgspec.Struct)
HEADER = re.compile(r"\s*(\[?)\[\s*([^\[\]]+?)\s*\]")
ASSIGNMENT = re.compile(r"""\s*((?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*')(?:\s*\.\s*(?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*'))*)\s*=""")
PART = re.compile(r"""[A-Za-z0-9_-]+|"[^"]*"|'[^']*'""")
BARE = re.compile(r"[A-Za-z0-9_-]+")
POSITION = re.compile(r" \(at (?:line (\d+), column (\d+)|end of document)\)$")
# In the value of a key: a string, a comment, or a bracket.
PIECE = re.compile(r"""\"(?:[^"\\\n]|\\.)*\"|'[^'\n]*'|#[^\n]*|[\[\]]""")
SHOWN = 60
MOST_BROKEN = 20
NONE = "none"
TOGETHER = {"attack": ("attack_parameters",)}  # What goes with a key that is taken away.
MOST_LISTED, MOST_KNOWN = 20, 40


class Source(msgspec.Struct, frozen=True):
    """Where values come from, to point at them in an error: a file's text, and the options that were put over it."""

    where: str
    text: str = ""
    options: dict[Path, str] = {}


class Mistake(msgspec.Struct, frozen=True):
    """One thing that is wrong with a table. `line` is None for an option, and where the file has no trace of the key."""

    path: Path
    line: int | None
    text: str


class Mistakes:
    """All that is wrong with a table, in the order it was found."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.found: list[Mistake] = []

    def add(self, path: Path, problem: str, item: int | None = None) -> None:
        """Note that the key at `path`, or one item of its list, is wrong; `problem` is `what is wrong; remedy`."""
        option = next((text for key, text in reversed(self.source.options.items()) if _one_holds_the_other(key, path)), None)
        line = None if option else find_line(self.source.text, path, item)
        self._note(path, line, f"--set {option}" if option else None, f"{'.'.join(path)}: {problem}")

    def add_line(self, line: int, problem: str) -> None:
        """Note that a line of the file is wrong."""
        self._note((), line, None, problem)

    def touch(self, keys: Iterable[str]) -> bool:
        """Whether one of these keys, or what holds it, is wrong. `node.rate` is the `rate` of any node."""
        wrong = [".".join(path[:1] + path[2:] if path[:1] == ("node",) else path) for path in (mistake.path for mistake in self.found)]
        return any(not other or f"{key}.".startswith(f"{other}.") for key in keys for other in wrong)

    def raise_first(self) -> None:
        """Raises ConfigError with the first mistake, if there is one."""
        if self.found:
            raise ConfigError(self.found[0].text)

    def _note(self, path: Path, line: int | None, place: str | None, text: str) -> None:
        place = place or (f"{self.source.where}:{line}" if line else self.source.where)
        self.found.append(Mistake(path=path, line=line, text=f"{place}: {text}"))


def _one_holds_the_other(one: Path, other: Path) -> bool:
    shorter = min(len(one), len(other))
    return one[:shorter] == other[:shorter]


def parse_table(text: str, mistakes: Mistakes) -> Table:
    """The table that TOML text holds. A line that is no TOML is a mistake and left out, so that the next is found too.

    A line that opens a table, or a value that never ends, cannot be left out: reading ends there with an empty table.
    """
    lines = text.split("\n")
    for _ in range(MOST_BROKEN):
        try:
            return tomllib.loads("\n".join(lines))
        except tomllib.TOMLDecodeError as problem:
            place = POSITION.search(str(problem))
            line, column = (int(place[1]), f" at column {place[2]}") if place and place[1] else (len(text.rstrip().split("\n")), "")
            mistakes.add_line(line, f"not TOML: {POSITION.sub('', str(problem))}{column}; mend that line")
            if not column or lines[line - 1].strip()[:1] in ("", "["):
                break
            lines[line - 1] = ""
    return {}


def put_options(table: Table, options: Sequence[str]) -> dict[Path, str]:
    """Put options `section.key=value` into the table in place; returns which keys they set. `none` takes a key away, and with an attack its
    parameters.

    Raises ConfigError.
    """
    given: dict[Path, str] = {}
    for option in options:
        dotted, equals, value = option.partition("=")
        path = tuple(part.strip() for part in dotted.split("."))
        if not equals or len(path) < 2 or not all(path):
            raise ConfigError(f"--set {option}: not understood; write section.key=value, such as training.batch=32")
        _put(table, path, value.strip(), option)
        given[path] = option
    return given


def _put(table: Table, path: Path, value: str, option: str) -> None:
    for depth, part in enumerate(path[:-1], start=1):
        table = table.setdefault(part, {})
        if not isinstance(table, dict):
            raise ConfigError(f"--set {option}: {'.'.join(path[:depth])}: is a value and holds no keys; set it as a whole")
    if value == NONE:
        for key in (path[-1], *TOGETHER.get(path[-1], ())):
            table.pop(key, None)
    else:
        table[path[-1]] = parse_value(value)


def check_known(table: Mapping[str, object], known: Collection[str], path: Path, mistakes: Mistakes, what: str = "") -> None:
    """Every key of the table must be one of `known`; the mistake offers the nearest known one."""
    for key in table:
        if key not in known:
            mistakes.add((*path, key), f"unknown {what or ('key' if path else 'section')}; {nearest(key, known)}")


def convert(kind: type[T], table: object, path: Path, mistakes: Mistakes) -> T:
    """The table as a checked `kind`, of which every key has a default: it stands in for a value that does not fit."""
    if not isinstance(table, dict):
        mistakes.add(path, f"is not a table; write it as a section [{'.'.join(path)}]")
        table = {}
    check_known(table, kind.__struct_fields__, path, mistakes)
    values = {}
    for field in msgspec.structs.fields(kind):
        if field.name in table:
            try:
                values[field.name] = msgspec.convert(table[field.name], field.type)
            except msgspec.ValidationError:
                fitting = describe(msgspec.inspect.type_info(field.type))
                mistakes.add((*path, field.name), f"{_shown(table[field.name])} does not fit; give {fitting}")
    return kind(**values)


def _shown(value: object) -> str:
    try:
        text = dump_value(value)
    except TypeError:
        text = str(value)
    return text if len(text) <= SHOWN else text[: SHOWN - 3] + "..."


def find_line(text: str, path: Path, item: int | None = None) -> int | None:
    """The line (from 1) where `path` is set, or the nearest table or key that holds it; None when there is no trace of it.

    With `item`, the line of that item (from 0) of the list of strings that is set there. Tables of a list, `[[event]]`, are counted
    from 1: `event.1`, `event.2`.
    """
    section: Path = ()
    tables: Counter[Path] = Counter()
    best, depth = None, 0
    lines = text.split("\n")
    for number, line in enumerate(lines, start=1):
        if header := HEADER.match(line):
            here = _parts(header[2])
            tables[here] += 1
            here = section = (*here, str(tables[here])) if header[1] else here
        elif key := ASSIGNMENT.match(line):
            here = (*section, *_parts(key[1]))
        else:
            continue
        if len(here) > depth and here == path[: len(here)]:
            best, depth = number, len(here)
    if best is None or item is None or depth < len(path):
        return best
    value = "\n".join(lines[best - 1 :]).partition("=")[2]
    return best + _newlines_before(value, item)


def _newlines_before(value: str, item: int) -> int:
    """How many lines down the string number `item` (from 0) of the list lies that `value` starts with; 0 when it is not found."""
    for piece in PIECE.finditer(value):
        if piece[0] == "]":
            break
        if piece[0][0] in "\"'":
            if item == 0:
                return value.count("\n", 0, piece.start())
            item -= 1
    return 0


def parse_value(text: str) -> object:
    """The value of an option: TOML where it is TOML (`4`, `true`, `["a"]`), otherwise the text itself."""
    try:
        table = tomllib.loads(f"value = {text}")
    except tomllib.TOMLDecodeError:
        return text
    return table["value"] if len(table) == 1 else text


def dump_table(table: Mapping[str, object], path: Path = ()) -> str:
    """The table as TOML text that `tomllib` reads back to an equal table: plain values first, then one section a sub-table."""
    plain = [f"{_key(key)} = {dump_value(value)}\n" for key, value in table.items() if not isinstance(value, Mapping)]
    tables = [(key, value) for key, value in table.items() if isinstance(value, Mapping)]
    head = f"[{'.'.join(map(_key, path))}]\n" if path and (plain or not tables) else ""
    body = head + "".join(plain)
    return "\n".join(part for part in (body, *(dump_table(value, (*path, key)) for key, value in tables)) if part)


def dump_value(value: object) -> str:
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
    return f'did you mean "{close[0]}"?' if close else f"known here: {listed(words, MOST_KNOWN)}"


def listed(words: Sequence[str], most: int = MOST_LISTED) -> str:
    """The words in a row, the middle of a long row left out."""
    return ", ".join(words if len(words) <= most else [*words[: most - 2], "...", words[-1]])


def counted(number: int, noun: str) -> str:
    """`1 link`, `2 links`, `1,000 links`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


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
            return f"a list{_length(kind)}, each item {describe(kind.item_type)}"
        case _:
            return "a value of another kind"


def _limits(kind: msgspec.inspect.IntType | msgspec.inspect.FloatType) -> str:
    low = next((f" {word} {value:.10g}" for word, value in (("from", kind.ge), ("above", kind.gt)) if value is not None), "")
    high = next((f" {word} {value:.10g}" for word, value in (("to", kind.le), ("below", kind.lt)) if value is not None), "")
    return low + (" up" if low and not high else high)


def _length(kind: msgspec.inspect.StrType | msgspec.inspect.VarTupleType | msgspec.inspect.ListType) -> str:
    if kind.max_length is None:
        return ""
    what = "characters" if isinstance(kind, msgspec.inspect.StrType) else "items"
    return f" of {kind.min_length or 0} to {kind.max_length} {what}"


def _parts(dotted: str) -> Path:
    return tuple(part.strip("\"'") for part in PART.findall(dotted))


def _key(key: str) -> str:
    return key if BARE.fullmatch(key) else dump_value(key)
