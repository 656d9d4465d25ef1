"""How `docs/protocol.md` writes down what the types say: the ways of messages, their fields, and the bounds of both."""

import re
from pathlib import Path

import msgspec
from msgspec.inspect import IntType, StrType, StructType, VarTupleType, type_info

from dfl_actors.core.family import Control, Event, Letter, Message, Reply, Request, members

DOCUMENT = Path(__file__).parent.parent.parent / "docs" / "protocol.md"
COUNT = 2**53 - 1


def rows(kind: type[Message]) -> list[list[str]]:
    """The table of a kind of messages, without its last column, what they mean."""
    return [[f"`{one.__name__}`", *_columns(one)] for one in members(kind)]


def _columns(kind: type[Message]) -> list[str]:
    fields = ", ".join(f"`{name}`{_in_brackets(kind, name)}" for name in kind.__struct_encode_fields__) or "none"
    if issubclass(kind, Event | Letter | Control):
        return [f"{kind.says} -> {', '.join(kind.hears) or 'nobody'}", fields]
    if issubclass(kind, Request):
        return [fields, ", ".join(f"`{reply.__name__}`" for reply in members(Reply) if kind in reply.to) or "none"]
    return [fields]


def _in_brackets(kind: type[msgspec.Struct], name: str) -> str:
    found = bounds(kind)[name]
    return "" if found is None else f" ({found})"


def bounds(kind: type[msgspec.Struct]) -> dict[str, str | None]:
    """What a field may hold, where the type limits it: `1..16`, `text 0..64`, `0..256`; None for digests, counts and the like."""
    info = type_info(kind)
    assert isinstance(info, StructType)
    return {field.encode_name: _bounds_of(field.type) for field in info.fields}


def _bounds_of(info: msgspec.inspect.Type) -> str | None:
    if isinstance(info, IntType) and (info.ge, info.le) not in ((None, None), (0, COUNT), (1, 1)):
        return f"{info.ge or 0:,}..{info.le:,}"
    if isinstance(info, StrType) and info.max_length is not None and info.pattern is None:
        return f"text {info.min_length or 0:,}..{info.max_length:,}"
    if isinstance(info, VarTupleType) and info.max_length is not None:
        return f"{info.min_length or 0:,}..{info.max_length:,}"
    return None


def documented(head: str, after: str = "") -> list[list[str]]:
    """The cells of the document's first table that begins with `head`, or of the first one after a line that begins with `after`."""
    lines = DOCUMENT.read_text(encoding="utf-8").splitlines()
    lines = lines[next(index for index, line in enumerate(lines) if line.startswith(after)) :]
    begin = lines.index(head) + 2
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines[begin : lines.index("", begin)]]
