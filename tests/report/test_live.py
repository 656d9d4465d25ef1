"""The live table at every width, and the line for logs."""

import io
from typing import Any

import msgspec
import pytest
from rich.console import Console

from dfl_actors.report.live import live_table, plain_line, progress
from dfl_actors.runtime.status import NetworkStatus, NodeStatus
from tests.report.statuses import network


def drawn(status: NetworkStatus, width: int, height: int | None = None, ascii_only: bool = False, page: str = "") -> list[str]:
    console = Console(file=io.StringIO(), width=width, color_system=None)
    console.print(live_table(status, width, height, ascii_only, page))
    return [line.rstrip() for line in console.file.getvalue().splitlines()]  # type: ignore[attr-defined]


@pytest.mark.parametrize("restarts", [0, 12])
def test_four_nodes_show_what_changes_in_120_columns(restarts: int) -> None:
    lines = drawn(network(duration=90.0, target=0.95, restarts=restarts), 120)
    assert all(len(line) <= 120 for line in lines)
    assert lines[1] == "honest nodes: mean 0.922, worst 0.912 (0), spread 0.020; 4 of 4 measured" and "target 0.95" in lines[0]
    assert lines[2].replace("last block", "last_block").split()[:7] == ["node", "state", "test", "trend", "own", "tx/s", "last_block"]
    assert ("restarts" in lines[2]) == bool(restarts)
    assert "▁▄█" in lines[3] and "12.3" in lines[3] and "3 s ago" in lines[3] and "1:1.00 2:0.95 3:1.00" in lines[3]
    assert len(lines) == 7


def test_reputations_stand_in_the_order_of_the_rows() -> None:
    said = {"a": {"elsewhere": 0.5, "c": 0.9, "b": 1.0}, "b": {"c": 0.8, "a": 1.0}, "c": {"b": 1.0, "a": 1.0}}
    lines = drawn(
        msgspec.structs.replace(network(), nodes=tuple(NodeStatus(name=name, reputations=its) for name, its in said.items())), 120
    )
    texts = ("b:1.00 c:0.90 elsewhere:0.50", "a:1.00 c:0.80", "a:1.00 b:1.00")
    assert all(line.endswith(text) for line, text in zip(lines[-3:], texts, strict=True))


@pytest.mark.parametrize("width", [80, 60, 40])
def test_a_narrow_table_drops_the_least_important_columns(width: int) -> None:
    lines = drawn(network(duration=90.0, target=0.95, restarts=1), width)
    assert all(len(line) <= width for line in lines)
    (heading,) = (line for line in lines if line.startswith("node "))
    assert "sent" not in heading and all(header in heading for header in ("height", "test"))
    assert ("tx/s" in heading, "last block" in heading) == ((True, width >= 60))
    assert not any("…" in line for line in lines[1:]) and "4 of 4 measured" in " ".join(" ".join(lines).split())


def test_all_trends_stand_between_the_same_lines_and_small_changes_stay_small() -> None:
    nodes = (NodeStatus(name="a", tests=(0.10, 0.90)), NodeStatus(name="b", tests=(0.90, 0.901)), NodeStatus(name="c"))
    lines = drawn(msgspec.structs.replace(network(), nodes=nodes), 120)
    assert [line.split()[3] for line in lines[3:5]] == ["▁█", "██"]
    steady = drawn(msgspec.structs.replace(network(), nodes=(NodeStatus(name="a", tests=(0.90, 0.91, 0.905)),)), 120)
    assert "▁▂▁" in steady[3]
    assert not any("▁" in line or "━" in line for line in drawn(network(duration=90.0), 120, ascii_only=True))


@pytest.mark.parametrize("width", [60, 80, 120, 200])
def test_attackers_are_named_apart_and_what_is_old_says_so(width: int) -> None:
    honest, rogue = NodeStatus(name="ben", test_accuracy=0.91, test_age=1.0), NodeStatus(name="dan", attack="sign_flip", test_accuracy=0.99)
    late = NodeStatus(name="eve", role="observer", test_accuracy=0.5, test_age=37.0)
    lines = drawn(msgspec.structs.replace(network(every=2.0, target=0.95), nodes=(honest, rogue, late, NodeStatus(name="fay"))), width)
    text = " ".join(" ".join(lines).split())
    assert all(len(line) <= width for line in lines) and "weakest" not in text
    assert "honest nodes: mean 0.705, worst 0.500 (eve), spread 0.410; 1 attacker apart; 1 of 4 not measured yet" in text
    assert ("0.500 (37 s ago)" in text, "0.910 (" in text, "sign_flip" in text, "observer" in text) == (True, False, True, True)
    assert "0.000" not in text, "who was not measured is not at nothing"


@pytest.mark.parametrize("width", [60, 80, 120, 200])
def test_who_makes_no_blocks_any_more_has_stalled_in_words(width: int) -> None:
    status = network()
    slow = msgspec.structs.replace(status.nodes[2], stalled=45.0, block_age=45.0)
    lines = drawn(msgspec.structs.replace(status, nodes=(*status.nodes[:2], slow, status.nodes[3])), width)
    assert lines[-1].startswith("STALLED: node 2 has made no block for 45 s; one takes 5 s")
    assert any(line.startswith("2 ") and " STALLED " in line for line in lines)
    everybody = tuple(msgspec.structs.replace(node, stalled=40.0 + at) for at, node in enumerate(status.nodes))
    assert drawn(msgspec.structs.replace(status, nodes=everybody), width)[-1] == "STALLED: no node has made a block for 40 s"
    assert "STALLED: node 2 has made no block" in plain_line(msgspec.structs.replace(status, nodes=(*status.nodes[:2], slow)))
    many = tuple(msgspec.structs.replace(node, stalled=50.0) for node in network(9).nodes[:5])
    lines = drawn(msgspec.structs.replace(status, nodes=(*many, *network(9).nodes[5:])), width)
    assert lines[-1] == "STALLED too: node 3, 4" and lines[-2].startswith("STALLED: node 2")


