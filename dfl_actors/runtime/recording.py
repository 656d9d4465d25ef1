"""A recording of `dfl-actors tail --save`: JSON lines, each sealed with a checksum over everything before it.

The first line is a header: the format's number and the network. Every other line is a record as it came, with the field `crc` put
behind the others: the CRC-32 of the line without it, begun with the checksum of the line before. So a line that was altered,
lost or moved is found, and the file is still one JSON object a line. The last line says how many records there are. A recorder
that was killed leaves a file without it, perhaps with half a line at the end; that is no damage.
"""

import zlib
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import BinaryIO

import msgspec

from dfl_actors.errors import ConfigError, StoreError
from dfl_actors.files import explained
from dfl_actors.runtime.header import UNREADABLE, Record, read_record

FORMAT = 1
SEAL = len(b',"crc":"00000000"}\n')


class Network(msgspec.Struct, frozen=True, kw_only=True):
    """What a reader of records needs to know of the network; `begun` is when it was made, in ms since the epoch."""

    name: str
    nodes: tuple[str, ...]
    links: tuple[tuple[str, str], ...]
    begun: int = 0


class Header(msgspec.Struct, frozen=True, kw_only=True):
    """The first line."""

    tail: int
    version: str
    network: Network


class Footer(msgspec.Struct, frozen=True, kw_only=True):
    """The last line."""

    records: int


class Recorder:
    """Writes a recording. Every `flush` leaves a file that can be read, `close` one that is complete."""

    def __init__(self, path: Path, network: Network, version: str, force: bool = False) -> None:
        """Raises `ConfigError` when the file is there already, unless `force`; `StoreError` when it cannot be written."""
        self._path, self._sum, self._number = path, 0, 0
        with self._writing():
            try:
                self._file: BinaryIO = path.open("wb" if force else "xb")
            except FileExistsError:
                raise ConfigError(f"{path} exists and is not overwritten: choose another --save, or give --force") from None
        self._seal(msgspec.json.encode(Header(tail=FORMAT, version=version, network=network)))
        self.flush()

    def write(self, record: bytes) -> None:
        """Put a record, as it came, behind the others. Raises `StoreError`."""
        self._number += 1
        self._seal(record)

    def _seal(self, line: bytes) -> None:
        self._sum = zlib.crc32(line, self._sum)
        with self._writing():
            self._file.write(b'%s,"crc":"%08x"}\n' % (line[:-1], self._sum))

    def flush(self) -> None:
        """Hand to the system what was written. Raises `StoreError`."""
        with self._writing():
            self._file.flush()

    def close(self) -> None:
        """Write the last line. Raises `StoreError`."""
        self._seal(msgspec.json.encode(Footer(records=self._number)))
        with self._writing():
            self._file.close()

    def _writing(self) -> AbstractContextManager[None]:
        return explained(f"{self._path} cannot be written", "free some space, or choose another --save")


class Recording:
    """Reads a recording: `network`, and the `records` in their order; `read` counts them. `cut_short` says afterwards whether the
    end is missing."""

    def __init__(self, path: Path) -> None:
        """Raises `StoreError` when there is no recording at `path`."""
        self._path, self._sum, self._number = path, 0, 0
        self.cut_short, self.read = False, 0
        with explained(f"{path} cannot be read", "name a file that `dfl-actors tail --save` made"):
            self._file = path.open("rb")
        self.network = self._header().network

    def _header(self) -> Header:
        line = self._file.readline(1 << 24)
        try:
            known = msgspec.json.decode(line, type=dict)
        except UNREADABLE:
            known = {}
        if not isinstance(known.get("tail"), int):
            raise StoreError(f"{self._path} is not a recording: name a file that `dfl-actors tail --save` made")
        if known["tail"] > FORMAT:
            raise StoreError(f"{self._path} has format {known['tail']}, this program reads {FORMAT}: use the version that made it")
        try:
            return msgspec.json.decode(self._opened(line), type=Header)
        except UNREADABLE:
            raise self._damaged() from None

    def records(self) -> Iterator[tuple[bytes, Record]]:
        """Each record, as it came and decoded. Raises `StoreError` where the file is damaged."""
        for line in self._file:
            if not line.endswith(b"\n"):
                break
            raw = self._opened(line)
            try:
                if raw.startswith(b'{"records":'):
                    self._check_end(msgspec.json.decode(raw, type=Footer))
                    return
                record = read_record(raw)
            except UNREADABLE:
                raise self._damaged() from None
            self.read += 1
            yield raw, record
        self.cut_short = True

    def _check_end(self, footer: Footer) -> None:
        if footer.records != self.read or self._file.read(1):
            raise self._damaged()

    def _opened(self, line: bytes) -> bytes:
        """A line without its seal. Raises `StoreError` when it is broken."""
        self._number += 1
        raw = line[:-SEAL] + b"}"
        self._sum = zlib.crc32(raw, self._sum)
        if line[-SEAL:] != b',"crc":"%08x"}\n' % self._sum:
            raise self._damaged()
        return raw

    def _damaged(self) -> StoreError:
        return StoreError(f"{self._path} is damaged in line {self._number}: use a copy, or record anew")

    def close(self) -> None:
        self._file.close()
