"""The three stores of a node, each an LMDB directory: what an actor has signed, the models, and the chain.

| store      | written by               | a commit is                                  | loses                                   |
|------------|--------------------------|----------------------------------------------|-----------------------------------------|
| Journal    | the one actor it is of   | on the disk when `commit` returns            | nothing                                 |
| ModelStore | all actors of the node   | seen by the others at once, never synced     | what the system had not written itself  |
| ChainStore | the builder              | on the disk when `append` returns            | nothing                                 |

LMDB maps its file into memory, which sets four rules, kept by `_Store` for all three:

* The map has a size. A writer that finds it full doubles it; another process whose map is too small adopts the new size. Both
  move the map, so neither is done while this process reads from it. A read inside another one shares its snapshot, so that it never
  has to; a write that finds no room is refused there, and the map of a model store is made so large that it finds some.
* A reader that was killed keeps its slot, and with it every page it could see, until somebody checks the readers.
* There are no checksums: of a shortened file the missing pages end the process by SIGBUS. `processes.isolated` reads a store
  that may be damaged, and makes an error of such a death.
* One process opens a directory once at a time, and never uses across a fork what it has opened.

Python's LMDB interns the names of its figures (`stat`, `info`), and they are forgotten with the answer: asked a hundred times a second,
that fills the table of interned strings within minutes, which then doubles, 7.6 MB in every process. A store keeps the names.

A store belongs to one thread.
"""

from __future__ import annotations

import fcntl
import os
import struct
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from hashlib import sha256
from itertools import islice
from pathlib import Path
from typing import ClassVar, Self, TypeVar

import lmdb

from dfl_actors.errors import StoreError
from dfl_actors.runtime.recency import NUMBER, held, hold, last_tick, oldest, ordered
from dfl_actors.runtime.sound import allocate, check_sound
from dfl_actors.runtime.store_errors import store_error

T = TypeVar("T")
MIB = 1 << 20
MAP_SPARE = 4  # times what a full model store takes, for what is put while somebody reads
SCAN_PAGE = 256  # entries that a scan reads in one transaction
USE = struct.Struct(">QQ")  # the last use of a model: its tick, and the model's bytes


class _Store:
    """One LMDB directory (0700, files 0600), its map and its errors.

    Raises StoreError for whatever the operating system or LMDB refuses, here and in every method.
    """

    map_size: int  # bytes of address space to begin with; the file itself is only as large as what is in it
    sync: ClassVar[bool]

    def __init__(self, path: Path, *, readonly: bool = False) -> None:
        self.path = path
        self._readonly = readonly
        self._snapshot: lmdb.Transaction[memoryview] | None = None
        try:
            self._env = self._open()
            self._env.reader_check()
            self._names = *self._env.stat(), *self._env.info()
        except (OSError, lmdb.Error) as error:
            raise store_error(path, error) from error

    def _open(self) -> lmdb.Environment:
        if not self._readonly:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            allocate(self.path / "lock.mdb")
        lock, size = not self._readonly or self._lockable(), self.map_size
        while True:
            try:
                return lmdb.open(
                    os.fspath(self.path), map_size=size, mode=0o600, readonly=self._readonly, create=not self._readonly,
                    lock=lock, sync=self.sync, metasync=self.sync,
                )  # fmt: skip
            except lmdb.MapResizedError:  # another process let the store grow while LMDB opened it here
                size *= 2

    def _lockable(self) -> bool:
        """Whether a reader can take its slot in the lock file; of a write-protected copy there is no writer."""
        file = self.path / "lock.mdb"
        return os.access(file if file.exists() else self.path, os.W_OK)

    def close(self) -> None:
        """Close the store; a second time is harmless. Views must not be open."""
        self._env.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        self.close()

    @contextmanager
    def _reading(self) -> Iterator[lmdb.Transaction[memoryview]]:
        """A snapshot; inside another one, that one. What it returns are views into the map, valid inside the outermost `with`."""
        if self._snapshot is not None:
            yield self._snapshot
            return
        try:
            with self._begin() as self._snapshot:
                yield self._snapshot
        except lmdb.Error as error:
            raise store_error(self.path, error) from error
        finally:
            self._snapshot = None

    def _begin(self) -> lmdb.Transaction[memoryview]:
        while True:
            try:
                return self._env.begin(buffers=True)
            except lmdb.MapResizedError:
                self._remap(0)
            except lmdb.ReadersFullError as error:
                if not self._env.reader_check():
                    raise StoreError(f"{self.path} has too many readers: stop the processes that read it") from error

    def _write(self, change: Callable[[lmdb.Transaction[memoryview]], T]) -> T:
        """Make one change, whole or not at all. `change` may be called again from the start, in a larger map."""
        if self._readonly:
            raise StoreError(f"{self.path} is open for reading only: open it for writing")
        try:
            while True:
                try:
                    with self._env.begin(write=True, buffers=True) as transaction:
                        return change(transaction)
                except lmdb.MapFullError:
                    if not self._env.reader_check():  # if not merely full of what a dead reader holds
                        self._remap(2 * self._env.info()["map_size"])
                except lmdb.MapResizedError:
                    self._remap(0)
        except lmdb.Error as error:
            raise store_error(self.path, error) from error

    def _remap(self, size: int) -> None:
        """Give the map `size` bytes; 0 adopts the size that another process gave it."""
        if self._snapshot is not None:
            raise StoreError(f"{self.path} cannot grow while this process reads from it: close the view before writing")
        self._env.set_mapsize(size)

    def check(self) -> None:
        """Look at all that LMDB does not look at (`sound`)."""
        check_sound(self.path, self._env)

    def _get(self, key: bytes) -> bytes | None:
        with self._reading() as transaction:
            value = transaction.get(key)
            return None if value is None else bytes(value)


