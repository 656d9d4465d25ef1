"""What lies in a node's directory, read without disturbing the node: its stores, and the ends of its log files.

Stores are read in a process of its own, for a damaged one ends its reader. Of the rest only regular files below the run's directory are
read, and never through a link: a run directory may come from anybody. Keys are never opened.
"""

import os
from pathlib import Path

import msgspec

from dfl_actors.core.family import ACTORS
from dfl_actors.errors import StoreError, plain
from dfl_actors.files import regular
from dfl_actors.processes.isolated import in_child
from dfl_actors.processes.limits import limit_processor
from dfl_actors.report.page.chains import VERIFYING, most_blocks
from dfl_actors.runtime.examined import Examined, examine_all
from dfl_actors.runtime.marks import read_marks
from dfl_actors.runtime.rundir import NodeDirectory, RunDirectory
from dfl_actors.runtime.stores import Journal, ModelStore

LOG_BYTES, LOG_LINES = 1 << 16, 200  # Of the end of a log file that are shown.
READING = 30  # Seconds of work after which a store that has no end is given up.


class Kept(msgspec.Struct, frozen=True):
    """An actor's journal: its entries, their bytes, the commits in it and how many were written down beside it (`marks.json`), None where
    nobody did."""

    actor: str
    entries: int
    bytes: int
    commits: int
    marked: int | None


class Stores(msgspec.Struct, frozen=True):
    """The stores of a node. `models` there are, of so many bytes; `problem` says what could not be read. While they are being read, no more
    is known than whose `journals` there are."""

    journals: tuple[Kept, ...] = ()
    models: int = 0
    bytes: int = 0
    chain: Examined | None = None
    problem: str = ""
    reading: bool = False


def awaited(run: RunDirectory, name: str) -> Stores:
    """What a look at the directory says of them, before they are read: a run may have been copied without any."""
    try:
        if not _there(run, name):
            return Stores()
        actors = [actor for actor in ACTORS if run.node(name).journal(actor).exists()]
    except (StoreError, OSError):
        return Stores()  # whoever reads them says why
    return Stores(journals=tuple(Kept(actor, 0, 0, 0, None) for actor in actors), reading=True)


def _there(run: RunDirectory, name: str) -> bool:
    node = run.node(name)
    return any(path.exists() for path in (node.chain, node.models, node.journals))


def stores_of(run: RunDirectory, name: str, verify: bool) -> Stores:
    """What is in them; the chain is verified too if that is wanted and takes but seconds."""
    try:
        if not _there(run, name):
            return Stores()
        journals, models, size = in_child(_look, run.node(name).path)
        (chain,) = examine_all(run, (name,), most_blocks(1), VERIFYING if verify else 0.0)
    except (StoreError, RuntimeError, OSError) as error:
        return Stores(problem=str(error))
    return Stores(journals, models, size, chain)


def _look(path: Path) -> tuple[tuple[Kept, ...], int, int]:
    limit_processor(READING)
    node = NodeDirectory(path)
    marks = read_marks(RunDirectory(path.parents[1]), path.name)
    journals = tuple(_kept(node, actor, marks.get(actor)) for actor in ACTORS if node.journal(actor).exists())
    if not node.models.exists():
        return journals, 0, 0
    with ModelStore(node.models) as models:
        sizes = [models.size(key) or 0 for key in ModelStore.keys(models)]
    return journals, len(sizes), sum(sizes)


def _kept(node: NodeDirectory, actor: str, marked: int | None) -> Kept:
    with Journal(node.journal(actor), readonly=True) as journal:
        sizes = [len(key) + len(value) for key, value in journal.scan(b"")]
        return Kept(actor, len(sizes), sum(sizes), journal.commits, marked)


# --- logs


def logs_of(run: RunDirectory, name: str) -> dict[str, list[str]]:
    """The last lines of each log file of a node, by the file's name; nothing in them moves a cursor."""
    try:
        folder = run.node(name).path / "log"
        if not folder.resolve().is_relative_to(run.path.resolve()):
            return {}
        files = sorted(path for path in folder.iterdir() if path.suffix == ".log")
    except (OSError, StoreError):
        return {}
    return {path.name: lines for path in files if (lines := tail_of(path)) is not None}


def tail_of(path: Path) -> list[str] | None:
    """The last lines of a regular file; None for anything else, and for what cannot be read."""
    try:
        descriptor = regular(path, os.O_NOFOLLOW)
    except (OSError, StoreError):
        return None
    try:
        size = os.fstat(descriptor).st_size
        text = os.pread(descriptor, LOG_BYTES, max(size - LOG_BYTES, 0)).decode(errors="replace")
    except OSError:
        return None
    finally:
        os.close(descriptor)
    lines = text.splitlines()[-LOG_LINES:]
    return [plain(line.expandtabs()) for line in lines]
