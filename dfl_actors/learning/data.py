"""Data sets: samples with what they are, checked once when they are unpacked, and read-only memory maps from then on.

`docs/data.md` lists the kinds of sources, each of which `learning/sources` reads a piece at a time. Here their pieces become plain
``.npy`` files in an entry of a cache directory, which all processes of a network map: however many they are, the samples lie in memory
once, and never as a whole in that of any of them. A cache belongs to one start of a program. Its entries are named after what the topology
says of the data, appear by one rename when everything in them is checked, and hold the digest of the source as it was then.
"""

import fcntl
import hashlib
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np

from dfl_actors.config import Config
from dfl_actors.config.sections import Data
from dfl_actors.config.toml_text import counted
from dfl_actors.errors import DataError
from dfl_actors.learning.foreign import one_line
from dfl_actors.learning.form import Array, Form, Input, Samples, joined
from dfl_actors.learning.sources import check_keys, find
from dfl_actors.learning.sources.columns import Part, Picked, Raw, chosen, whole
from dfl_actors.learning.sources.inputs import check_alike, inputs_of, name_of, pieces
from dfl_actors.learning.sources.targets import targets

ABOUT = "about.json"
PARTS = ("train", "test")
SAYS = ("source", "target", "labels", "shape", "task", "scale", "columns", "holdout")
"""The keys of the topology's section that say something of the samples."""


class About(msgspec.Struct, frozen=True):
    """What an entry holds beside the arrays."""

    digest: str
    form: Form


@dataclass(frozen=True, eq=False, slots=True)
class Dataset:
    """Samples x [n, ...] as `form` has them, and what they are: y [n] classes (uint8, or int32 beyond 256), else [n, labels].

    `digest` is that of the source. The arrays cannot be written to.
    """

    name: str
    digest: str
    form: Form
    x_train: Samples
    y_train: Array
    x_test: Samples
    y_test: Array

    @property
    def kinds_train(self) -> Array:
        """What a partition tells training samples apart by: their classes [n], all 0 for tasks that have none."""
        return self._kinds(self.y_train)

    @property
    def kinds_test(self) -> Array:
        """The same of the test samples."""
        return self._kinds(self.y_test)

    def _kinds(self, y: Array) -> Array:
        return y if self.form.task == "classification" else np.zeros(len(y), np.uint8)


def load_dataset(said: Data, cache: Path | None = None) -> Dataset:
    """The data set that a topology's section `said` describes.

    With `cache`, a directory (made when missing), it lies there for all processes that name the same directory; without, its files are
    gone from the disk when it is no longer used. Raises `DataError` for a source that is missing, damaged or inconsistent.
    """
    try:
        if cache is not None:
            return _mapped(said, _entry(said, cache))
        with tempfile.TemporaryDirectory(prefix="dfl-data-") as folder:
            return _mapped(said, _entry(said, Path(folder)))
    except OSError as error:
        place = error.filename or cache or tempfile.gettempdir()
        raise DataError(
            f"data set {said.source!r}: cannot use {place} ({error.strerror or error}); correct data.source, or make room"
        ) from error


def load_datasets(config: Config, cache: Path | None = None, names: Iterable[str] = ()) -> dict[str, Dataset]:
    """The data set of each of these nodes, of all when none is named: one for all of them unless each has its own.

    Raises `DataError`, also where two have other inputs or labels.
    """
    sources = {node.name: node.source for node in config.nodes}
    chosen = list(names) or list(sources)
    loaded = {sources[name]: name for name in chosen}
    data = {source: load_dataset(config.data_of(name), cache) for source, name in loaded.items()}
    first, *others = data.values()
    for other in others:
        _check_together(first, other)
    return {name: data[sources[name]] for name in chosen}


def _check_together(one: Dataset, other: Dataset) -> None:
    remedies = {"inputs": "give their samples one shape and type", "labels": "say data.labels, which both may have"}
    for key, remedy in remedies.items():
        here, there = getattr(one.form, key), getattr(other.form, key)
        if here != there:
            raise DataError(f"data sets {one.name!r} and {other.name!r} have other {key} ({_short(here)}; {_short(there)}); {remedy}")


def _short(values: Sequence[str | Input]) -> str:
    texts = [value if isinstance(value, str) else f"{value.dtype} {value.shape}" for value in values]
    return ", ".join(texts if len(texts) < 7 else [*texts[:6], f"... {len(texts)} in all"])


def check_unchanged(data: Mapping[str, Dataset], before: str) -> str:
    """The digest of the nodes' data sets. Raises `DataError` when it is not `before`, what it was when a run began, if that is known."""
    digests = list(dict.fromkeys(one.digest for one in data.values()))
    digest = digests[0] if len(digests) == 1 else hashlib.sha256("".join(digests).encode()).hexdigest()
    if before not in ("", digest):
        names = ", ".join(sorted({repr(one.name) for one in data.values()}))
        raise DataError(
            f"data set {names} is not the one that this run began with (sha256 {digest[:16]}, not {before[:16]}): "
            "put that one back, or begin a new run"
        )
    return digest


def _key(said: Data) -> str:
    """What an entry is named after: all that the topology says of the samples themselves."""
    return hashlib.sha256(msgspec.json.encode([getattr(said, name) for name in SAYS])).hexdigest()[:32]


