"""The live table at every width, and the four ways to watch."""

import io
import json
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from rich.console import Console

from dfl_actors.report.table import Column, Watch, fit, live_table, plain_line, progress, size_text
from dfl_actors.runtime.status import NetworkStatus, NodeStatus


def network(count: int = 4, state: str = "running", elapsed: float = 12.5, restarts: int = 0, **about: Any) -> NetworkStatus:
    names = [str(number) for number in range(count)]
    nodes = tuple(
        NodeStatus(
            name=name,
            state="training",
            samples=123_456,
            steps=1929,
            sent=120,
            received=361,
            receipts=358,
            height=number + 1,
            test_accuracy=0.912 + 0.02 * number / max(count - 1, 1),
            own_accuracy=0.9 + 0.05 * number / max(count - 1, 1),
            reputations={other: 1.0 - 0.05 * (other == "2") for other in names if other != name},
            restarts=restarts if number == 0 else 0,
        )
        for number, name in enumerate(names)
    )
    return NetworkStatus(name="fully_connected_4", state=state, elapsed=elapsed, nodes=nodes, **about)


def drawn(status: NetworkStatus, width: int, height: int | None = None) -> list[str]:
    console = Console(file=io.StringIO(), width=width, color_system=None)
    console.print(live_table(status, width, height))
    return [line.rstrip() for line in console.file.getvalue().splitlines()]  # type: ignore[attr-defined]


@pytest.mark.parametrize("restarts", [0, 12])
def test_four_nodes_fit_whole_in_100_columns(restarts: int) -> None:
    lines = drawn(network(duration=90.0, target=0.95, restarts=restarts), 100)
    assert all(len(line) <= 100 for line in lines)
    assert lines[1] == "honest nodes: mean 0.922, worst 0.912 (0), spread 0.020; 4 of 4 measured" and "target 0.95" in lines[0]
    assert lines[2].split()[:10] == ["node", "state", "samples", "steps", "sent", "received", "receipts", "height", "test", "own"]
    assert ("restarts" in lines[2]) == bool(restarts)
    assert "1:1.00 2:0.95 3:1.00" in lines[3]
    assert len(lines) == 7


@pytest.mark.parametrize("width", [80, 60, 40])
def test_a_narrow_table_drops_the_least_important_columns(width: int) -> None:
    lines = drawn(network(duration=90.0, target=0.95, restarts=1), width)
    assert all(len(line) <= width for line in lines)
    (heading,) = (line for line in lines if line.startswith("node "))
    assert "steps" not in heading and all(header in heading for header in ("height", "test"))
    assert not any("…" in line for line in lines[1:]) and "4 of 4 measured" in " ".join(" ".join(lines).split())


@pytest.mark.parametrize("width", [60, 80, 120, 200])
def test_attackers_are_named_apart_and_what_is_old_says_so(width: int) -> None:
    honest, rogue = NodeStatus(name="ben", test_accuracy=0.91, test_age=1.0), NodeStatus(name="dan", attack="sign_flip", test_accuracy=0.99)
    late = NodeStatus(name="eve", role="observer", test_accuracy=0.5, test_age=37.0)
    lines = drawn(msgspec.structs.replace(network(every=2.0, target=0.95), nodes=(honest, rogue, late, NodeStatus(name="fay"))), width)
    text = " ".join(" ".join(lines).split())
    assert all(len(line) <= width for line in lines) and "weakest" not in text
    assert "honest nodes: mean 0.705, worst 0.500 (eve), spread 0.410; 1 attacker apart; 1 of 4 not measured yet" in text
    assert ("0.500 (37 s ago)" in text, "0.910 (" in text, "sign_flip" in text, "observer" in text) == (True, False, True, True)


def test_a_session_that_was_resumed_counts_its_own_seconds_and_says_so_and_a_start_counts_none() -> None:
    assert "session 2: 12.5 s of 30 s" in drawn(network(duration=30.0, session=2), 100)[0]
    starting = network(duration=10.0, state="starting", elapsed=34.6)
    assert "34.6 s of" not in drawn(starting, 100)[0] and progress(starting) is None


def test_a_wide_table_shows_everything() -> None:
    assert "  1929   " in drawn(network(), 200)[3]


@pytest.mark.parametrize("height", [10, 24, 52])
def test_many_nodes_are_folded_to_the_height_of_the_terminal(height: int) -> None:
    lines = drawn(network(50), 100, height)
    assert len(lines) == height - 1
    assert lines[-1].startswith(f"... and {50 - (height - 5)} more  height {height - 4}")


@pytest.mark.parametrize("height", [54, None])
def test_no_node_is_folded_where_all_have_room(height: int | None) -> None:
    assert len(drawn(network(50), 100, height)) == 53


@pytest.mark.parametrize("height", [0, 1, 4])
def test_a_terminal_of_no_height_still_shows_a_node(height: int) -> None:
    assert len(drawn(network(50), 100, height)) == 5


def test_an_observer_and_a_network_without_nodes_are_shown() -> None:
    observer = NetworkStatus(name="n", state="starting", elapsed=0, nodes=(NodeStatus(name="a-very-long-node-name", role="observer"),))
    assert drawn(observer, 120)[3].startswith("a-very-long-no..  observer  starting")
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