@pytest.mark.parametrize("width", [60, 80, 120, 200])
def test_a_start_says_what_it_waits_for(width: int) -> None:
    waits = "20 of 24 actors are ready, not yet trainer of node 0, 1, 2; gossiper of node 3 (no link to ben)"
    lines = drawn(network(state="starting", elapsed=17.0, waits=waits, duration=25.0), width)
    text = " ".join(" ".join(lines).split())
    assert waits in text and "starting 17.0 s" in text and "of 25 s" not in text and "not measured" not in text
    assert plain_line(network(state="starting", elapsed=17.0, waits=waits)) == f"  17.0 s  starting: {waits}"
    long = drawn(network(state="starting", waits=" ".join(["trainer of node 0;"] * 90)), width)
    assert len(long) == 1 + 3 + 5 and all(len(line) <= width for line in long) and long[3].endswith("...")


def test_the_end_says_how_far_the_last_measurements_are() -> None:
    status = network(state="stopping", waits="the last measurements: 2 of 4")
    assert drawn(status, 100)[2] == "the last measurements: 2 of 4" and plain_line(status).endswith("the last measurements: 2 of 4")


def test_a_session_that_was_resumed_counts_its_own_seconds_and_says_so_and_a_start_counts_none() -> None:
    assert "session 2: 12.5 s of 30 s" in drawn(network(duration=30.0, session=2), 100)[0]
    starting = network(duration=10.0, state="starting", elapsed=34.6)
    assert "34.6 s of" not in drawn(starting, 100)[0] and progress(starting) is None


def test_a_wide_table_shows_the_totals_too() -> None:
    assert "  361  " in drawn(network(), 200)[3]


@pytest.mark.parametrize("height", [10, 24, 52])
def test_many_nodes_are_folded_to_the_height_of_the_terminal(height: int) -> None:
    lines = drawn(network(50), 100, height)
    assert len(lines) == height - 1
    assert lines[-1].startswith(f"... and {50 - (height - 5)} more  height {height - 4}")


@pytest.mark.parametrize("width", [25, 60, 80, 120, 200])
def test_the_address_of_its_page_is_whole_at_every_width_and_takes_its_line(width: int) -> None:
    page = "http://127.0.0.1:8765/"
    lines = drawn(network(50, duration=90.0), width, 24, page=page)
    assert "".join(lines[1 : 2 if width > 25 else 3]).removeprefix("page:").strip() == page
    assert width == 25 or (len(lines) == 23 and lines[-1].startswith("... and "))


@pytest.mark.parametrize("height", [54, None])
def test_no_node_is_folded_where_all_have_room(height: int | None) -> None:
    assert len(drawn(network(50), 100, height)) == 53


@pytest.mark.parametrize("height", [0, 1, 4])
def test_a_terminal_of_no_height_still_shows_a_node(height: int) -> None:
    assert len(drawn(network(50), 100, height)) == 5


def test_an_observer_and_a_network_without_nodes_are_shown() -> None:
    observer = NetworkStatus(name="n", state="starting", elapsed=0, nodes=(NodeStatus(name="a-very-long-node-name", role="observer"),))
    assert drawn(observer, 120)[3].startswith("a-very-long-node-name  observer  starting")
    assert drawn(NetworkStatus(name="n", state="starting", elapsed=0), 80)[0].startswith("n  starting  0.0 s")


@pytest.mark.parametrize(
    ("about", "done"),
    [
        ({}, None),
        ({"duration": 0.0, "target": 0.0}, None),
        ({"duration": 50.0}, 0.25),
        ({"duration": 10.0}, 1.0),
        ({"target": 0.95}, 0.96),
        ({"duration": 50.0, "target": 0.95}, 0.96),
    ],
)
def test_progress_is_towards_what_ends_the_run_first(about: dict[str, Any], done: float | None) -> None:
    assert progress(network(**about)) == (None if done is None else pytest.approx(done))


def test_the_plain_line() -> None:
    said = "honest nodes: mean 0.922, worst 0.912 (0), spread 0.020; 4 of 4 measured"
    assert plain_line(network()) == f"  12.5 s  height 1,2,3,4  {said}  own 0.90..0.95  sent 480 received 1444"
    many = plain_line(network(50, restarts=2))
    assert "height 1..50  honest" in many and many.endswith("50 of 50 measured  own 0.90..0.95  sent 6000 received 18050  2 restarts")
    nothing = NetworkStatus(name="n", state="starting", elapsed=0, nodes=(NodeStatus(name="0"), NodeStatus(name="1")))
    assert (
        plain_line(nothing)
        == "   0.0 s  starting  height 0,0  honest nodes: not measured yet; none of 2 measured  own -  sent 0 received 0"
    )
    assert plain_line(NetworkStatus(name="n", state="running", elapsed=0)) == "   0.0 s  height -  no node  own -  sent 0 received 0"
