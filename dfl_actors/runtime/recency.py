"""In which order the models of a store were used, and which of them stay whatever is put: entries of an LMDB transaction.

`o` + tick -> name, a tick being one use: the least goes first. `h` -> the names of the held ones, the newest first.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from itertools import takewhile

import lmdb

NUMBER = struct.Struct(">Q")  # A height or a tick.
HELD, MOST_HELD = b"h", 2
"""Of two models of a node's own it may find either when it begins again: of the newest, whose number it has not written down, or of the one
before."""


def ordered(transaction: lmdb.Transaction[memoryview]) -> Iterator[tuple[bytes, bytes]]:
    """The entries of the models' last uses, each with the model's name, least recently used first."""
    with transaction.cursor() as cursor:
        entries = iter(cursor) if cursor.set_range(b"o") else iter(())
        yield from ((bytes(use), bytes(name)) for use, name in takewhile(lambda entry: bytes(entry[0][:1]) == b"o", entries))


def last_tick(transaction: lmdb.Transaction[memoryview]) -> int:
    with transaction.cursor() as cursor:
        found = cursor.prev() if cursor.set_range(b"p") else cursor.last()
        return int(NUMBER.unpack(cursor.key()[1:])[0]) if found and bytes(cursor.key()[:1]) == b"o" else 0


def held(transaction: lmdb.Transaction[memoryview]) -> list[bytes]:
    """The names of the models that stay, the newest first."""
    found = transaction.get(HELD)
    return [] if found is None else bytes(found).split(b" ")


def hold(transaction: lmdb.Transaction[memoryview], name: bytes) -> None:
    """This model stays, and the one that was held last."""
    names = [name, *(other for other in held(transaction) if other != name)][:MOST_HELD]
    transaction.put(HELD, b" ".join(names))


def oldest(transaction: lmdb.Transaction[memoryview]) -> tuple[bytes, bytes] | None:
    """The least recently used model that is not held: the entry of its last use, and its name."""
    kept = held(transaction)
    return next((found for found in ordered(transaction) if found[1] not in kept), None)