def test_fit_shrinks_the_gap_then_shortens_then_drops() -> None:
    a = Column(header="aaaa", cells=["1"])
    b = Column(header="b", cells=["long text"], short=["s"], importance=1)
    c = Column(header="cc", cells=["2"], importance=2)

    def at(width: int) -> tuple[list[tuple[str, int]], int]:
        kept, gap = fit([a, b, c], width)
        return [(column.header, column.width) for column in kept], gap

    assert at(19) == ([("aaaa", 4), ("b", 9), ("cc", 2)], 2)
    assert at(18) == at(17) == ([("aaaa", 4), ("b", 9), ("cc", 2)], 1)
    assert at(16) == at(11) == ([("aaaa", 4), ("b", 1), ("cc", 2)], 2)
    assert at(8) == at(7) == ([("aaaa", 4), ("b", 1)], 2)
    assert at(4) == ([("aaaa", 4)], 2)
    assert at(1) == ([("aaaa", 4)], 1)


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 B"), (999, "999 B"), (1000, "1 kB"), (1_724_320, "1.72 MB"), (999_499, "999 kB"), (999_600, "1 MB"), (228_900_000, "229 MB"),
        (4_614_000_000, "4.61 GB"), (1_500_000_000_000, "1.5 TB"), (1_234_000_000_000_000, "1234 TB"),
    ],
)  # fmt: skip
def test_a_size_in_words(size: float, text: str) -> None:
    assert size_text(size) == text


def test_the_plain_line() -> None:
    said = "honest nodes: mean 0.922, worst 0.912 (0), spread 0.020; 4 of 4 measured"
    assert plain_line(network()) == f"  12.5 s  height 1,2,3,4  {said}  own 0.90..0.95  sent 480 received 1444"
    many = plain_line(network(50, restarts=2))
    assert "height 1..50  honest" in many and many.endswith("50 of 50 measured  own 0.90..0.95  sent 6000 received 18050  restarts 2")
    nothing = NetworkStatus(name="n", state="starting", elapsed=0, nodes=(NodeStatus(name="0"), NodeStatus(name="1")))
    assert (
        plain_line(nothing)
        == "   0.0 s  starting  height 0,0  honest nodes: not measured yet; none of 2 measured  own -  sent 0 received 0"
    )
    assert plain_line(NetworkStatus(name="n", state="running", elapsed=0)) == "   0.0 s  height -  no node  own -  sent 0 received 0"


class Clock:
    """Time that passes only when a test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def watched(play: Callable[[Watch, Clock], None], terminal: bool = False, quiet: bool = False, json: bool = False) -> str:
    console = Console(file=io.StringIO(), width=60, height=24, force_terminal=terminal, color_system=None)
    clock = Clock()
    watch = Watch(console, quiet=quiet, json=json, clock=clock)
    play(watch, clock)
    watch.close()
    return console.file.getvalue()  # type: ignore[attr-defined, no-any-return]


def five_seconds(watch: Watch, clock: Clock) -> None:
    """Ten updates a second, a notice in the middle, and a last update that is held back."""
    for tenth in range(50):
        watch.update(network(elapsed=tenth / 10))
        clock.now += 0.1
        if tenth == 25:
            watch.event("trainer of node 2 crashed (killed by signal 9) and was restarted")


def test_plain_lines_come_every_two_seconds_and_at_the_end() -> None:
    lines = watched(five_seconds).splitlines()
    assert [line.split()[0] for line in lines] == ["0.0", "2.0", "trainer", "4.0", "4.9"]
    assert lines[0] == plain_line(network(elapsed=0.0)), "a line longer than the console is not folded"


def test_a_change_of_state_is_told_at_once() -> None:
    def play(watch: Watch, clock: Clock) -> None:
        for state in ("starting", "starting", "running", "running", "stopping"):
            watch.update(network(state=state))

    assert [("starting" in line, "stopping" in line) for line in watched(play).splitlines()] == [
        (True, False),
        (False, False),
        (False, True),
    ]


def test_json_is_one_object_a_line() -> None:
    objects = [json.loads(line) for line in watched(five_seconds, json=True).splitlines()]
    assert [item["event"] for item in objects] == ["status", "status", "notice", "status", "status"]
    assert objects[0]["nodes"][1]["reputations"] == {"0": 1.0, "2": 0.95, "3": 1.0}
    assert objects[2] == {"event": "notice", "text": "trainer of node 2 crashed (killed by signal 9) and was restarted", "error": False}


def test_json_is_json_on_a_terminal_too() -> None:
    lines = watched(five_seconds, json=True, terminal=True).splitlines()
    assert [json.loads(line)["event"] for line in lines].count("status") == 4


@pytest.mark.parametrize("terminal", [False, True])
@pytest.mark.parametrize("as_json", [False, True])
def test_quiet_tells_nothing_but_errors(terminal: bool, as_json: bool) -> None:
    def failing(watch: Watch, clock: Clock) -> None:
        five_seconds(watch, clock)
        watch.event("node 2 stopped", error=True)

    assert watched(five_seconds, quiet=True, terminal=terminal, json=as_json) == ""
    assert watched(failing, quiet=True, terminal=terminal, json=as_json).count("node 2 stopped") == 1


def test_a_terminal_gets_a_table_that_is_taken_away_at_the_end() -> None:
    text = watched(five_seconds, terminal=True)
    assert "fully_connected_4  running" in text
    assert "crashed (killed by signal 9)" in text
    assert "\x1b[?25h" in text[text.rindex("\x1b[?25l") :], "the cursor is given back"


def test_a_watch_closes_twice_and_without_an_update() -> None:
    for terminal in (False, True):
        assert watched(lambda watch, clock: watch.close(), terminal=terminal) == ""
        watched(lambda watch, clock: (watch.update(network()), watch.close(), watch.close())[0], terminal=terminal)