class Journal(_Store):
    """What one actor must still know after a crash: keys and values, on the disk before the actor speaks."""

    map_size = 16 * MIB
    sync = True

    def _open(self) -> lmdb.Environment:
        """Held against every other process, which would be another actor that takes itself for this one. A crash frees it."""
        environment = super()._open()
        if not self._readonly:
            self._held = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
            try:
                fcntl.flock(self._held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise StoreError(f"{self.path} is held by another process: end that before you start this") from None
        return environment

    def close(self) -> None:
        """Close the journal, which then is free for another process."""
        super().close()
        if not self._readonly:
            os.close(self._held)
            self._readonly = True

    @property
    def commits(self) -> int:
        """How many there were, in all lives."""
        return int(self._env.info()["last_txnid"])

    def get(self, key: bytes) -> bytes | None:
        """The value of `key`, or None."""
        return self._get(key)

    def scan(self, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
        """The entries whose key begins with `prefix`, in key order; commits during the scan are seen if they lie ahead."""
        start = prefix
        while page := self._page(start, prefix):
            yield from page
            start = page[-1][0] + b"\0"

    def _page(self, start: bytes, prefix: bytes) -> list[tuple[bytes, bytes]]:
        with self._reading() as transaction, transaction.cursor() as cursor:
            entries = islice(cursor, SCAN_PAGE) if cursor.set_range(start) else ()
            page = [(bytes(key), bytes(value)) for key, value in entries]
        return [(key, value) for key, value in page if key.startswith(prefix)]

    def commit(self, writes: Sequence[tuple[bytes, bytes | None]]) -> None:
        """Write all, in order, in one transaction that is on the disk when this returns; None deletes a key.

        No writes cost nothing. A key has 1 to 511 bytes.
        """

        def change(transaction: lmdb.Transaction[memoryview]) -> None:
            for key, value in writes:
                if value is None:
                    transaction.delete(key)
                else:
                    transaction.put(key, value)

        if writes:
            self._write(change)


class ModelStore(_Store):
    """Encoded models by digest, shared by the processes of a node: at most `capacity`, the least recently used out first.

    "Used" is `put` or `touch`: reading alone writes nothing. Eviction is the putter's, so all processes give one capacity. It passes over
    what is held: a node that begins again finds its own model, however much came from others before its trainer was there.
    Pages of an evicted model are used again two writes later: the file stays near (capacity + 3) of the largest models, and
    what is put while a view is open adds to that. Nothing is synced: a killed process loses nothing, a machine that loses
    its power may leave a damaged store, of which `power` keeps the models that have their digest.

    Three entries a model: `m` + key -> bytes, `u` + key -> (tick, length), `o` + tick -> key (`recency`), and one for those that are held.
    """

    map_size = 1024 * MIB
    sync = False

    def __init__(self, path: Path, capacity: int | None = None, largest: int = 0) -> None:
        """Without a capacity the store must exist and is opened for reading only. `largest` is the bytes of the largest model."""
        if capacity is not None and capacity < 1:
            raise ValueError(f"capacity is {capacity}: a model store holds at least 1 model")
        self._capacity = capacity or 0
        self.map_size = max(self.map_size, MAP_SPARE * (self._capacity + 3) * largest)
        super().__init__(path, readonly=capacity is None)
        # A value of a page or more has pages of its own and begins on a multiple of 16 bytes; shorter models are padded.
        self._padded = self._env.stat()["psize"]

    def put(self, key: str, data: bytes | memoryview, held: bool = False) -> None:
        """Store `data` under `key`; a model that is here already is only touched. With `held` it stays, and the one held before it."""
        name, view = key.encode(), memoryview(data).cast("B")
        body = view if view.nbytes >= self._padded else bytes(view).ljust(self._padded, b"\0")

        def change(transaction: lmdb.Transaction[memoryview]) -> None:
            if not self._use(transaction, name):
                transaction.put(b"m" + name, body)
                self._stamp(transaction, name, view.nbytes)
            if held:
                hold(transaction, name)
            while transaction.stat()["entries"] > 3 * self._capacity + 1 and (least := oldest(transaction)) is not None:
                _forget(transaction, *least)

        self._write(change)

    @contextmanager
    def view(self, key: str) -> Iterator[memoryview | None]:
        """The model's bytes in place, read-only and aligned to 16, or None.

        Valid inside the `with` only, for others may write over them afterwards. A put meanwhile must not need a larger map.
        """
        name = key.encode()
        with self._reading() as transaction:
            used = transaction.get(b"u" + name)
            body = transaction.get(b"m" + name)
            yield None if used is None or body is None else body[: USE.unpack(used)[1]]

    def size(self, key: str) -> int | None:
        """Bytes of the model, or None."""
        with self._reading() as transaction:
            used = transaction.get(b"u" + key.encode())
            return None if used is None else USE.unpack(used)[1]

    def touch(self, key: str) -> bool:
        """Make the model the most recently used; False without the model."""
        return self._write(lambda transaction: self._use(transaction, key.encode()))

    def keys(self) -> list[str]:
        """The digests, least recently used first."""
        with self._reading() as transaction:
            return [name.decode() for _, name in ordered(transaction)]

    def held(self) -> list[str]:
        """The digests of those that stay, the newest first."""
        with self._reading() as transaction:
            return [name.decode() for name in held(transaction)]

    def _use(self, transaction: lmdb.Transaction[memoryview], name: bytes) -> bool:
        used = transaction.get(b"u" + name)
        if used is None:
            return False
        tick, length = USE.unpack(used)
        transaction.delete(b"o" + NUMBER.pack(tick))
        self._stamp(transaction, name, length)
        return True

    def _stamp(self, transaction: lmdb.Transaction[memoryview], name: bytes, length: int) -> None:
        tick = last_tick(transaction) + 1
        transaction.put(b"o" + NUMBER.pack(tick), name)
        transaction.put(b"u" + name, USE.pack(tick, length))


def _forget(transaction: lmdb.Transaction[memoryview], use: bytes, name: bytes) -> None:
    for key in (use, b"u" + name, b"m" + name):
        transaction.delete(key)


class ChainStore(_Store):
    """The genesis and the final blocks of one node, append-only: `genesis` -> bytes, `b` + height -> bytes, from height 0.

    The builder alone opens it for writing. With `readonly` it must exist, and may be read while the builder appends.
    """

    map_size = 64 * MIB
    sync = True

    @property
    def genesis(self) -> bytes | None:
        """The genesis, or None before `create`."""
        return self._get(b"genesis")

    @property
    def height(self) -> int:
        """The height of the next block."""
        with self._reading() as transaction:
            return _height(transaction)

    @property
    def first(self) -> int:
        """The height of the first block: 0, unless those before it were lost."""
        with self._reading() as transaction:
            return _first(transaction)

    def create(self, genesis: bytes, anew: bool = False) -> None:
        """Begin the chain; the same genesis again changes nothing. Raises StoreError if it is another network's chain, unless it has no
        blocks and may begin `anew`."""

        def change(transaction: lmdb.Transaction[memoryview]) -> None:
            present = transaction.get(b"genesis")
            if present is None or (anew and not _height(transaction)):
                transaction.put(b"genesis", genesis)
            elif present != genesis:
                raise StoreError(
                    f"{self.path} holds a chain of another genesis: it is {sha256(present).hexdigest()}, this network's is "
                    f"{sha256(genesis).hexdigest()}: use this network's directory, or begin anew in another (--out)"
                )

        self._write(change)

    def append(self, height: int, block: bytes) -> None:
        """Store the block of `height`, which is on the disk when this returns. Raises StoreError unless it is the next."""

        def change(transaction: lmdb.Transaction[memoryview]) -> None:
            if transaction.get(b"genesis") is None:
                raise StoreError(f"{self.path} has no genesis: create the chain before appending to it")
            if height != _height(transaction) and _height(transaction):
                raise StoreError(f"{self.path} takes block {_height(transaction)} next, not {height}: read the chain again")
            transaction.put(b"b" + NUMBER.pack(height), block, overwrite=False)

        self._write(change)

    def block(self, height: int) -> bytes | None:
        """The block of `height`, or None beyond the end."""
        return None if height < 0 else self._get(b"b" + NUMBER.pack(height))

    def blocks(self) -> Iterator[bytes]:
        """All blocks from the first on, those included that are appended meanwhile."""
        height = self.first
        while (block := self.block(height)) is not None:
            yield block
            height += 1


def _height(transaction: lmdb.Transaction[memoryview]) -> int:
    return _first(transaction) + max(0, transaction.stat()["entries"] - 1)  # all but the genesis


def _first(transaction: lmdb.Transaction[memoryview]) -> int:
    """The key of a block is before that of the genesis."""
    with transaction.cursor() as cursor:
        key = bytes(cursor.key()) if cursor.first() else b""
    return int(NUMBER.unpack(key[1:])[0]) if key[:1] == b"b" else 0