def _entry(said: Data, cache: Path) -> Path:
    """The entry of the cache, which is made first when it is not there, by one process while others wait."""
    cache.mkdir(parents=True, exist_ok=True)
    entry = cache / _key(said)
    with entry.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not entry.is_dir():
            draft = Path(tempfile.mkdtemp(prefix=f".{entry.name}-", dir=cache))
            try:
                _fill(draft, said)
                draft.rename(entry)
            finally:
                shutil.rmtree(draft, ignore_errors=True)
    return entry


def _fill(draft: Path, said: Data) -> None:
    """Unpack the source into `draft`, checked. Raises `DataError`."""
    source = find(said.source)
    with readable(source.where), source.opened(said) as raw:
        check_keys(said)
        train, test = _parted(raw, said.holdout)
        # As a whole, not yet divided: what is wrong is named as it is in the source.
        inputs = inputs_of(said, raw.train, "train")
        if raw.test is not None:
            check_alike(inputs, inputs_of(said, raw.test, "test"))
        given = [(f"y_{part}", whole(samples.y)) for part, samples in zip(PARTS, (raw.train, raw.test), strict=True) if samples]
        found = targets(said, raw.names, given)
        form = Form(inputs, said.task, found.labels, said.scale)
        for part, samples, y in zip(PARTS, (train, test), (found.parts[0], found.parts[-1]), strict=True):
            _write(draft, part, samples, chosen(samples.y, y), form, "train" if raw.test is None else part)
        digest = source.digest() or _digest_of(sorted(draft.glob("*.npy")))
    (draft / ABOUT).write_bytes(msgspec.json.encode(About(digest, form)))


@contextmanager
def readable(where: str) -> Iterator[None]:
    """What is wrong with a source is said in one line, whatever a damaged file makes of the library that reads it."""
    try:
        yield
    except DataError as error:
        raise DataError(f"data set {where}: {error}") from error
    except OSError:
        raise
    except UnicodeDecodeError as error:
        raise DataError(f"data set {where}: it is not in UTF-8 ({one_line(error)}); save it so") from error
    except Exception as error:
        raise DataError(f"data set {where}: it cannot be read ({one_line(error)}); is it whole? Copy or write it again") from error


def _parted(raw: Raw, holdout: float) -> tuple[Part, Part]:
    """Training and test samples. A source without test samples gives this share of its samples, at least one: the same ones always."""
    for part, samples in zip(PARTS, (raw.train, raw.test), strict=True):
        if samples is not None:
            _check_lengths(part, samples)
    if raw.test is not None:
        return raw.train, raw.test
    count = raw.train.y.shape[0]
    if count < 2:
        raise DataError(f"it has {count} sample; it takes two at least, one to train on and one to test with")
    chosen = np.zeros(count, bool)
    chosen[np.random.default_rng(0).choice(count, min(count - 1, max(1, round(holdout * count))), replace=False)] = True
    return _picked(raw.train, ~chosen), _picked(raw.train, chosen)


def _picked(part: Part, mask: Array) -> Part:
    return Part({name: Picked(column, mask) for name, column in part.x.items()}, Picked(part.y, mask))


def _check_lengths(part: str, samples: Part) -> None:
    known = samples.y.shape[0] if samples.y.shape else 0
    for name, column in samples.x.items():
        count = column.shape[0] if column.shape else 0
        if count != known or not known:
            has = f"{name_of(part, name)} has {counted(count, 'sample')}"
            raise DataError(f"{has} but y_{part} has {known}; save for each sample what it is, at least one")


def _write(draft: Path, part: str, samples: Part, y: Array, form: Form, given: str) -> None:
    """The arrays of a part, which in errors are those of the source's part `given`."""
    for number, one in enumerate(form.inputs):
        header = {"descr": np.dtype(one.dtype).str, "fortran_order": False, "shape": (len(y), *one.shape)}
        with (draft / f"x_{part}-{number}.npy").open("wb") as file:
            np.lib.format.write_array_header_1_0(file, header)
            for piece in pieces(name_of(given, one.name), samples.x[one.name], one):
                file.write(piece.data)
    np.save(draft / f"y_{part}.npy", y, allow_pickle=False)


def _digest_of(files: Iterable[Path]) -> str:
    """SHA-256 of the arrays, for a source that is no file."""
    digest = hashlib.sha256()
    for path in files:
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()


def _mapped(said: Data, entry: Path) -> Dataset:
    about = msgspec.json.decode((entry / ABOUT).read_bytes(), type=About)
    (x_train, y_train), (x_test, y_test) = (_part(entry, part, len(about.form.inputs)) for part in PARTS)
    return Dataset(said.source, about.digest, about.form, x_train, y_train, x_test, y_test)


def _part(entry: Path, part: str, inputs: int) -> tuple[Samples, Array]:
    return joined(_map(entry / f"x_{part}-{number}.npy") for number in range(inputs)), _map(entry / f"y_{part}.npy")


def _map(path: Path) -> Array:
    # As a plain array over the map: every slice of a `memmap` would pay for its subclass.
    try:
        return np.asarray(np.load(path, mmap_mode="r", allow_pickle=False))
    except (ValueError, EOFError) as error:
        raise DataError(f"the cache {path.parent} is damaged ({one_line(error)}); delete that directory") from error
