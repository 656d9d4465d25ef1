"""What a run waits for at this moment, as its terminal says it: a start, the measurements that decide on its target, or the last ones."""

from contextlib import suppress
from pathlib import Path

import msgspec

from dfl_actors.errors import StoreError
from dfl_actors.files import read_bytes
from dfl_actors.report.runs.listing import held_since
from dfl_actors.runtime.rundir import RunDirectory

PREPARING = "the data and the model are being prepared"


class _Said(msgspec.Struct, frozen=True):
    """Of what a run hangs out (`runtime.board`) that which is read here."""

    t: int
    state: str
    waits: str = ""


def waits_of(directory: RunDirectory, starts: bool) -> str:
    """Empty where it waits for nothing, or nobody runs it. What the session before has left says nothing of this one, and on a busy machine
    what was said of the start stands for seconds."""
    with suppress(StoreError, OSError):
        held = held_since(directory)
        if held is None:
            return ""
        said = _said(directory.status)
        if said is not None and said.t >= held and (said.state == "starting") == starts:
            return said.waits
        return PREPARING if starts else ""
    return ""


def _said(path: Path) -> _Said | None:
    try:
        return msgspec.json.decode(read_bytes(path), type=_Said)
    except (FileNotFoundError, msgspec.DecodeError):
        return None
