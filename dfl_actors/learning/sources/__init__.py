"""The kinds of data sources: each opens as `Raw`, columns that are read a piece at a time. `docs/data.md` describes them to users."""

import hashlib
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import NamedTuple

from dfl_actors.config.sections import BUNDLED, Data
from dfl_actors.errors import DataError
from dfl_actors.learning.sources import folder, function, hf, npz, table
from dfl_actors.learning.sources.columns import Raw

DATASETS = Path(__file__).parents[1] / "datasets"
SHA256 = {
    "mnist": "06af5dfe73b70e3bc1c36439982b18a8d76803db9b544f6fdf838a37fbb01b64",
    "digits": "beab236e25313a7598e8317c5cb07a96206b024ebe305ca747eccba13698ed95",
}


COLUMNS = (".csv", ".parquet")
FILES = {".npz": lambda path, _: npz.opened(path), ".csv": table.opened_csv, ".parquet": table.opened_parquet}


class Source(NamedTuple):
    """A source that was found: what it is called in errors, what opens it, and its SHA-256; empty for one that is no file."""

    where: str
    opened: Callable[[Data], AbstractContextManager[Raw]]
    digest: Callable[[], str]


def find(source: str) -> Source:
    """What `data.source` names. Raises `DataError` where it is none of what there is, `OSError` where a file is missing."""
    if source in BUNDLED:
        return _bundled(source)
    path, (kind, _, name) = Path(source), source.partition(":")
    if kind == "keras":
        return Source(source, lambda _: function.opened_keras(name), lambda: "")
    if kind == "hf":
        return Source(source, partial(hf.opened, name), lambda: "")
    if path.suffix in FILES and path.exists() and not path.is_file():
        raise DataError(f"data set {source!r}: it is a {'folder' if path.is_dir() else 'pipe or device'}, no file; give the file itself")
    if path.suffix in FILES:
        return Source(source, partial(FILES[path.suffix], path), partial(file_digest, path))
    if path.is_dir():
        return Source(source, partial(folder.opened, path), partial(folder.digest, path))
    if ":" in source:
        return Source(source, lambda _: function.opened(source), lambda: "")
    known = f"{', '.join(BUNDLED)}, a file ({', '.join(FILES)}), a folder of images, keras:NAME, hf:NAME or file.py:load"
    raise DataError(
        f"data set {source!r}: {'a file of no kind that is read' if path.exists() else 'there is no such source'}; give {known}"
    )


def check_keys(said: Data) -> None:
    """Raises `DataError` for columns that are named of a source that has none, unless another node's source may have them."""
    if said.partition == "own":
        return
    for key, named in (("target", said.target), ("columns", said.columns)):
        if named and not said.source.startswith("hf:") and not said.source.endswith(COLUMNS):
            raise DataError(f"it is no table, so data.{key} means nothing; remove that key")


def _bundled(name: str) -> Source:
    path = DATASETS / f"{name}.npz"

    def opened(_: Data) -> AbstractContextManager[Raw]:
        if (found := file_digest(path)) != SHA256[name]:
            raise DataError(f"sha256 is {found}, expected {SHA256[name]}; the file is damaged, reinstall dfl-actors")
        return npz.opened(path)

    return Source(str(path), opened, lambda: SHA256[name])


def file_digest(path: Path) -> str:
    """SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
