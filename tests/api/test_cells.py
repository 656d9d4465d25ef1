"""The process of a sweep that simulates cells, one after the other."""

import gc
import socket
from pathlib import Path
from threading import Thread

import msgspec

from dfl_actors.api.sweeps.cells import Order, Word, work
from dfl_actors.config import parse_topology
from dfl_actors.processes.channel import Channel
from dfl_actors.sim.worker import Worker
from tests.sim.small import written


def test_nothing_of_a_cell_that_is_over_is_kept_in_memory(tmp_path: Path) -> None:
    """A sweep of hundreds of cells took a hundred megabytes more with each."""
    written(tmp_path)
    config = parse_topology((tmp_path / "net.toml").read_text(), where="net.toml", name="net", folder=tmp_path).resolved()
    ours, theirs = map(Channel, socket.socketpair())
    working = Thread(target=work, args=(theirs, tmp_path, tmp_path), daemon=True)
    working.start()
    gc.disable()
    try:
        for number in range(2):
            ours.send(msgspec.json.encode(Order(config, str(tmp_path / f"part-{number}"), str(tmp_path / f"over-{number}"), "")))
            while (word := msgspec.json.decode(ours.next() or b"", type=Word)).kind == "progress":
                pass
            assert word.kind == "over", word
            assert not [thing for thing in gc.get_objects() if isinstance(thing, Worker)]
    finally:
        gc.enable()
        ours.close()
        working.join()
