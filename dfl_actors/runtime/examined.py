"""Chains as a reader of a report sees them: the newest blocks of each, and whether the whole verifies, where that takes but seconds.

Everything is read in a child process, for a damaged LMDB file ends its reader.
"""

from collections.abc import Iterable
from pathlib import Path
from time import monotonic

import msgspec

from dfl_actors.errors import ChainError, StoreError
from dfl_actors.processes.isolated import ReaderDied, in_child
from dfl_actors.processes.limits import limit_processor
from dfl_actors.runtime.rundir import RunDirectory
from dfl_actors.runtime.stores import ChainStore
from dfl_actors.runtime.verify import Verified, verify

RATE = 4_000_000  # Bytes of blocks that are verified in a second: half of what a core of ours does (8 MB, 90 µs a signature).
READING = 60  # Seconds of work after which a store that is damaged so that it has no end is given up.


class Examined(msgspec.Struct, frozen=True, kw_only=True):
    """A node's chain: its `height`, and its newest `blocks` as canonical JSON, oldest first. `verified`: every digest, signature and rule,
    but not the stored weights; else `wrong` says what is wrong first. Without either it was too large to be verified here."""

    node: str
    height: int = 0
    blocks: tuple[bytes, ...] = ()
    verified: Verified | None = None
    wrong: str = ""


def has_chains(run: RunDirectory, names: Iterable[str]) -> bool:
    """Whether the directory holds any: a simulation has none, and a run may have been copied without."""
    return any(run.node(name).chain.exists() for name in names)


def examine_all(run: RunDirectory, names: tuple[str, ...], most: int, seconds: float) -> list[Examined]:
    """The chains of nodes with their newest `most` blocks, verified one after the other while that fits into `seconds`.

    A store that ends its reader is said to be damaged, of every chain where nobody knows which it was.
    """
    try:
        return in_child(_examine, run.path, names, most, seconds)
    except ReaderDied as error:
        return [Examined(node=name, wrong=str(error)) for name in names]


def _examine(path: Path, names: tuple[str, ...], most: int, seconds: float) -> list[Examined]:
    limit_processor(READING + round(seconds))
    run, deadline = RunDirectory(path), monotonic() + seconds
    return [_one(run, name, most, deadline - monotonic()) for name in names]


def _one(run: RunDirectory, name: str, most: int, seconds: float) -> Examined:
    node = run.node(name)
    if not node.chain.exists():
        return Examined(node=name, wrong="there is no chain in the run's directory")
    try:
        height, size, blocks = _newest(node.chain, most)
    except StoreError as error:
        return Examined(node=name, wrong=str(error))
    found = Examined(node=name, height=height, blocks=blocks)
    if size > RATE * seconds:
        return found
    try:
        return msgspec.structs.replace(found, verified=verify(run, name, weights=False))
    except (ChainError, StoreError) as error:
        return msgspec.structs.replace(found, wrong=str(error).removeprefix(f"node {name}: "))


def _newest(chain: Path, most: int) -> tuple[int, int, tuple[bytes, ...]]:
    """Height, bytes of all blocks, and the newest blocks."""
    with ChainStore(chain, readonly=True) as store:
        height, first = store.height, store.first
        blocks = [store.block(number) for number in range(max(first, height - most), height)]
    return height, (chain / "data.mdb").stat().st_size, tuple(block for block in blocks if block is not None)
