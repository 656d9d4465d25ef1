"""The directory of one run: its files by name, its creation, and the lock that keeps two runs apart.

    config.toml  run.json  metrics-0001.jsonl ...  metrics.jsonl  status.json  marks.json  events.json  accuracy.png  summary.json
    nodes/<name>/  key  key.pub  chain/  models/  journal/<actor>/  marks.json  model.keras  fed/
    lock           while a run uses the directory

Also here: what `run.json` holds, and the check for free disk space.
"""

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from itertools import count
from pathlib import Path
from typing import Annotated, Self

import msgspec

from dfl_actors.core.objects import Address
from dfl_actors.errors import StoreError
from dfl_actors.files import explained, read_bytes
from dfl_actors.learning.form import Form

Shown = Annotated[str, msgspec.Meta(pattern=r"^[^\x00-\x1f\x7f-\x9f]*\Z")]
"""A name that moves no cursor and breaks no line: a run directory may come from anybody, and names are printed."""

LEAST_SPACE = 200_000_000  # bytes

BEGUN = (
    "config.toml", "genesis.json", "part-config.toml", "part-genesis.json", "part-run.json",
    "nodes/*/key", "nodes/*/key.pub", "nodes/*/chain/data.mdb", "nodes/*/chain/lock.mdb",
)  # fmt: skip
"""What a start makes before its run.json: all that there is when it is killed until then, besides the lock."""

STARTED = (
    "metrics.jsonl", "metrics-*.jsonl",
    "status.json", "part-status.json", "marks.json", "part-marks.json",
    "nodes/*/log/*.log", "nodes/*/journal/*/*.mdb", "nodes/*/models/*.mdb",
    "nodes/*/models/boot", "nodes/*/marks.json", "nodes/*/part-marks.json",
)  # fmt: skip
"""What actors and the supervisor make that start."""


class About(msgspec.Struct, frozen=True, kw_only=True):
    """The run's `run.json`: what a reader needs besides the metrics. `starts` counts the times the run was started.

    `data` is the digest of the data set, `form` what it gives a model; a directory from before they were recorded lacks them.
    `exposed` says that links left the machine unencrypted (`--insecure`).
    """

    name: Shown
    started: int
    nodes: dict[Shown, Address]
    links: tuple[tuple[str, str], ...] = ()
    genesis: str = ""
    seed: int = 0
    version: str = ""
    command: list[str] = []
    target: float | None = None
    starts: int = 1
    sockets: str = ""
    data: str = ""
    form: Form | None = None
    exposed: str = ""


class NodeDirectory:
    """What one node keeps; `path` is also the directory of its key files."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.chain, self.models, self.model = path / "chain", path / "models", path / "model.keras"

    @property
    def journals(self) -> Path:
        return self.path / "journal"

    def journal(self, actor: str) -> Path:
        return self.journals / actor

    @property
    def marks(self) -> Path:
        """How far its journals have come."""
        return self.path / "marks.json"

    @property
    def fed(self) -> Path:
        """What was fed to the node while it ran."""
        return self.path / "fed"

    def log(self, actor: str) -> Path:
        """What an actor's process prints."""
        return self.path / "log" / f"{actor}.log"


