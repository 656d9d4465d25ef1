"""Records as watchers hear them, and the network they come from."""

from typing import Any

from dfl_actors.runtime.header import Record
from dfl_actors.runtime.recording import Network

NETWORK = Network(name="net", nodes=("0", "1", "2"), links=(("0", "1"), ("1", "2")))
TX, RECEIPT, MODEL = "ab" * 32, "cd" * 32, "ef" * 32


def record(kind: str = "letter", name: str = "Trained", node: str = "1", actor: str = "trainer", **fields: Any) -> Record:
    return Record(t=fields.pop("t", 1_700_000_000_123_456), node=node, actor=actor, n=1, kind=kind, type=name, **fields)
