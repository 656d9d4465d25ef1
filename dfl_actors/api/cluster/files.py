"""Files on their way from one machine to another, a piece at a time; and those that every machine must have."""

import hashlib
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath

import msgspec

from dfl_actors.config import Config
from dfl_actors.errors import ConfigError, StoreError
from dfl_actors.files import explained

AT_ONCE = 4 << 20  # Bytes of a piece.
HASHED = 64 << 20  # A named file up to so many bytes is compared with ours; of a larger one it is enough that it is there.
NAMED = re.compile(r"(?:hf:)?(?P<path>/[^:]*)(?::\w+)?")  # A value that names a file or a folder, as a configuration has it: absolute.
REMEDY = "free some space there"


class Piece(msgspec.Struct, frozen=True, tag=True):
    """A part of a file: its path below the folder that is carried, whether it begins with this, and its bytes."""

    path: str
    begins: bool
    body: bytes


def pieces(folder: Path) -> Iterator[Piece]:
    """All files below a folder. Raises `OSError` also for one that has gone meanwhile."""
    for place, _, names in os.walk(folder, onerror=_raise):
        for name in sorted(names):
            path = Path(place, name)
            relative = path.relative_to(folder).as_posix()
            with path.open("rb") as file:
                yield Piece(relative, begins=True, body=file.read(AT_ONCE))
                while body := file.read(AT_ONCE):
                    yield Piece(relative, begins=False, body=body)


def _raise(error: OSError) -> None:
    raise error


def put(piece: Piece, folder: Path) -> None:
    """Write a piece below a folder. Raises `StoreError`."""
    parts = PurePosixPath(piece.path).parts
    if not parts or parts[0] == "/" or ".." in parts:
        raise StoreError(f"a machine of the cluster sent a file named {piece.path!r}, which lies outside its folder: nothing was written")
    path = folder.joinpath(*parts)
    with explained(f"{path} cannot be written", REMEDY):
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb" if piece.begins else "ab") as file:
            file.write(piece.body)


def named_files(config: Config) -> dict[str, str]:
    """The files and folders of this machine that a configuration names, by path: the digest of each, "" where only its place counts."""
    found = (match["path"] for text in _texts(config.table()) if (match := NAMED.fullmatch(text)))
    return {path: _digest(Path(path)) for path in sorted(set(found)) if Path(path).exists()}


def check_files(wanted: Mapping[str, str]) -> None:
    """Raises `ConfigError` for what this machine lacks, or has otherwise."""
    for path, digest in wanted.items():
        wrong = "does not have" if not Path(path).exists() else "has another" if _digest(Path(path)) != digest else ""
        if wrong:
            raise ConfigError(f"{os.uname().nodename} {wrong} {path}: copy it to the same place on every machine, or share a file system")


def _digest(path: Path) -> str:
    if not path.is_file() or path.stat().st_size > HASHED:
        return ""
    with explained(f"{path} cannot be read", "correct its permissions"):
        return hashlib.sha256(path.read_bytes()).hexdigest()


def _texts(value: object) -> Iterator[str]:
    """All texts in a table."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for part in value.values():
            yield from _texts(part)
    elif isinstance(value, list | tuple):
        for part in value:
            yield from _texts(part)