class RunDirectory:
    """The files of one run. The constructor only names them: see `create` and `open`."""

    def __init__(self, path: Path) -> None:
        self.path, self.nodes, self.lock_file = path, path / "nodes", path / "lock"
        self.config, self.run, self.metrics = path / "config.toml", path / "run.json", path / "metrics.jsonl"
        self.accuracy, self.summary = path / "accuracy.png", path / "summary.json"
        self.status, self.marks = path / "status.json", path / "marks.json"

    def node(self, name: str) -> NodeDirectory:
        """The directory of a node. Raises StoreError if the name is no name of a directory."""
        if name in ("", ".", "..") or "/" in name or "\0" in name:
            raise StoreError(f"{self.nodes} cannot hold a node named {name!r}: use letters, digits, '-' and '_'")
        return NodeDirectory(self.nodes / name)

    def metrics_files(self) -> list[Path]:
        """Where the metrics are: those that were long, in their order, then `metrics`, which need not be there."""
        return metrics_files(self.path)

    @classmethod
    def create(cls, path: Path) -> Self:
        """A new, empty run directory; an empty one that is there will do. Raises StoreError."""
        with explained(f"{path} cannot be made a run directory", "choose another --out"):
            path.mkdir(parents=True, exist_ok=True)
            present = {entry.name for entry in path.iterdir()}
        if present - {"lock"} and not cls(path).only_begun():
            raise StoreError(f"{path} is not empty: continue that run with --resume or choose another --out")
        if not os.access(path, os.W_OK | os.X_OK):
            raise StoreError(f"{path} may not be written by this user: correct its permissions or choose another --out")
        return cls(path)

    @classmethod
    def open(cls, path: Path) -> Self:
        """The directory of an earlier run, known by its run.json. Raises StoreError."""
        directory = cls(path)
        if not path.is_dir():
            raise StoreError(f"{path} does not exist or is not a directory: name the directory of a run")
        if not directory.run.is_file() and directory.lock_file.is_file() and directory.only_begun():
            raise StoreError(f"{path} was cut off while it began, before anything was learnt: give the command that began it again")
        if not directory.run.is_file():
            raise StoreError(f"{path} is not the directory of a run (there is no run.json): name one that is")
        return directory

    def only_begun(self) -> bool:
        """Whether all that is here was left by a start that was killed before its run.json: its lock, and files of ours."""
        files = [file for file in self.path.rglob("*") if not file.is_dir()]
        return self.lock_file in files and all(file == self.lock_file or self._is_one_of(BEGUN, file) for file in files)

    def _is_one_of(self, patterns: tuple[str, ...], file: Path) -> bool:
        place = file.relative_to(self.path)
        return any(place.match(pattern) and len(place.parts) == pattern.count("/") + 1 for pattern in patterns)

    def forget(self, patterns: tuple[str, ...]) -> None:
        """Remove those files, and directories that are empty then; nothing else. Raises StoreError."""
        try:
            for path in sorted(self.path.rglob("*"), reverse=True):
                if path.is_dir() and not path.is_symlink():
                    if not any(path.iterdir()):
                        path.rmdir()
                elif self._is_one_of(patterns, path):
                    path.unlink()
        except OSError as error:
            raise StoreError(f"{error.filename} cannot be removed ({error.strerror}): choose another --out") from error

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the directory against other processes. A crash frees it. Raises StoreError if another process holds it."""
        descriptor = self._locked()
        try:
            os.ftruncate(descriptor, 0)
            os.write(descriptor, f"{os.getpid()}\n".encode())
            yield
        finally:
            self.lock_file.unlink(missing_ok=True)  # before the lock is given up, so that it is still ours
            os.close(descriptor)

    def held(self) -> bool:
        """Whether a process holds the directory at this moment. It is not disturbed, and nor is one that begins to. Raises StoreError."""
        with explained(f"{self.lock_file} cannot be read", "correct its permissions"):
            try:
                descriptor = os.open(self.lock_file, os.O_RDONLY | os.O_CLOEXEC)
            except FileNotFoundError:
                return False
        try:
            return not self._took(descriptor, fcntl.LOCK_SH)
        finally:
            os.close(descriptor)

    def _locked(self) -> int:
        while True:
            descriptor = self._lock_once()
            # The holder before us may have removed the file between our open and our lock: then the lock is on nothing.
            if _names(self.lock_file, descriptor):
                return descriptor
            os.close(descriptor)

    def _lock_once(self) -> int:
        with explained(f"{self.lock_file} cannot be written", "correct its permissions"):
            descriptor = os.open(self.lock_file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            while not self._took(descriptor, fcntl.LOCK_EX):
                if not self._took(descriptor, fcntl.LOCK_SH):  # else in the way are only those who look (`held`), for a moment
                    holder = os.pread(descriptor, 20, 0).decode("ascii", errors="replace").strip() or "unknown"
                    raise StoreError(f"{self.path} is held by process {holder}: stop it or choose another --out")
        except StoreError:
            os.close(descriptor)
            raise
        return descriptor

    def _took(self, descriptor: int, kind: int) -> bool:
        """Lock a file that nobody has locked against us; a lock that cannot be had leaves us with none. Raises StoreError."""
        with explained(f"{self.lock_file} cannot be locked", "choose a local disk"):
            try:
                fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
        return True


def metrics_files(path: Path) -> list[Path]:
    """The files of metrics in a run directory, the oldest first; the last need not be there."""
    return [*sorted((file for file in path.glob("metrics-*.jsonl") if number_of(file)), key=number_of), path / "metrics.jsonl"]


def number_of(file: Path) -> int:
    """Of a file of metrics that was long; 0 for another name."""
    number = file.stem.removeprefix("metrics-")
    return int(number) if number.isdecimal() else 0


def read_about(run: RunDirectory) -> About:
    """The run's `run.json`. Raises `StoreError`."""
    with explained(f"{run.run} cannot be read", "name a directory that `dfl-actors run` made"):
        raw = read_bytes(run.run)
    try:
        return msgspec.json.decode(raw, type=About)
    except msgspec.DecodeError as error:
        raise StoreError(f"{run.run} is damaged ({error}): restore the file, or name another run directory") from error


def _names(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def default_path(name: str, now: int, folder: str = "runs") -> Path:
    """`<folder>/<name>-YYYYmmdd-HHMMSS` in local time, with -2, -3, ... behind it as long as there is such a path."""
    first = Path(folder) / f"{name}-{datetime.fromtimestamp(now / 1000):%Y%m%d-%H%M%S}"
    paths = (first if number == 1 else first.with_name(f"{first.name}-{number}") for number in count(1))
    return next(path for path in paths if not path.exists())


def free_space(path: Path) -> int:
    """Bytes that may still be written at `path`, which need not exist yet. Raises StoreError."""
    existing = next(parent for parent in (path.absolute(), *path.absolute().parents) if parent.exists())
    with explained(f"{existing} cannot be used", "choose another --out"):
        return shutil.disk_usage(existing).free


def check_space(path: Path, least: int = LEAST_SPACE) -> None:
    """Raises StoreError if fewer than `least` bytes are free at `path`."""
    free = free_space(path)
    if free < least:
        raise StoreError(f"{path} has {free // 10**6} MB left, {least // 10**6} MB are needed: free some space or choose another --out")
