"""Pairs of nodes: receipts and traffic."""

from pathlib import Path

import numpy as np
import pytest

from dfl_actors.report.load import load_run
from dfl_actors.report.pairs import Link, receipts, traffic
from tests.report.made_run import START, Line, address, ready, write_run


def receipt(tx: str, generator: str, witness: str, correct: int = 5) -> Line:
    fields = {"tx": tx, "creator": address(witness), "correct": correct, "tested": 10}
    return {"t": START, "node": generator, "actor": "builder", "event": "receipt", **fields}


def test_receipts_are_counted_once_by_witness_and_generator(tmp_path: Path) -> None:
    lines = [receipt("1", "a", "b"), receipt("2", "a", "b", 7), receipt("2", "a", "b", 7), receipt("3", "b", "a"), receipt("4", "a", "z")]
    found = receipts(load_run(write_run(tmp_path / "net", "abc", [ready(), *lines])))
    assert found.names == ("a", "b", "c")
    assert found.counts.tolist() == [[0, 1, 0], [2, 0, 0], [0, 0, 0]]
    assert found.accuracies[1, 0] == pytest.approx(0.6) and np.isnan(found.accuracies[2, 0])


def test_traffic_of_both_directions_and_of_links_that_are_not_listed(tmp_path: Path) -> None:
    def sent(one: str, other: str, size: int) -> Line:
        return {"t": START, "node": one, "actor": "gossiper", "event": "sent", "tx": f"{size}", "to": address(other), "bytes": size}

    lines = [ready(), sent("a", "b", 10), sent("b", "a", 5), sent("b", "a", 7), sent("a", "z", 3)]
    links = traffic(load_run(write_run(tmp_path / "net", "abc", lines, links=[["b", "a"], ["b", "c"]])))
    stranger = address("z")[:8]
    assert links == [
        Link("a", "b", (1, 2), (10, 12)),
        Link("b", "c", (0, 0), (0, 0)),
        Link(stranger, "a", (0, 1), (0, 3)) if stranger < "a" else Link("a", stranger, (1, 0), (3, 0)),
    ]
    assert [link.total for link in links] == [22, 0, 3]
