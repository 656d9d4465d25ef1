"""How far the journals of a node have come, written down beside them: one that lies behind is an older copy, or a new one in the place of
one that was lost, and whoever went on from it would sign once more, and otherwise, what was signed already.

LMDB numbers the commits of a journal. An actor reports the last number once it is on the disk, and its supervisor writes all of them down
every second: so they are never ahead of a journal that is as its actor left it.
"""

from collections.abc import Mapping
from pathlib import Path

import msgspec

from dfl_actors.errors import StoreError
from dfl_actors.files import whole
from dfl_actors.runtime.rundir import NodeDirectory
from dfl_actors.runtime.stores import Journal


def read_marks(node: NodeDirectory) -> dict[str, int]:
    """The last commits by actor. None where they were not written, or are damaged: then nothing is known."""
    try:
        return msgspec.json.decode(node.marks.read_bytes(), type=dict[str, int])
    except (OSError, msgspec.DecodeError):
        return {}


def leave_marks(node: NodeDirectory, marks: Mapping[str, int]) -> None:
    """Raises `StoreError`."""
    with whole(node.marks) as draft:
        draft.write_bytes(msgspec.json.encode(marks))


def check_marks(node: NodeDirectory) -> None:
    """Raises `StoreError` for a journal of the node that is behind its mark, or lost."""
    for actor, had in read_marks(node).items():
        path = node.journal(actor)
        commits = _commits(path) if path.exists() else 0
        if commits < had:
            raise StoreError(
                f"{path} is older than it was, or was lost (it has {commits} commits and had {had}): put the newer one back,"
                " or begin a new run (--out)"
            )


def _commits(path: Path) -> int:
    with Journal(path, readonly=True) as journal:
        return journal.commits
